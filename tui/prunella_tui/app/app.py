"""The application: a theme, a palette, and the one screen."""

from collections.abc import Callable

from textual.app import App

from prunella_core.store import Store
from prunella_tui.app.browse import Browse


class PrunellaApp(App[int]):
    """Shows one store. ``now`` tells the time (seconds, UTC), so that pictures and tests have theirs."""

    TITLE = "Prunella"

    def __init__(
        self, store: Store, now: Callable[[], float], *, theme: str | None = None, is_sample: bool = False
    ) -> None:
        super().__init__()
        self.store = store
        self.now = now
        self.is_sample = is_sample
        self._wanted_theme = theme

    def on_mount(self) -> None:
        if self._wanted_theme:
            self.theme = self._wanted_theme
        self.push_screen(Browse(self.store, self.now, self.is_sample))
