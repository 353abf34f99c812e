"""The four tabs, one in sight: what each shows, how its rows are known, and what the details say of one."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import ContentSwitcher

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import clean
from prunella_core.inventory.records import Blob, Model, Problem, TrashEntry
from prunella_core.query import Rows, by_terms, parse
from prunella_tui.app.bindings import bindings
from prunella_tui.app.columns import NEXT_START, Snapshot, blob_columns, model_columns, problem_columns, trash_columns
from prunella_tui.app.session import Session, problem_key
from prunella_tui.app.widgets.table import Column, RowTable
from prunella_tui.report.lines import Block
from prunella_tui.report.textual import Drawing


class Tab(NamedTuple):
    """One tab, and everything that differs from the others."""

    id: str
    title: str
    empty: str
    columns: Callable[[Snapshot], list[Column[Any]]]
    key: Callable[[Any], str]
    example: str = "words"
    fields: Rows | None = None
    """The fields that the terms of its filter ask for; ``None`` where only words count."""
    below: Callable[[Any], str] | None = None
    """What stands below each row, where rows have two lines."""

    def copied(self, row: Any) -> str:
        """What is copied of a row: its name, digest, ID or path."""
        return clean(row.path if isinstance(row, Problem) else self.key(row))


TABS = (
    Tab(
        "models",
        "Models",
        "No models. Pull one with `ollama pull`, or try `prunella demo`.",
        model_columns,
        lambda model: model.name,
        "words, or terms such as size>5GB unused>30d state:shared",
        "models",
    ),
    Tab(
        "blobs",
        "Blobs",
        "No blobs.",
        blob_columns,
        lambda blob: blob.key,
        "words, or terms such as disk>1GB state:partial used:llama",
        "blobs",
    ),
    Tab(
        "trash",
        "Trash",
        "The trash is empty. To keep what Ollama itself deletes too: prunella guard on",
        trash_columns,
        lambda entry: entry.id,
        "words, or terms such as age>2d disk>1GB name:llama",
        "trash",
    ),
    Tab(
        "problems",
        "Problems",
        "No problems: every manifest can be read, and every blob is there.",
        problem_columns,
        problem_key,
        below=lambda problem: clean(problem.message),
    ),
)


def _details(snapshot: Snapshot, row: Any) -> Iterable[Block]:
    """Everything about a row. The words are imported when the first one is looked at."""
    from prunella_core.advice.identify import described
    from prunella_tui.report.format import KEYS
    from prunella_tui.report.health import problem_lines
    from prunella_tui.report.rows import blob_lines, forecast_lines, model_lines
    from prunella_tui.report.trash import entry_lines

    inventory, now = snapshot.inventory, snapshot.now
    if isinstance(row, Model):
        return model_lines(inventory, row, now)
    if isinstance(row, Blob):
        return blob_lines(inventory, row, described(inventory.store, row), now)
    if isinstance(row, TrashEntry):
        return entry_lines(inventory, row, now, snapshot.retention, KEYS)
    if row.kind == NEXT_START:
        return forecast_lines(snapshot.coming)
    return problem_lines(inventory, row, KEYS, can_mark=True)


class Tables(ContentSwitcher):
    """Its keys open tabs and mark. Rows are put into a table when its tab is opened."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("tables")

    class Opened(Message):
        """Another tab is in sight."""

    def __init__(self, session: Session, moved: Callable[[], None]) -> None:
        super().__init__(initial=TABS[0].id, id="tables")
        self.session = session
        self.tab = TABS[0]
        self._moved = moved
        self._shown: dict[str, Snapshot] = {}
        """The snapshot of which each table has the rows."""

    def compose(self) -> ComposeResult:
        for tab in TABS:
            mark_of = partial(self.session.mark_of, tab.id)
            yield RowTable[Any](
                empty=tab.empty, key_of=tab.key, below=tab.below, moved=self._moved, mark_of=mark_of, id=tab.id
            )

    @property
    def table(self) -> RowTable[Any]:
        return self._table(self.tab.id)

    def _table(self, tab: str) -> RowTable[Any]:
        return self.query_one(f"#{tab}", RowTable)

    @property
    def details(self) -> Drawing | None:
        snapshot, row = self.session.snapshot, self.table.row
        return Drawing(_details(snapshot, row)) if snapshot and row is not None else None

    # What they show

    def show(self) -> None:
        """Show the rows of the session's snapshot; cursor, filter and order stay."""
        snapshot, tab, table = self.session.snapshot, self.tab, self.table
        if snapshot and self._shown.get(tab.id) is not snapshot:
            self._shown[tab.id] = snapshot
            table.show(tab.columns(snapshot), snapshot.rows[tab.id], snapshot.texts[tab.id])
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
        self.tab = next(each for each in TABS if each.id == tab)
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
