"""Opens the application, where there is a terminal for it."""

import os
import sys

from prunella_core.errors import InvalidInput
from prunella_core.store import Store
from prunella_tui.cli.session import open_store, retention, setting


def require_terminal() -> None:
    """Raise InvalidInput where the application could not be drawn or used."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InvalidInput("the application needs a terminal; “prunella ls” prints the models, --help lists the rest")


def open_application(store: Store | None = None, *, is_sample: bool = False) -> int:
    """Run the application on ``store``, by default the one of this run; return the exit code."""
    require_terminal()
    theme = setting("theme")
    store = store or open_store()
    from prunella_tui.app import run_app

    return run_app(
        store,
        theme=theme.value if theme else None,
        is_sample=is_sample,
        retention=retention(),
        environ=os.environ,
    )
