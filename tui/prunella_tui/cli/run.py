"""Runs the command line: every way to end becomes an exit code and at most one line on stderr."""

import os
import sys
from collections.abc import Sequence

import click

from prunella_core.base.errors import InvalidInput, PrunellaError, Refused
from prunella_tui.cli.codes import DONE, FAILED, INTERRUPTED, REFUSED, USAGE
from prunella_tui.cli.output import complain, discard, open_streams
from prunella_tui.cli.root import root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``prunella`` with ``arguments`` (the process's own by default) and return its exit code."""
    open_streams()
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        discard(sys.stdout)
        return FAILED
    except OSError as error:
        discard(sys.stdout)
        complain(f"cannot write the output: {error.strerror}")
        return FAILED
    return code


def _run(arguments: Sequence[str] | None) -> int:
    if "_PRUNELLA_COMPLETE" in os.environ:
        from prunella_tui.cli.completion import register

        register()
    try:
        return int(root.main(arguments, prog_name="prunella", standalone_mode=False) or DONE)
    except SystemExit as ended:  # click ends so after printing completions
        return ended.code if isinstance(ended.code, int) else FAILED
    except (KeyboardInterrupt, click.Abort):
        complain("interrupted")
        return INTERRUPTED
    except click.ClickException as error:
        complain(_with_hint(error))
        return USAGE
    except PrunellaError as error:
        complain(str(error))
        return _code_of(error)
    except OSError as error:
        if not error.filename:  # no file has failed, so the output has
            raise
        complain(f"{error.filename}: {error.strerror}")
        return FAILED


def _code_of(error: PrunellaError) -> int:
    if isinstance(error, Refused):
        return REFUSED
    return USAGE if isinstance(error, InvalidInput) else FAILED


def _with_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    hint = f" (see {context.command_path} --help)" if context else ""
    return error.format_message() + hint
