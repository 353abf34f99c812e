"""The names of the tabs, with how many rows each has."""

from collections.abc import Mapping

from textual.content import Content
from textual.message import Message

from prunella_tui.app.session import Session
from prunella_tui.app.tabs import TABS
from prunella_tui.app.widgets.line import Line

_MARKS = {"models": "models", "blobs": "blobs", "trash": "trash", "problems": "manifests"}


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

    def show(self, session: Session, counts: Mapping[str, str], current: str) -> None:
        """Show every tab with how many rows it has, and how many of them are marked; the open one in reverse."""
        has_problems = bool(session.inventory and session.inventory.problems)
        parts = []
        for number, tab in enumerate(TABS, 1):
            marked = len(getattr(session.marks, _MARKS[tab.id]))
            label = f" {number} {tab.title} {counts.get(tab.id, '')}{f' ✓{marked:,}' if marked else ''} "
            warns = "bold $text-warning" if tab.id == "problems" and has_problems else "$text-muted"
            style = "reverse bold" if tab.id == current else warns
            parts.append(Content.styled(label, style).stylize(f"@click=choose('{tab.id}')"))
        self.say(*parts, between=" ")

    def action_choose(self, tab: str) -> None:
        self.post_message(self.Chosen(tab))
