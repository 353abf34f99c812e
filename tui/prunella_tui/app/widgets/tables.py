"""The four tables, one in sight: which tab is open, and what each table shows."""

from collections.abc import Callable
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import ContentSwitcher

from prunella_core.base.errors import InvalidInput
from prunella_core.query import by_terms, parse
from prunella_tui.app.bindings import bindings
from prunella_tui.app.columns import Snapshot
from prunella_tui.app.session import Session
from prunella_tui.app.tabs import TAB_BY_ID, TABS, Tab
from prunella_tui.app.widgets.table import RowTable
from prunella_tui.report.textual import Drawing


class Tables(ContentSwitcher):
    """Its keys open tabs and mark. Rows are put into a table when its tab is opened."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("tables")

    class Opened(Message):
        """Another tab is in sight."""

    def __init__(self, session: Session, moved: Callable[[], None]) -> None:
        super().__init__(initial=TABS[0].id, id="tables")
        self.session = session
        self.tab: Tab = TABS[0]
        self._moved = moved
        self._shown: dict[str, Snapshot] = {}
        """The snapshot of which each table has the rows."""

    def compose(self) -> ComposeResult:
        for tab in TABS:
            table = RowTable[Any](empty=tab.empty, below=tab.below, id=tab.id)
            table.moved = self._moved
            table.mark_of = lambda key, tab=tab: self.session.mark_of(tab.id, key)  # type: ignore[misc]
            yield table

    @property
    def table(self) -> RowTable[Any]:
        """The table in sight."""
        return self._table(self.tab.id)

    def _table(self, tab: str) -> RowTable[Any]:
        return self.query_one(f"#{tab}", RowTable)

    @property
    def details(self) -> Drawing | None:
        """Everything about the row under the cursor."""
        snapshot, row = self.session.snapshot, self.table.row
        return Drawing(self.tab.details(snapshot, row)) if snapshot and row is not None else None

    # What they show

    def show(self) -> None:
        """Show the rows of the session's snapshot; cursor, filter and order stay."""
        snapshot, tab, table = self.session.snapshot, self.tab, self.table
        if snapshot and self._shown.get(tab.id) is not snapshot:
            self._shown[tab.id] = snapshot
            table.show(tab.columns(snapshot), snapshot.rows[tab.id], tab.key, snapshot.texts[tab.id])
            if table.filter_text:
                self.filter(table.filter_text)

    def filter(self, text: str) -> None:
        """Show only the rows that match: words that occur, and terms like ``size>5GB``. A wrong term matches none."""
        snapshot, fields = self.session.snapshot, self.tab.fields
        if snapshot is None:
            return
        if fields is None:
            self.table.filter(text, text.casefold().split())
            return
        try:
            query = parse(text, fields)
        except InvalidInput as error:
            self.table.filter(text, error=str(error))
        else:
            self.table.filter(text, query.words, by_terms(query, snapshot.inventory, snapshot.now))

    def counts(self) -> dict[str, str]:
        """How many rows each tab has, and lets through."""
        snapshot = self.session.snapshot
        rows = snapshot.rows if snapshot else {}
        return {
            tab: self._table(tab).count if self._shown.get(tab) is snapshot else f"{len(rows[tab]):,}" for tab in rows
        }

    # Keys

    def action_show_tab(self, tab: str) -> None:
        self.tab = TAB_BY_ID[tab]
        self.current = tab
        self.show()
        self.table.focus()
        self.post_message(self.Opened())

    def action_next_tab(self, by: int) -> None:
        self.action_show_tab(TABS[(TABS.index(self.tab) + by) % len(TABS)].id)

    def action_mark(self) -> None:
        self._toggle()
        self.table.action_move(1)

    @on(RowTable.Toggled)
    def _toggle(self) -> None:
        key = self.table.key
        if key and (why_not := self.session.toggle(self.tab.id, key)):
            self.notify(why_not, severity="warning")

    def action_mark_shown(self) -> None:
        if self.tab.id != "problems":
            self.session.mark(self.tab.id, self.table.shown_keys)

    def action_mark_unused(self) -> None:
        self.notify(self.session.mark_unused())
