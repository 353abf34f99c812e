"""``prunella`` and ``python -m prunella_tui``."""

import os
import sys

from prunella_tui.cli import run


def main() -> None:
    """Run the command line, and end the process with its exit code.

    It ends at once: to free a hundred thousand records one by one, only to have the system take the memory back
    whole, would take longer than to print them.
    """
    code = run.main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
