"""The main screen: what fills the disk, and what would come back."""

import asyncio
from typing import ClassVar

from textual import getters, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input

from prunella_tui.app.bindings import TYPING, bindings, keys_here
from prunella_tui.app.session import Session
from prunella_tui.app.widgets.lines import KeyLine, StatusLine, StoreBar, TabBar, Title
from prunella_tui.app.widgets.still import FilterField, TextView
from prunella_tui.app.widgets.table import RowTable
from prunella_tui.app.widgets.tables import Tables


class MainScreen(Screen[None]):
    """Wires the widgets to the session. What takes longer than a key press is a flow in ``flows``."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012 -- Textual's own name and type
    BINDINGS: ClassVar[list[BindingType]] = bindings("screen")
    HOMES = ("table", "tables", "screen")
    """The palette lists the keys of these."""

    tables = getters.query_one(Tables)
    details = getters.query_one(TextView)
    field = getters.query_one(FilterField)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    def compose(self) -> ComposeResult:
        yield Title(id="title")
        yield StoreBar()
        yield TabBar(id="tabs")
        with Horizontal(id="body"):
            yield Tables(self.session, self._show_details)
            yield TextView(id="details")
        yield FilterField(id="filter", compact=True)
        yield StatusLine(self.session)
        yield KeyLine(id="keys")

    def on_mount(self) -> None:
        self.session.on_scan = self._show_scan
        self.session.on_marks = self._show_marks
        self.tables.table.focus()
        self.action_rescan()

    def on_unmount(self) -> None:
        self.session.on_scan = self.session.on_marks = lambda: None

    @work(group="scan", exclusive=True)
    async def action_rescan(self) -> None:
        """Read the store; a later scan takes the place of an earlier one."""
        await self.session.read()

    # What is shown

    def _show_scan(self) -> None:
        with self.app.batch_update():
            self.query_one(Title).show(self.session)
            self.query_one(StoreBar).totals = self.session.snapshot.totals if self.session.snapshot else None
            self.tables.show()
            self._show_marks()

    @on(Tables.Opened)
    def _show_tab(self) -> None:
        self._show_details()
        self._show_marks()

    def _show_marks(self) -> None:
        tables, table, session = self.tables, self.tables.table, self.session
        table.refresh()
        self.query_one(TabBar).show(session, tables.counts(), tables.tab.id)
        filtered = f"{table.count.replace('/', ' of ')} shown" if table.filter_text else ""
        self.query_one(StatusLine).show(filtered, table.filter_error)
        self.field.set_class(bool(table.filter_error), "-wrong")
        has_trash = session.last_removal is not None
        here = keys_here(tables.tab.id, has_row=table.row is not None, has_trash=has_trash, undoes=session.undoes)
        self.query_one(KeyLine).show(TYPING if self.field.is_open else tuple(here))

    def _show_details(self) -> None:
        self.details.show(self.tables.details or Content(""))

    @on(RowTable.Opened)
    def action_open(self) -> None:
        if details := self.tables.details:
            from prunella_tui.app.screens.dialog import Reading  # what opens above is imported when it opens

            self.app.push_screen(Reading("Details", details))

    def action_toggle_details(self) -> None:
        """Where the pane has no room, the details open above the table."""
        if self.has_class("-narrow"):
            self.action_open()
        else:
            self.details.toggle_class("-hidden")

    def action_copy(self) -> None:
        if (row := self.tables.table.row) is not None:
            self.app.copy_to_clipboard(text := self.tables.tab.copied(row))
            self.notify(f"Copied {text}")

    # Filter and tabs

    async def action_in_tables(self, action: str) -> None:
        await self.app.run_action(action, self.tables)

    def action_filter(self) -> None:
        self.field.open(self.tables.table.filter_text, self.tables.tab.example)
        self._show_marks()

    @on(Input.Changed)
    async def _filter(self, event: Input.Changed) -> None:
        """Filter, and let the table ask for its lines: then they come in one frame with the letter."""
        if self.field.is_open:
            self.tables.filter(event.value)
            self._show_marks()
            for _turn in range(3):
                await asyncio.sleep(0)

    @on(Input.Submitted)
    def action_keep_filter(self) -> None:
        self.field.remove_class("-open")
        self.tables.table.focus()
        self._show_marks()

    def action_back(self) -> None:
        """One step out: of the filter, of a scan that is going on, of the marks."""
        if self.field.is_open or self.tables.table.filter_text:
            self.tables.filter("")
            self.action_keep_filter()
        elif self.session.scan:
            self.workers.cancel_group(self, "scan")
        else:
            self.session.drop_marks()

    @work(group="flow")
    async def action_flow(self, name: str) -> None:
        from prunella_tui.app.flows import FLOWS, Here

        if inventory := await self.session.known():
            await FLOWS[name](Here(self.app, self.session, inventory, self.tables, self.action_rescan))
