"""Opens the application, where there is a terminal for it."""

import os
import sys
from typing import TYPE_CHECKING

import click

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import clean
from prunella_core.store.locate import Store
from prunella_tui.cli.importing import imported, is_on_stdin, open_keyboard, take_keyboard
from prunella_tui.cli.session import collects, duration_setting, open_store, retention, setting
from prunella_tui.config import config_path, remember_theme

if TYPE_CHECKING:
    from prunella_core.inventory.records import Inventory


def check_theme(name: str) -> None:
    """Raise InvalidInput for an unknown theme."""
    from textual.theme import BUILTIN_THEMES

    if name not in BUILTIN_THEMES:
        raise InvalidInput(f"unknown theme “{clean(name)}”: use {', '.join(sorted(BUILTIN_THEMES))}")


def require_terminal() -> None:
    """Raise InvalidInput where the application could not be drawn or used."""
    if not (_has_keyboard() and sys.stdout.isatty()):
        raise InvalidInput("not a terminal: use prunella ls, or another command (prunella --help)")


def _has_keyboard() -> bool:
    if not is_on_stdin():
        return sys.stdin.isatty()
    keyboard = open_keyboard()
    if keyboard is not None:
        os.close(keyboard)
    return keyboard is not None


def open_application(store: Store | None = None, *, is_sample: bool = False) -> int:
    """Run the application on ``store``, by default the one of this run; return the exit code."""
    require_terminal()
    theme = setting("theme")
    found = _import() if store is None else None
    store = store or open_store()
    os.environ.setdefault("TEXTUAL_FPS", "120")  # what follows a key in a second frame comes sooner
    from prunella_tui.app import run_app

    return run_app(
        store,
        theme=theme.value if theme else None,
        remember_theme=lambda name: remember_theme(config_path(), name),
        is_sample=is_sample,
        retention=retention(),
        environ=os.environ,
        imported=found,
        collects=collects(_says_no_gc()),
        settle=duration_setting("settle", "10s"),
    )


def _says_no_gc() -> bool:
    """Whether the variable of ``--no-gc`` is set, read as the commands read it."""
    return bool(click.BOOL.convert(os.environ.get("PRUNELLA_NO_GC", "").strip() or "no", None, None))


def _import() -> "Inventory | None":
    found = imported()
    if is_on_stdin():
        take_keyboard()
    return found
