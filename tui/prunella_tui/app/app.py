"""The application: a theme, a palette, the main screen, and an orderly end."""

import asyncio
import os
from collections.abc import Iterator

from textual import on, work
from textual.app import App, SystemCommand
from textual.filter import LineFilter
from textual.screen import Screen
from textual.theme import Theme

from prunella_tui.app.bindings import KEYS, shown
from prunella_tui.app.contrast import Contrast
from prunella_tui.app.screens.main import MainScreen
from prunella_tui.app.session import Session
from prunella_tui.app.setup import Setup
from prunella_tui.app.terminal import Terminal

_HUNG_UP = 129


class PrunellaApp(App[int]):
    """Shows one store, with everything that it is given from outside in ``setup``."""

    TITLE = "Prunella"
    CSS_PATH = os.path.join(os.path.dirname(__file__), "app.tcss")  # absolute: Textual resolves links in others

    def __init__(self, setup: Setup) -> None:
        super().__init__(driver_class=Terminal)
        self.session = Session(setup)
        self._contrast = Contrast()
        self._main_loop: asyncio.AbstractEventLoop | None = None

    def on_mount(self) -> None:
        self._main_loop = asyncio.get_running_loop()
        if theme := self.session.setup.theme:
            self.theme = theme
        self.theme_changed_signal.subscribe(self, self._remember_theme)
        self.push_screen(MainScreen(self.session))

    def _remember_theme(self, theme: Theme) -> None:
        setup = self.session.setup
        if setup.remember_theme and theme.name != setup.theme:
            try:
                setup.remember_theme(theme.name)
            except (OSError, UnicodeError) as error:
                self.notify(f"The theme is not remembered: {error}", severity="warning")

    def get_system_commands(self, screen: Screen[object]) -> Iterator[SystemCommand]:
        """Everything that a key of the main screen does, found by its words as well."""
        yield from super().get_system_commands(screen)
        for key in KEYS if isinstance(screen, MainScreen) else ():
            if key.group not in ("Move", "Map") and not key.action.startswith("app."):
                title, press = f"{key.label}  ({shown(key.keys)})", key.keys.partition(",")[0]
                yield SystemCommand(title, key.about, lambda press=press: self.simulate_key(press))

    def get_line_filters(self) -> list[LineFilter]:
        """Those of Textual, and ours last: it sees the colours as they are drawn."""
        return [*super().get_line_filters(), self._contrast]

    def action_help(self) -> None:
        from prunella_tui.app.screens.help import Help

        self.push_screen(Help())

    # Leaving

    def action_leave(self) -> None:
        self.end(0)

    async def action_quit(self) -> None:
        self.end(0)

    @on(Terminal.Gone)
    def _hang_up(self) -> None:
        self.end(_HUNG_UP)

    def end_soon(self, code: int) -> bool:
        """Leave with an exit code as soon as that can be done, called from a signal; return whether it will."""
        loop = self._main_loop
        if loop is None or loop.is_closed():
            return False
        loop.call_soon_threadsafe(lambda: self.end(code) if self.is_running else None)
        return True

    @work(exclusive=True, group="end")
    async def end(self, code: int) -> None:
        """Leave with an exit code. What is under way is undone before its decision, and finished after it."""
        from prunella_tui.app.screens.working import Working

        for screen in self.screen_stack:
            if isinstance(screen, Working):
                screen.is_cancelled = True
                await screen.over.wait()
        self.exit(return_code=code)
