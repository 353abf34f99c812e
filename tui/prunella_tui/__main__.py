"""``prunella`` and ``python -m prunella_tui``."""

import sys

from prunella_tui.cli import run


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    sys.exit(run.main(sys.argv[1:]))


if __name__ == "__main__":
    main()
