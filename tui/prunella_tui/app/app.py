"""The application: a theme, a palette, and the one screen."""

from collections.abc import Awaitable, Callable, Iterator

from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.screen import Screen

from prunella_tui.app.browse import Browse
from prunella_tui.app.setup import Setup


class PrunellaApp(App[int]):
    """Shows one store, with everything that it is given from outside in ``setup``."""

    TITLE = "Prunella"
    CSS = "ToastRack { dock: top; align: right top; }"

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.setup = setup

    def on_mount(self) -> None:
        if self.setup.theme:
            self.theme = self.setup.theme
        self.push_screen(Browse(self.setup))

    def get_system_commands(self, screen: Screen[object]) -> Iterator[SystemCommand]:
        """Everything that a key does, found by its words as well."""
        yield from super().get_system_commands(screen)
        if isinstance(screen, Browse):
            for binding in screen.BINDINGS:
                if isinstance(binding, Binding) and not binding.action.startswith("app."):
                    yield SystemCommand(binding.description, binding.tooltip, self._command(screen, binding.action))

    @staticmethod
    def _command(screen: Browse, action: str) -> Callable[[], Awaitable[None]]:
        return lambda: screen.run_action(action)
