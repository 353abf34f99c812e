"""The first screen where several stores are found and none is named: nothing is guessed, and it can be remembered."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from prunella_core.store.locate import FoundStore
from prunella_tui.app.terminal import Ending, ending_on_signals
from prunella_tui.report.lines import line
from prunella_tui.report.stores import about, closed_lines
from prunella_tui.report.textual import Drawing

_KEYS = "↑ ↓ choose  enter open  r remember  q quit"


class Chooser(Ending[str]):
    """Returns the path of the store that is picked, or an exit code alone. ``remember`` keeps it for the next run."""

    TITLE = "Prunella"
    CSS = """
    VerticalScroll { padding: 1 2; }
    OptionList { margin: 1 0; border: none; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "quit", "Quit", show=False),
        Binding("r", "remember", "Remember", show=False),
        Binding("j", "simulate_key('down')", "Down", show=False),
        Binding("k", "simulate_key('up')", "Up", show=False),
    ]

    def __init__(self, found: Sequence[FoundStore], theme: str | None, remember: Callable[[str], None]) -> None:
        super().__init__(theme)
        self.closed = tuple(closed_lines(found))
        self.about = {store.path: about(store) for store in found if store.is_readable}
        self.remember = remember
        self.remembers = False

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False):
            yield Static(Drawing([line(("Several stores found. Pick one:", "head"))]))
            yield OptionList(*(Option(self._prompt(path), id=path) for path in self.about))
            yield Static(self._offer, id="remember")
            yield Static(Drawing([*self.closed, line(), line((_KEYS, "quiet"))]))

    @on(OptionList.OptionHighlighted)
    def _point(self, event: OptionList.OptionHighlighted) -> None:
        for path in self.about:
            event.option_list.replace_option_prompt(path, self._prompt(path, "▶" if path == event.option_id else " "))

    def _prompt(self, path: str, sign: str = " ") -> Drawing:
        """A sign says where the cursor is, not its colour alone."""
        return Drawing([line((f"{sign} {path}", "strong")), line(self.about[path], indent=2)])

    @property
    def _offer(self) -> Content:
        answer = "yes" if self.remembers else "no"
        return Content(f"Remember it in the configuration: {answer} (r)").stylize("@click=app.remember")

    def action_remember(self) -> None:
        self.remembers = not self.remembers
        self.query_one("#remember", Static).update(self._offer)

    @on(OptionList.OptionSelected)
    def _pick(self, event: OptionList.OptionSelected) -> None:
        path = event.option_id or ""
        try:
            if self.remembers:
                self.remember(path)
        except (OSError, UnicodeError) as error:
            self.action_remember()
            self.notify(f"It cannot be remembered: {error}. Enter opens it all the same.", severity="warning")
        else:
            self.exit(path)


def pick(found: Sequence[FoundStore], theme: str | None, remember: Callable[[str], None]) -> str:
    """Let a store be picked, and return its path. Raises SystemExit when none is."""
    chooser = Chooser(found, theme, remember)
    with ending_on_signals(chooser):
        path = chooser.run()
    if path is None:
        raise SystemExit(chooser.return_code)
    return path
