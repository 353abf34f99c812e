"""The one screen: what takes the disk, and what would come back."""

from collections.abc import Callable
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Footer, Input, Static

from prunella_core.inventory import Inventory
from prunella_core.plan import Plan
from prunella_core.planning import make_plan
from prunella_core.scan import Progress, Space, scan
from prunella_core.store import Store
from prunella_core.text import clean
from prunella_core.totals import totals
from prunella_tui import presentation as show
from prunella_tui.app.columns import (
    blob_columns,
    model_columns,
    problem_columns,
    words_of_blob,
    words_of_model,
    words_of_problem,
)
from prunella_tui.app.detail import blob_detail, model_detail, problem_detail
from prunella_tui.app.dialogs import Answer, Result, Review, Text, Working, help_text
from prunella_tui.app.marks import Marks, mark_of, prunable_keys
from prunella_tui.app.messages import RemovalRefused, Removed, Removing, ScanFailed, Scanned, ScanProgressed
from prunella_tui.app.plantext import footer_line
from prunella_tui.app.removal import remove
from prunella_tui.app.storebar import StoreBar
from prunella_tui.app.table import RowTable

TABS = {"models": "Models", "blobs": "Blobs", "problems": "Problems"}
_EMPTY = {
    "models": "No models in this store yet. Here would be each with what it takes and frees.",
    "blobs": "No blobs in this store yet.",
    "problems": "No problems: every manifest can be read, every blob is there.",
}


class Browse(Screen[None]):
    """Owns the inventory and the marks; everything that it draws follows from these two."""

    CSS_PATH = "browse.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 -- Textual's own name and type
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "Mark", tooltip="mark or unmark the row", id="mark"),
        Binding("d", "remove", "Remove", tooltip="review and remove what is marked, or the row", id="remove"),
        Binding("p", "mark_prunable", "Prunable", tooltip="mark all that no model needs", id="prunable"),
        Binding("slash", "filter", "Filter", tooltip="show only rows with these words", id="filter"),
        Binding("s", "sort", "Sort", tooltip="sort by the next column", id="sort"),
        Binding("S", "reverse", "Turn order", show=False, tooltip="turn the order around", id="reverse"),
        Binding("a", "mark_shown", "Mark all", show=False, tooltip="mark all rows that are shown", id="mark_all"),
        Binding("escape", "clear", "Clear", show=False, tooltip="clear the filter, then the marks", id="clear"),
        Binding("1", "show_tab('models')", "Models", show=False, tooltip="models", id="tab.models"),
        Binding("2", "show_tab('blobs')", "Blobs", show=False, tooltip="blobs", id="tab.blobs"),
        Binding("3", "show_tab('problems')", "Problems", show=False, tooltip="problems", id="tab.problems"),
        Binding("left,h", "next_tab(-1)", "Tab before", show=False, tooltip="the tab before", id="tab.before"),
        Binding("right,l", "next_tab(1)", "Next tab", show=False, tooltip="the next tab", id="tab.next"),
        Binding("enter", "open", "Detail", show=False, tooltip="the row in full", id="open"),
        Binding("i", "toggle_detail", "Detail side", show=False, tooltip="show or hide the side", id="side"),
        Binding("r", "rescan", "Rescan", show=False, tooltip="read the store again", id="rescan"),
        Binding("question_mark", "help", "Help", tooltip="this help", id="help"),
        Binding("q", "app.quit", "Quit", tooltip="leave; marks are forgotten, nothing is removed", id="quit"),
    ]

    def __init__(
        self, store: Store, now: Callable[[], float], space_of: Callable[[str], Space], is_sample: bool = False
    ) -> None:
        super().__init__()
        self.space_of = space_of
        self.store = store
        self.now = now
        self.is_sample = is_sample
        self.inventory: Inventory | None = None
        self.marks = Marks()
        self.plan: Plan | None = None
        self.tab = "models"
        self._generation = 0
        self._working = Working()

    def compose(self) -> ComposeResult:
        yield Static(self._title(), id="title")
        yield StoreBar()
        yield Static(id="tabs")
        with Horizontal(id="body"):
            with ContentSwitcher(initial="models"):
                for tab in TABS:
                    yield RowTable[Any](empty=_EMPTY[tab], id=tab)
            with VerticalScroll(id="side", can_focus=False):
                yield Static(id="detail")
        yield Input(placeholder="words that must occur, in any order", id="filter", compact=True)
        yield Static(id="marked")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.action_rescan()
        self.table.focus()

    def _title(self) -> Content:
        name = Content.styled("Prunella", "bold $text-primary")
        if self.is_sample:
            return Content("  ").join([name, Content("a sample store: of each file, one thousandth is on the disk")])
        parts = [name, Content(clean(self.store.root))]
        if not self.store.named:
            others = show.counted(len(self.store.other_stores), "other store")
            parts.append(
                Content.styled(f"{self.store.why}; {others}: name one with --store to remove", "$text-warning")
            )
        elif not self.store.writable:
            parts.append(Content.styled(f"belongs to {self.store.owner}: you can look, not remove", "$text-warning"))
        else:
            parts.append(Content.styled(self.store.why, "$text-muted"))
        return Content("  ").join(parts)

    @property
    def table(self) -> RowTable[Any]:
        """The table of the open tab."""
        return self.query_one(f"#{self.tab}", RowTable)

    # Scanning

    def action_rescan(self) -> None:
        self._generation += 1
        self.query_one("#marked", Static).update(Content("Reading the store …"))
        self._scan(self._generation)

    @work(thread=True)
    def _scan(self, generation: int) -> None:
        def report(progress: Progress) -> None:
            self.post_message(ScanProgressed(progress))

        try:
            self.post_message(Scanned(scan(self.store, self.now(), report, self.space_of), generation))
        except OSError as error:
            where = clean(str(error.filename or self.store.root))
            self.post_message(ScanFailed(f"{where}: {error.strerror}", generation))

    @on(ScanProgressed)
    def _show_progress(self, message: ScanProgressed) -> None:
        manifests, blobs = message.progress
        text = f"Reading the store … {show.counted(blobs, 'blob')}, {show.counted(manifests, 'manifest')}"
        self.query_one("#marked", Static).update(Content(text))

    @on(ScanFailed)
    def _tell_failure(self, message: ScanFailed) -> None:
        if message.generation == self._generation:
            self.app.push_screen(Text("The store cannot be read", Content(message.error)))

    @on(Scanned)
    def _accept(self, message: Scanned) -> None:
        if message.generation != self._generation:  # an older scan that came in late
            return
        inventory = self.inventory = message.inventory
        self.marks = self.marks.surviving(inventory)
        with self.app.batch_update():
            self.query_one(StoreBar).totals = totals(inventory)
            self._fill(inventory)
            self._show_tabs()
            self._show_marks()

    def _fill(self, inventory: Inventory) -> None:
        now = inventory.scanned_at
        models, blobs, problems = (self.query_one(f"#{tab}", RowTable) for tab in TABS)
        models.show(model_columns(inventory, now), inventory.models, lambda m: m.name, words_of_model)
        blobs.show(blob_columns(now), inventory.blobs, lambda b: b.key, words_of_blob)
        problems.show(problem_columns(), inventory.problems, lambda p: f"{p.path} {p.message}", words_of_problem)

    # Tabs

    def _show_tabs(self) -> None:
        counts = {"models": 0, "blobs": 0, "problems": 0}
        if self.inventory:
            inventory = self.inventory
            counts = dict(zip(TABS, map(len, (inventory.models, inventory.blobs, inventory.problems)), strict=True))
        parts = []
        for number, (tab, title) in enumerate(TABS.items(), 1):
            style = "reverse bold" if tab == self.tab else "$text-muted"
            label = f" {number} {title} {show.number(counts[tab])} "
            parts.append(Content.styled(label, style).stylize(f"@click=screen.show_tab('{tab}')"))
        self.query_one("#tabs", Static).update(Content(" ").join(parts))

    def action_show_tab(self, tab: str) -> None:
        self.tab = tab
        self.query_one(ContentSwitcher).current = tab
        self._show_tabs()
        self.table.focus()
        self._show_detail()

    def action_next_tab(self, by: int) -> None:
        tabs = list(TABS)
        self.action_show_tab(tabs[(tabs.index(self.tab) + by) % len(tabs)])

    # The side

    @on(RowTable.Highlighted)
    def _follow(self, message: RowTable.Highlighted) -> None:
        if message.table is self.table:
            self._show_detail()

    def _show_detail(self) -> None:
        self.query_one("#detail", Static).update(self._detail() or Content(""))

    def _detail(self) -> Content | None:
        key = self.table.key
        if self.inventory is None or key is None:
            return None
        if self.tab == "models" and key in self.inventory.model_by_name:
            return model_detail(self.inventory, self.inventory.model_by_name[key], self.inventory.scanned_at)
        if self.tab == "blobs" and key in self.inventory.blob_by_key:
            return blob_detail(self.inventory, self.inventory.blob_by_key[key], self.inventory.scanned_at)
        found = (problem for problem in self.inventory.problems if f"{problem.path} {problem.message}" == key)
        return next((problem_detail(self.inventory, problem) for problem in found), None)

    @on(RowTable.Opened)
    def action_open(self) -> None:
        if detail := self._detail():
            self.app.push_screen(Text("Detail", detail))

    def action_toggle_detail(self) -> None:
        self.query_one("#side").toggle_class("-hidden")

    # Filter and order

    def action_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.add_class("-open")
        field.value = self.table.filter_text
        field.focus()

    @on(Input.Changed, "#filter")
    def _filter(self, event: Input.Changed) -> None:
        self.table.filter(event.value)

    @on(Input.Submitted, "#filter")
    def _close_filter(self) -> None:
        self.query_one("#filter", Input).remove_class("-open")
        self.table.focus()
        self._show_marks()

    def action_sort(self) -> None:
        self.notify(f"Sorted by {self.table.sort_by_next()}", timeout=1.5)

    def action_reverse(self) -> None:
        self.table.sort_by(self.table.sort_key)

    # Marks

    def action_mark(self) -> None:
        if key := self.table.key:
            self._toggle(self.tab, key)
            self.table.action_cursor_down()

    @on(RowTable.Toggled)
    def _toggle_clicked(self, message: RowTable.Toggled) -> None:
        self._toggle(message.table.id or "", message.key)

    def _toggle(self, tab: str, key: str) -> None:
        if self.inventory is None:
            return
        if tab == "problems":
            self._toggle_problem(key)
        else:
            self._set_marks(self.marks.toggle(tab, key, self.inventory))

    def _toggle_problem(self, key: str) -> None:
        """A problem is marked by the file that it is about; that of a listed model is marked as the model."""
        if self.inventory is None:
            return
        problem = next(problem for problem in self.inventory.problems if f"{problem.path} {problem.message}" == key)
        if problem.path in self.inventory.broken_by_path:
            self._set_marks(self.marks.toggle("manifests", problem.path, self.inventory))
        elif problem.model in self.inventory.model_by_name:
            self._set_marks(self.marks.toggle("models", problem.model or "", self.inventory))
        else:
            self.notify("There is no file here to remove; see how to mend it.", severity="warning")

    def action_mark_shown(self) -> None:
        if self.tab != "problems":
            self._set_marks(self.marks.add(self.tab, self.table.shown_keys))

    def action_mark_prunable(self) -> None:
        if self.inventory is None:
            return
        keys = prunable_keys(self.inventory)
        if not keys:
            self.notify("Every blob is needed by a model: nothing to prune.")
            return
        self._set_marks(self.marks.add("blobs", keys))
        self.notify(f"Marked {show.counted(len(keys), 'blob')} that no model needs")

    def action_clear(self) -> None:
        field = self.query_one("#filter", Input)
        if field.has_class("-open") or self.table.filter_text:
            field.value = ""
            self.table.filter("")
            self._close_filter()
        else:
            self._set_marks(Marks())

    def _set_marks(self, marks: Marks) -> None:
        self.marks = marks
        self._show_marks()

    def _show_marks(self) -> None:
        if self.inventory is None:
            return
        inventory, marks = self.inventory, self.marks
        self.plan = make_plan(inventory, marks.request(inventory), self.now()) if marks.count else None
        going = frozenset(item.digest for item in self.plan.blobs if item.digest) if self.plan else frozenset()
        implied = marks.implied_models(inventory)
        paths = {f"{p.path} {p.message}": p.path for p in inventory.problems}
        models, blobs, problems = (self.query_one(f"#{tab}", RowTable) for tab in TABS)
        models.show_marks(lambda key: mark_of(key, marks.models, implied))
        blobs.show_marks(lambda key: mark_of(key, marks.blobs, going))
        problems.show_marks(lambda key: mark_of(paths.get(key, ""), marks.manifests, frozenset()))
        self.query_one("#marked", Static).update(self._footer())

    def _footer(self) -> Content:
        if self.plan:
            return footer_line(self.plan, self.marks.count)
        filtered = f" · filter “{clean(self.table.filter_text)}” (esc clears)" if self.table.filter_text else ""
        return Content.styled(f"Nothing marked{filtered} · space marks a row, p all that no model needs", "$text-muted")

    # Removing

    def action_remove(self, force: bool = False) -> None:
        if self.inventory is None:
            return
        if refusal := self._refusal():
            self.app.push_screen(Text("Nothing can be removed here", Content(refusal)))
            return
        before = self.marks
        if not self.marks.count and self.table.key:
            self._toggle(self.tab, self.table.key)  # with nothing marked, d means the row under the cursor
        if self.marks.count:
            self._review(make_plan(self.inventory, self.marks.request(self.inventory, force), self.now()), before)

    def _review(self, plan: Plan, before: Marks) -> None:
        models = self.inventory.models if self.inventory else ()
        takes_everything = bool(models) and len(plan.models) == len(models)
        self.app.push_screen(Review(plan, takes_everything), lambda answer: self._decide(plan, before, answer))

    def _refusal(self) -> str | None:
        store = self.store
        if not store.named:
            known = "\n".join(f"  prunella --store {clean(path)}" for path in (store.root, *store.other_stores))
            return f"Several stores were found, and none is guessed to be meant. Start with one of:\n{known}"
        if not store.writable:
            command = f"sudo -u {store.owner} prunella --store {clean(store.root)}"
            return f"The store belongs to {store.owner}, and you may not write to it. Start as its owner:\n  {command}"
        return None

    def _decide(self, plan: Plan, before: Marks, answer: Answer | None) -> None:
        if answer == "force":
            self.action_remove(force=True)
        elif answer != "remove":
            self._set_marks(before)
        else:
            self._working = Working()
            self.app.push_screen(self._working)
            remove(self, plan, self._working)

    @on(Removing)
    def _advance(self, message: Removing) -> None:
        if self._working.is_mounted:
            self._working.advance(message.step)

    @on(Removed)
    def _tell_result(self, message: Removed) -> None:
        self._working.dismiss("cancel")
        if not message.receipt.cancelled:
            self.marks = Marks()
        self.app.push_screen(Result(message.receipt))
        self.action_rescan()

    @on(RemovalRefused)
    def _tell_refusal(self, message: RemovalRefused) -> None:
        self._working.dismiss("cancel")
        self.app.push_screen(Text("Nothing was removed", Content(message.reason)))
        self.action_rescan()

    def action_help(self) -> None:
        bindings = [binding for binding in (*self.BINDINGS, *RowTable.BINDINGS) if isinstance(binding, Binding)]
        self.app.push_screen(Text("Help", help_text(bindings)))
