"""``prunella`` and ``python -m prunella_tui``."""

import sys

from prunella_tui.cli.run import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
