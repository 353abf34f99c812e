"""The Textual application. Importing this package imports Textual, so the command line does it late."""

import time

from textual.theme import BUILTIN_THEMES

from prunella_core.errors import InvalidInput
from prunella_core.store import Store
from prunella_core.text import clean
from prunella_tui.app.app import PrunellaApp

__all__ = ["PrunellaApp", "run_app"]


def run_app(store: Store, *, theme: str | None = None, is_sample: bool = False) -> int:
    """Browse ``store`` until the user leaves, and return the exit code. Raises InvalidInput for an unknown theme."""
    if theme and theme not in BUILTIN_THEMES:
        raise InvalidInput(f"“{clean(theme)}” is no theme; known are {', '.join(sorted(BUILTIN_THEMES))}")
    app = PrunellaApp(store, time.time, theme=theme, is_sample=is_sample)
    app.run()
    return app.return_code or 0
