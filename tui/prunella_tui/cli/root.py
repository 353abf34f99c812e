"""The command ``prunella`` itself: its global options, its help, the table of commands, and the application."""

import os
import sys
import time
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from prunella_core import __version__
from prunella_core.base.errors import InvalidInput, Refused
from prunella_core.base.text import clean, parse_age
from prunella_core.ledger.uses import Follower
from prunella_core.store import Store
from prunella_core.store.locate import locate, service_user
from prunella_tui.cli.help import LINES, READ_ONLY, page
from prunella_tui.cli.options import (
    config_path,
    duration_setting,
    given,
    is_on,
    no_log_option,
    remember,
    retention,
    setting,
    setting_option,
)
from prunella_tui.cli.session import imported, open_store, stores_here

if TYPE_CHECKING:
    from prunella_core.ollama.server import Server  # what is asked for after the first frame is imported then

_MODULES = {
    "see": ("ls", "blobs", "show", "why", "df", "diff"),
    "check": ("doctor", "stores", "verify", "export", "metrics"),
    "delete": ("rm", "prune", "free", "pin", "trash", "restore", "empty", "log"),
    "copying": ("copy", "move"),
    "guard": ("guard",),
    "more": ("demo", "completion"),
}
_MEANT = {"remove": "rm", "delete": "rm"}
"""What people type for a command that is called otherwise, where a near name would do something else."""


class CommandTable(click.Group):
    """A group that imports its commands when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the help."""
        return list(LINES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        for module, names in _MODULES.items():
            if cmd_name in names:
                found = vars(import_module(f"prunella_tui.cli.{module}"))[cmd_name]
                assert isinstance(found, click.Command)
                return found
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; for an unknown one, name the nearest."""
        if args[0] not in LINES and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(_MEANT.get(args[0], args[0]), LINES, n=1)
            hint = f": did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"no command “{args[0]}”{hint}", ctx)
        return super().resolve_command(ctx, args)

    def get_help(self, ctx: click.Context) -> str:
        """Return the page."""
        return page().rstrip("\n")


@click.group(
    cls=CommandTable,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@setting_option("--store", "DIR")
@setting_option("--theme", "NAME")
@setting_option("--retention", "AGE")
@setting_option("--import", "FILE")
@no_log_option
@click.version_option(__version__, message="prunella %(version)s")
@click.pass_context
def root(context: click.Context) -> int:
    """Check what holds for every command, and open the application where none is named."""
    if age := given("retention"):  # also where this run might not use it: it is a typing error all the same
        parse_age(age.value)
    if theme := given("theme"):
        check_theme(theme.value)
    if context.invoked_subcommand is not None:
        if given("import") and context.invoked_subcommand not in READ_ONLY:
            raise Refused(f"an export is read-only: {context.invoked_subcommand} needs the store itself")
        return 0
    return open_application()


def check_theme(name: str) -> None:
    """Raise InvalidInput for an unknown theme."""
    from textual.theme import BUILTIN_THEMES

    if name not in BUILTIN_THEMES:
        raise InvalidInput(f"unknown theme “{clean(name)}”: use {', '.join(sorted(BUILTIN_THEMES))}")


def require_terminal() -> None:
    """Raise InvalidInput where the application could not be drawn or used."""
    if not (sys.stdout.isatty() and (_reads_stdin() or sys.stdin.isatty())):
        raise InvalidInput("not a terminal: use prunella ls, or another command (prunella --help)")


def open_application(store: Store | None = None, *, is_sample: bool = False) -> int:
    """Run the application on ``store``, by default the one of this run; return the exit code."""
    require_terminal()
    if theme := setting("theme"):
        check_theme(theme.value)
    export = imported() if store is None else None
    if export and _reads_stdin():
        _take_keyboard()
    store = store or open_store(_choose)  # before what is imported for the owner of the store
    os.environ.setdefault("TEXTUAL_FPS", "120")  # what follows a key in a second frame comes sooner
    from prunella_tui.app.app import run_app
    from prunella_tui.app.scanning import Setup

    is_here = not (is_sample or export)
    return run_app(
        Setup(
            store=store,
            now=(lambda: export.scanned_at) if export else time.time,
            retention=retention(),
            connect=_connect if is_here else lambda: None,
            theme=theme.value if theme else None,
            remember_theme=lambda name: remember(config_path(), "theme", name),
            is_sample=is_sample,
            collects=is_on("gc"),
            settle=0 if is_sample else duration_setting("settle", "10s"),
            follow=partial(Follower, store, os.path.expanduser("~")) if is_here and is_on("log") else None,
            service_user=lambda: None if export else service_user(os.environ, store.root),
            environ=os.environ,
            imported=export,
        )
    )


def _connect() -> "Server | None":
    from prunella_core.ollama.server import connect

    return connect(os.environ)


def _choose(store: Store) -> Store:
    """Let one be picked where several are found and none is named. Raises SystemExit when none is."""
    if store.named:
        return store
    from prunella_tui.app.chooser import pick

    theme = setting("theme")
    path = pick(stores_here(), theme and theme.value, lambda path: remember(config_path(), "store", path))
    return replace(locate(path, os.environ, os.path.expanduser("~")), why="your choice")


def _reads_stdin() -> bool:
    """Whether an export comes in where the keyboard would be."""
    option = given("import")
    return option is not None and option.value == "-"


def _take_keyboard() -> None:
    """Let stdin, once the export has been read from it, be the keyboard again. Raises InvalidInput without one."""
    try:
        keyboard = os.open("/dev/tty", os.O_RDWR)
    except OSError:  # no such device, or not for this process
        raise InvalidInput("no terminal to read keys from") from None
    os.dup2(keyboard, 0)  # the application reads its keys from descriptor 0
    os.close(keyboard)
