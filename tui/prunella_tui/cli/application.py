"""Opens the application, where there is a terminal for it."""

import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import clean
from prunella_core.ledger.uses import Follower
from prunella_core.store import Store
from prunella_core.store.locate import locate, service_user
from prunella_tui.cli.options import given
from prunella_tui.cli.session import duration_setting, imported, is_on, open_store, retention, setting, stores_here
from prunella_tui.config import config_path, remember

if TYPE_CHECKING:
    from prunella_core.ollama.server import Server  # what is asked for after the first frame is imported then


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
