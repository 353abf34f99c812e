"""The main screen: what fills the disk, and what would come back."""

import asyncio
from typing import ClassVar

from textual import getters, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.visual import Visual

from prunella_tui.app.bindings import bindings, keys_here
from prunella_tui.app.screens import sheet
from prunella_tui.app.session import Session
from prunella_tui.app.widgets.filterfield import FilterField
from prunella_tui.app.widgets.keyline import KeyLine
from prunella_tui.app.widgets.statusline import StatusLine
from prunella_tui.app.widgets.storebar import StoreBar
from prunella_tui.app.widgets.tabbar import TabBar
from prunella_tui.app.widgets.table import RowTable
from prunella_tui.app.widgets.tables import Tables
from prunella_tui.app.widgets.textview import TextView
from prunella_tui.app.widgets.title import Title


class MainScreen(Screen[None]):
    """Wires the widgets to the session. What takes longer than a key press is a flow in ``flows``."""

    CSS_PATH = sheet("main")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012 -- Textual's own name and type
    BINDINGS: ClassVar[list[BindingType]] = bindings("screen")

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
            yield Tables(self.session)
            yield TextView(id="details")
        yield FilterField()
        yield StatusLine(self.session)
        yield KeyLine()

    def on_mount(self) -> None:
        self.session.on_scan = self._show_scan
        self.session.on_marks = self._show_marks
        self.tables.on_cursor(self._show_details)
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
            self._show_tab()

    @on(Tables.Opened)
    def _show_tab(self) -> None:
        self._show_details()
        self._show_marks()

    def _show_marks(self) -> None:
        self.tables.show_marks()
        self._show_status()

    def _show_status(self) -> None:
        tab, table, session = self.tables.tab.id, self.tables.table, self.session
        self.query_one(TabBar).show(session, self.tables.counts(), tab)
        filtered = f"{table.count.replace('/', ' of ')} shown" if table.filter_text else ""
        self.query_one(StatusLine).show(filtered, table.filter_error)
        self.field.warn(table.filter_error)
        has_row, has_trash = table.row is not None, session.last_removal is not None
        keys = keys_here(tab, has_row=has_row, has_trash=has_trash, undoes=session.undoes)
        self.query_one(KeyLine).show(list(keys))

    def _show_details(self) -> None:
        self.details.show(self.tables.details or Content(""))

    @on(RowTable.Highlighted)
    def _follow(self, message: RowTable.Highlighted) -> None:
        if message.table is self.tables.table:
            self._show_details()

    @on(RowTable.Opened)
    def action_open(self) -> None:
        if details := self.tables.details:
            self._tell("Details", details)

    def _tell(self, title: str, text: Visual) -> None:
        from prunella_tui.app.screens.dialog import Reading  # what opens above the tables is imported when it opens

        self.app.push_screen(Reading(title, text))

    def action_toggle_details(self) -> None:
        """Where the pane has no room, the details open above the table."""
        if self.has_class("-narrow"):
            self.action_open()
        else:
            self.details.toggle_class("-hidden")

    def action_copy(self) -> None:
        if self.tables.table.row is not None:
            text = self.tables.tab.copied(self.tables.table.row)
            self.app.copy_to_clipboard(text)
            self.notify(f"Copied {text}")

    def action_help(self) -> None:
        from prunella_tui.app.screens.help import Help

        self.app.push_screen(Help())

    # Filter and tabs

    @on(TabBar.Chosen)
    def _open_tab(self, message: TabBar.Chosen) -> None:
        self.tables.action_show_tab(message.tab)

    def action_filter(self) -> None:
        self.field.open(self.tables.table.filter_text, self.tables.tab.placeholder)

    @on(FilterField.Typed)
    async def _filter(self, message: FilterField.Typed) -> None:
        """Filter, and let the table ask for its lines: then they come in one frame with the letter."""
        self.tables.filter(message.text)
        self._show_details()
        self._show_status()
        for _turn in range(3):
            await asyncio.sleep(0)

    @on(FilterField.Closed)
    def _leave_filter(self) -> None:
        self.tables.table.focus()
        self._show_status()

    def action_back(self) -> None:
        """One step out: of the filter, of a scan that is going on, of the marks."""
        if self.field.is_open or self.tables.table.filter_text:
            self.tables.filter("")
            self.field.close()
        elif self.session.scan:
            self.workers.cancel_group(self, "scan")
        else:
            self.session.drop_marks()

    # What takes longer than a key press

    @work(group="flow")
    async def action_flow(self, name: str) -> None:
        from prunella_tui.app.flows import FLOWS, Here

        await FLOWS[name](Here(self.app, self.session, self.tables, self.action_rescan))
