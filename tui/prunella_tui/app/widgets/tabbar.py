"""The names of the tabs, with how many rows each has."""

from textual.content import Content
from textual.message import Message

from prunella_tui.app.snapshot import Snapshot
from prunella_tui.app.tabs import TABS
from prunella_tui.app.widgets.line import Line
from prunella_tui.report import format as show


class TabBar(Line):
    """Shows the tabs. A click on one asks for it."""

    DEFAULT_CSS = """
    TabBar { link-style: none; link-color: $text; link-background-hover: $primary 40%; }
    """

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, tab: str) -> None:
            super().__init__()
            self.tab = tab

    def show(self, snapshot: Snapshot | None, current: str) -> None:
        """Show every tab, the open one in reverse."""
        parts = []
        for number, tab in enumerate(TABS, 1):
            count = show.number(len(snapshot.rows[tab.id])) if snapshot else ""
            style = "reverse bold" if tab.id == current else "$foreground 60%"
            label = Content.styled(f" {number} {tab.title} {count} ", style)
            parts.append(label.stylize(f"@click=choose('{tab.id}')"))
        self.say(*parts, between=" ")

    def action_choose(self, tab: str) -> None:
        self.post_message(self.Chosen(tab))
