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
from prunella_tui.app.session import Session
from prunella_tui.app.snapshot import Snapshot
from prunella_tui.app.tabs import TAB_BY_ID, TABS, Tab
from prunella_tui.app.widgets.table import RowTable
from prunella_tui.report.textual import Drawing


class Tables(ContentSwitcher):
    """Its keys open tabs, sort and mark. Rows are put into a table when its tab is opened."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("tables")

    class Opened(Message):
        """Another tab is in sight."""

    def __init__(self, session: Session) -> None:
        super().__init__(initial=TABS[0].id, id="tables")
        self.session = session
        self.tab: Tab = TABS[0]
        self._filled: set[str] = set()

    def compose(self) -> ComposeResult:
        for tab in TABS:
            yield RowTable[Any](empty=tab.empty, below=tab.below, id=tab.id)

    @property
    def table(self) -> RowTable[Any]:
        """The table in sight."""
        return self._table(self.tab)

    def _table(self, tab: Tab) -> RowTable[Any]:
        return self.query_one(f"#{tab.id}", RowTable)

    @property
    def details(self) -> Drawing | None:
        """Everything about the row under the cursor."""
        snapshot, row = self.session.snapshot, self.table.row
        return Drawing(self.tab.details(snapshot, row)) if snapshot and row is not None else None

    def on_cursor(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` at once when a cursor moves, so that what it draws is in the same frame."""
        for tab in TABS:
            self.watch(self._table(tab), "cursor", callback, init=False)

    # What they show

    def show(self) -> None:
        """Show the rows of the session's snapshot; cursor, filter and order stay."""
        self._filled.clear()
        self._fill()

    def show_marks(self) -> None:
        """Draw the marks of the session."""
        for tab in TABS:
            self._table(tab).show_marks(lambda key, tab=tab: self.session.mark_of(tab.id, key))  # type: ignore[misc]

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
        rows = self.session.snapshot.rows if self.session.snapshot else {}
        return {
            tab.id: self._table(tab).count if tab.id in self._filled else f"{len(rows[tab.id]):,}"
            for tab in TABS
            if tab.id in rows
        }

    def _fill(self) -> None:
        snapshot = self.session.snapshot
        if snapshot and self.tab.id not in self._filled:
            self._filled.add(self.tab.id)
            self._show_rows(snapshot, self.tab)

    def _show_rows(self, snapshot: Snapshot, tab: Tab) -> None:
        self.table.show(tab.columns(snapshot), snapshot.rows[tab.id], tab.key, tab.words, snapshot.texts[tab.id])
        if self.table.filter_text:
            self.filter(self.table.filter_text)

    # Keys

    def action_show_tab(self, tab: str) -> None:
        self.tab = TAB_BY_ID[tab]
        self.current = tab
        self._fill()
        self.table.focus()
        self.post_message(self.Opened())

    def action_next_tab(self, by: int) -> None:
        self.action_show_tab(TABS[(TABS.index(self.tab) + by) % len(TABS)].id)

    def action_sort(self) -> None:
        self.table.sort_by_next()

    def action_reverse(self) -> None:
        self.table.sort_by(self.table.sort_key)

    def action_sort_by(self, letter: str) -> None:
        self.table.sort_by_letter(letter)

    def action_mark(self) -> None:
        if key := self.table.key:
            self._toggle(self.tab.id, key)
            self.table.action_cursor_down()

    @on(RowTable.Toggled)
    def _toggle_clicked(self, message: RowTable.Toggled) -> None:
        self._toggle(message.table.id or "", message.key)

    def _toggle(self, tab: str, key: str) -> None:
        if why_not := self.session.toggle(tab, key):
            self.notify(why_not, severity="warning")

    def action_mark_shown(self) -> None:
        if self.tab.id != "problems":
            self.session.mark(self.tab.id, self.table.shown_keys)

    def action_mark_unused(self) -> None:
        self.notify(self.session.mark_unused())
