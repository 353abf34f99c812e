"""The application: a theme, a palette, the main screen."""

import os
from collections.abc import Iterator
from typing import Any

from textual.app import SystemCommand
from textual.screen import Screen
from textual.theme import Theme

from prunella_tui.app.bindings import KEYS, shown
from prunella_tui.app.scanning import Setup
from prunella_tui.app.screens.main import MainScreen
from prunella_tui.app.session import Session
from prunella_tui.app.terminal import Ending, ending_on_signals


class PrunellaApp(Ending[int]):
    """Shows one store, with everything that it is given from outside in ``setup``."""

    TITLE = "Prunella"

    def __init__(self, setup: Setup) -> None:
        # Absolute, as Textual resolves links in others; and now, as root may have become another user since the import.
        super().__init__(setup.theme, os.path.join(os.path.dirname(__file__), "app.tcss"))
        self.session = Session(setup)

    def notify(self, *message: Any, **options: Any) -> None:
        """Show a toast in place of the one before: three of them would cover half of a small screen."""
        self.clear_notifications()
        super().notify(*message, **options)

    def on_mount(self) -> None:
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
        """Everything that a key of the main screen or of the map does, found by its words as well."""
        yield from super().get_system_commands(screen)
        for key in KEYS:
            is_known = key.group == "Move" or key.action in ("app.quit", "app.command_palette")
            if key.home in getattr(screen, "HOMES", ()) and not is_known:
                title, press = f"{key.label}  ({shown(key.keys)})", key.keys.partition(",")[0]
                yield SystemCommand(title, key.about, lambda press=press: self.simulate_key(press))

    def action_help(self) -> None:
        from prunella_tui.app.screens.dialog import Help

        self.push_screen(Help())


def run_app(setup: Setup) -> int:
    """Show a store until the user leaves, and return the exit code."""
    app = PrunellaApp(setup)
    with ending_on_signals(app):
        app.run()
    return app.return_code or 0
