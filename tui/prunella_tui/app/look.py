"""Looking at a store: scanning, tabs, the side, filter, order and marks. Nothing here changes the store."""

import asyncio
import os
from typing import Any

from msgspec.structs import replace
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Footer, Input, Static

from prunella_core.apply.unfinished import is_unfinished
from prunella_core.base.text import clean
from prunella_core.inventory.records import Inventory
from prunella_core.ollama.client import Server
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Empty, Plan
from prunella_core.query import by_terms, parse_typed
from prunella_core.space.tally import Tally
from prunella_tui import presentation as show
from prunella_tui.app.hints import Hint
from prunella_tui.app.marks import Marks, mark_of, prunable_keys
from prunella_tui.app.messages import ScanFailed, Scanned, ScanProgressed, ScanStopped
from prunella_tui.app.plantext import footer_line, plan_line, scan_line
from prunella_tui.app.scanning import read_store
from prunella_tui.app.setup import Setup
from prunella_tui.app.stillview import StillInput
from prunella_tui.app.storebar import StoreBar
from prunella_tui.app.table import RowTable
from prunella_tui.app.tabs import TAB_BY_ID, TABS, Tab, View, problem_key
from prunella_tui.app.textview import TextView


class Look(Screen[None]):
    """Owns the view and the marks; everything that is drawn follows from these two."""

    CSS_PATH = os.path.join(os.path.dirname(__file__), "browse.tcss")  # absolute: Textual resolves no link in it
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 -- Textual's own name and type

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.setup = setup
        self.store = setup.store
        self.view: View | None = None
        self.server: Server | None = None
        self.marks = Marks()
        self.tally: Tally | None = None
        self.tab: Tab = TABS[0]
        self.wanted_scan = 0
        """The number of the scan whose result is waited for; a thread that works on another gives up."""
        self._scans = 0
        self._progress: tuple[int, int] | None = None
        self._filled: set[str] = set()

    @property
    def inventory(self) -> Inventory | None:
        """The store as the last scan found it."""
        return self.view.inventory if self.view else None

    def compose(self) -> ComposeResult:
        yield Static(id="title")
        yield StoreBar()
        yield Static(id="tabs")
        with Horizontal(id="body"):
            with ContentSwitcher(initial=self.tab.id):
                for tab in TABS:
                    yield RowTable[Any](empty=tab.empty, id=tab.id)
            yield TextView(id="side")
        yield StillInput(placeholder="words, or terms: size>5GB unused>30d state:partial", id="filter", compact=True)
        yield Static(id="marked")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self._show_title()
        for tab in TABS:  # at once, so that the detail is in the same frame as the cursor
            self.watch(self._table(tab), "cursor", self._show_detail, init=False)
        self.action_rescan()
        self.table.focus()

    def on_unmount(self) -> None:
        self.wanted_scan = 0

    def _show_title(self) -> None:
        parts = [Content.styled("Prunella", "bold $text-primary")]
        if self.setup.is_sample:
            parts.append(Content("Demo store: sizes ÷ 1000, nothing here is real"))
        elif self.store.read_only:
            scanned = f"read-only, as of {show.date(self.setup.now())}"
            parts += [Content.styled(scanned, "$text-warning"), Content(clean(self.store.place))]
        else:
            parts += [Content(clean(self.store.root)), self._standing()]
        if self.view and self.view.loaded:
            parts.append(Content.styled(f"▸ {show.counted(len(self.view.loaded), 'model')} loaded", "$foreground 60%"))
        self._say("title", Content("  ").join(parts))

    def _say(self, line: str, text: Content) -> None:
        """Write one of the lines above and below; each stays one line, so nothing is laid out anew."""
        self.query_one(f"#{line}", Static).update(text, layout=False)

    def tell(self, title: str, text: Content | str) -> None:
        """Say something that is longer than a line. What opens above the tables is imported when it is first opened."""
        from prunella_tui.app.dialogs import Text

        self.app.push_screen(Text(title, text if isinstance(text, Content) else Content(text)))

    def _standing(self) -> Content:
        """What may be done with this store, said before anything is selected."""
        store = self.store
        if is_unfinished(store):
            return Content.styled("a removal was interrupted: the next one, or u, sets it right first", "$text-warning")
        if not store.named:
            others = show.counted(len(store.other_stores), "other store")
            return Content.styled(f"{store.why}; {others}: name one with --store to remove", "$text-warning")
        if not store.writable:
            way = "the server can remove models for you" if self.server else "you can look, not write"
            return Content.styled(f"belongs to {store.owner}: {way}", "$text-warning")
        return Content.styled(store.why, "$foreground 60%")

    @property
    def table(self) -> RowTable[Any]:
        """The table of the open tab."""
        return self._table(self.tab)

    def _table(self, tab: Tab) -> RowTable[Any]:
        return self.query_one(f"#{tab.id}", RowTable)

    # Scanning

    def action_rescan(self) -> None:
        self._scans += 1
        self.wanted_scan = generation = self._scans
        self._progress = 0, 0
        self._show_footer()
        self.run_worker(lambda: read_store(self, generation), thread=True)

    def _stop_scan(self) -> None:
        """End the scan; the result of the one before stays."""
        self.wanted_scan = 0

    @property
    def is_reading(self) -> bool:
        """Whether a scan is going on."""
        return self._progress is not None

    @on(ScanProgressed)
    def _show_progress(self, message: ScanProgressed) -> None:
        if message.generation == self._scans and self.is_reading:
            self._progress = message.progress
            self._show_footer()

    @on(ScanStopped)
    def _end_scan(self, message: ScanStopped) -> None:
        if message.generation == self._scans:
            self._progress = None
            self._show_footer()

    @on(ScanFailed)
    def _tell_failure(self, message: ScanFailed) -> None:
        if message.generation == self._scans:
            self._progress = None
            self._say("marked", Content("The store could not be read; r tries again."))
            self.tell("The store cannot be read", message.error)

    @on(Scanned)
    def _accept(self, message: Scanned) -> None:
        inventory = message.view.inventory
        if message.generation != self._scans:  # an older scan that came in late
            return
        marks = self.marks.surviving(self.inventory, inventory)
        if lost := self.marks.count - marks.count:
            self.notify(f"{show.counted(lost, 'mark')} dropped: the store changed there", severity="warning")
        self.view = message.view
        self.server = message.server or self.server
        self._progress = None
        self._filled.clear()
        with self.app.batch_update():
            self._show_title()
            self.query_one(StoreBar).totals = message.view.totals
            self._fill_table()
            self._show_tabs()
            self.tally = Tally(inventory, self.setup.now())
            self._set_marks(marks)

    def _fill_table(self) -> None:
        """Give the table of the open tab the rows of the view; those of the others wait until they are opened."""
        tab, view = self.tab, self.view
        if view and tab.id not in self._filled:
            self._filled.add(tab.id)
            texts = view.texts.get(tab.id)
            self.table.show(tab.columns(view), view.rows(tab.id), tab.key, tab.words, texts)
            if self.table.filter_text:
                self._filter_by(self.table.filter_text)

    # Tabs and the side

    def _show_tabs(self) -> None:
        parts = []
        for number, tab in enumerate(TABS, 1):
            count = self.view.count(tab.id) if self.view else 0
            style = "reverse bold" if tab is self.tab else "$foreground 60%"
            label = f" {number} {tab.title} {show.number(count)} "
            parts.append(Content.styled(label, style).stylize(f"@click=screen.show_tab('{tab.id}')"))
        self._say("tabs", Content(" ").join(parts))

    def action_show_tab(self, tab: str) -> None:
        self.tab = TAB_BY_ID[tab]
        self.query_one(ContentSwitcher).current = tab
        self._fill_table()
        self._show_tabs()
        self._show_detail()
        self._show_footer()
        self.table.focus()

    def action_next_tab(self, by: int) -> None:
        self.action_show_tab(TABS[(TABS.index(self.tab) + by) % len(TABS)].id)

    @on(RowTable.Highlighted)
    def _follow(self, message: RowTable.Highlighted) -> None:
        if message.table is self.table:
            self._show_detail()

    def _show_detail(self) -> None:
        self.query_one(TextView).show(self._detail() or Content(""))

    def _detail(self) -> Content | None:
        row = self.table.row
        return self.tab.detail(self.view, row) if self.view and row is not None else None

    @on(RowTable.Opened)
    def action_open(self) -> None:
        if detail := self._detail():
            self.tell("Detail", detail)

    def action_toggle_detail(self) -> None:
        self.query_one("#side").toggle_class("-hidden")

    # Filter and order

    def action_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.add_class("-open")
        field.value = self.table.filter_text
        field.focus()

    @on(Input.Changed, "#filter")
    async def _filter(self, event: Input.Changed) -> None:
        """Filter, and let the table ask for its lines: then they come in one frame with the letter."""
        self._filter_by(event.value)
        self._show_detail()
        for _turn in range(3):
            await asyncio.sleep(0)

    def _filter_by(self, text: str) -> None:
        """Words that must occur, and terms like ``size>5GB``; a term that is not whole yet hides nothing."""
        if self.inventory:
            query = parse_typed(text, self.tab.fields)
            passes = by_terms(query, self.inventory, self.setup.now())
            self.table.filter(text, query.words, passes)

    @on(Input.Submitted, "#filter")
    def _close_filter(self) -> None:
        self.query_one("#filter", Input).remove_class("-open")
        self.table.focus()
        self._show_footer()

    def action_sort(self) -> None:
        self.table.sort_by_next()

    def action_reverse(self) -> None:
        self.table.sort_by(self.table.sort_key)

    # Marks

    def action_mark(self) -> None:
        if key := self.table.key:
            self._toggle(self.tab.id, key)
            self.table.action_cursor_down()

    @on(RowTable.Toggled)
    def _toggle_clicked(self, message: RowTable.Toggled) -> None:
        self._toggle(message.table.id or "", message.key)

    def _toggle(self, tab: str, key: str) -> None:
        if self.inventory is None or self.tally is None:
            return
        if tab == "problems":
            self._toggle_problem(key, self.inventory)
        else:
            self._set_marks(self.marks.toggle(tab, key, self.inventory))

    def _toggle_problem(self, key: str, inventory: Inventory) -> None:
        """A problem is marked by the file that it is about; that of a listed model is marked as the model."""
        problem = next((problem for problem in inventory.problems if problem_key(problem) == key), None)
        if problem is None:
            self.notify("This is Ollama's doing; nothing here can be marked.", severity="warning")
        elif problem.path in inventory.broken_by_path:
            self._set_marks(self.marks.toggle("manifests", problem.path, inventory))
        elif problem.model in inventory.model_by_name:
            self._set_marks(self.marks.toggle("models", problem.model or "", inventory))
        else:
            self.notify("There is no file here to remove; see how to mend it.", severity="warning")

    def action_mark_shown(self) -> None:
        if self.tab.id != "problems":
            self._set_marks(self.marks.add(self.tab.id, self.table.shown_keys))

    def action_mark_prunable(self) -> None:
        if self.inventory is None:
            return
        keys = prunable_keys(self.inventory)
        if not keys:
            self.notify("Every blob is needed by a model: nothing to prune.")
            return
        self._set_marks(self.marks.add("blobs", keys))
        if self.inventory.blocking:
            self.notify("A problem could hide a model: unreferenced blobs stay until it is mended (tab 4)")

    def action_clear(self) -> None:
        field = self.query_one("#filter", Input)
        if field.has_class("-open") or self.table.filter_text:
            field.value = ""
            self._filter_by("")
            self._close_filter()
        elif self.is_reading:
            self._stop_scan()
        else:
            self._set_marks(Marks())

    def _set_marks(self, marks: Marks) -> None:
        self.marks = marks
        if self.inventory is None or self.tally is None:
            return
        if marks.count:
            self.setup.hints.learn(Hint.MARK)
        self.tally.mark(marks.models, marks.blobs, marks.manifests)
        broken = {problem_key(problem) for problem in self.inventory.problems if problem.path in marks.manifests}
        models, blobs, trash, problems = map(self._table, TABS)
        models.show_marks(lambda key: mark_of(key, marks.models, self._is_implied))
        blobs.show_marks(lambda key: mark_of(key, marks.blobs, self._goes_along))
        trash.show_marks(lambda key: mark_of(key, marks.trash, _never))
        problems.show_marks(lambda key: mark_of(key, broken, _never))
        self._show_footer()

    def _take_marks(self, marks: Marks) -> None:
        """Take the marks of a dialog: it may name what was there when it opened, and is not any more."""
        self._set_marks(marks.surviving(None, self.inventory) if self.inventory else marks)

    def _is_implied(self, model: str) -> bool:
        return self.tally is not None and model in self.tally.implied

    def _goes_along(self, key: str) -> bool:
        return self.tally is not None and self.tally.goes(key)

    def _show_footer(self) -> None:
        self._say("marked", self._footer())

    def _footer(self) -> Content:
        """What the marks of this tab would do; the trash has marks of its own. Before all a scan that is going on."""
        inventory = self.inventory
        if self._progress:
            return scan_line(self._progress, self.tally if self.marks.count else None)
        if inventory is None:
            return Content("The scan was stopped · r reads the store")
        filtered = f" · filter “{clean(self.table.filter_text)}” (esc clears)" if self.table.filter_text else ""
        if self.tab.id == "trash":
            if self.marks.trash:
                request = Empty(entries=tuple(self.marks.trash))
                return plan_line(make_plan(inventory, request, self.setup.now()), len(self.marks.trash))
            hint = (
                f"u brings the row back{filtered} · d empties it for good" if self.table.row else "The trash is empty"
            )
            return Content.styled(hint, "$foreground 60%")
        if self.marks.count and self.marks.trash:
            return plan_line(self._whole_plan(inventory), self.marks.count + len(self.marks.trash))
        if self.tally and self.marks.count:
            return footer_line(self.tally, self.marks.count, self._hint(inventory))
        hint = self._hint(inventory)
        return Content.styled(f"Nothing marked{filtered}" + (f" · {hint}" if hint else ""), "$foreground 60%")

    def _hint(self, inventory: Inventory) -> str:
        return self.setup.hints.told(marked=bool(self.marks.count), has_trash=bool(inventory.trash))

    def _whole_plan(self, inventory: Inventory, *, force: bool = False) -> Plan:
        """The plan of all marks, those in the trash too: that frees at once, for good."""
        loaded = self.view.loaded if self.view else frozenset[str]()
        request = self.marks.request(inventory, to_trash=False, force=force, loaded=loaded)
        return make_plan(inventory, replace(request, entries=tuple(sorted(self.marks.trash))), self.setup.now())


def _never(_key: str) -> bool:
    return False
