"""``prunella`` and ``python -m prunella_tui``: every way to end becomes an exit code and at most one line on stderr."""

import os
import sys
from collections.abc import Sequence

from prunella_core import __version__
from prunella_core.base.errors import InvalidInput, PrunellaError, Refused
from prunella_tui.cli.help import page
from prunella_tui.cli.output import DONE, FAILED, INTERRUPTED, REFUSED, USAGE, complain, discard, open_streams


def run(arguments: Sequence[str]) -> int:
    """Run ``prunella`` with ``arguments`` and return its exit code."""
    open_streams()
    try:
        code = _run(list(arguments))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        discard(sys.stdout)
        return FAILED
    except OSError as error:
        discard(sys.stdout)
        complain(f"cannot write the output: {error.strerror}")
        return FAILED
    return code


def _run(arguments: list[str]) -> int:
    if arguments in (["-h"], ["--help"]):  # without click: its import takes longer than Python's own start
        sys.stdout.write(page())
        return DONE
    if arguments == ["--version"]:
        sys.stdout.write(f"prunella {__version__}\n")
        return DONE
    try:
        return _call(arguments)
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except PrunellaError as error:
        complain(str(error))
        return REFUSED if isinstance(error, Refused) else USAGE if isinstance(error, InvalidInput) else FAILED
    except OSError as error:
        if not error.filename:  # no file has failed, so the output has
            raise
        complain(f"{error.filename}: {error.strerror}")
        return FAILED


def _call(arguments: list[str]) -> int:
    import click

    from prunella_tui.cli.root import root

    if "_PRUNELLA_COMPLETE" in os.environ:
        import prunella_tui.cli.more  # noqa: F401 -- it answers Bash in our way
    try:
        return int(root.main(arguments, prog_name="prunella", standalone_mode=False) or DONE)
    except SystemExit as ended:  # click ends so after printing completions
        return ended.code if isinstance(ended.code, int) else FAILED
    except click.Abort as abort:
        raise KeyboardInterrupt from abort
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        complain(error.format_message() + (f" (see {context.command_path} --help)" if context else ""))
        return USAGE


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
