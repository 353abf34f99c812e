"""The application: a theme, a palette, and the one screen."""

from collections.abc import Callable

from textual.app import App

from prunella_core.scan import Space, space_of
from prunella_core.store import Store
from prunella_tui.app.browse import Browse


class PrunellaApp(App[int]):
    """Shows one store. ``now`` (seconds, UTC) and ``space_of`` are passed in: pictures and tests have their own."""

    TITLE = "Prunella"

    def __init__(
        self,
        store: Store,
        now: Callable[[], float],
        *,
        theme: str | None = None,
        is_sample: bool = False,
        space_of: Callable[[str], Space] = space_of,
    ) -> None:
        super().__init__()
        self.store = store
        self.now = now
        self.is_sample = is_sample
        self.space_of = space_of
        self._wanted_theme = theme

    def on_mount(self) -> None:
        if self._wanted_theme:
            self.theme = self._wanted_theme
        self.push_screen(Browse(self.store, self.now, self.space_of, self.is_sample))
