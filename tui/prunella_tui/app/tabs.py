"""The four tabs: what each shows, how its rows are known, and what the details say of one."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from prunella_core.advice.forecast import NextStart, dangers, next_start
from prunella_core.advice.identify import described
from prunella_core.base.text import clean
from prunella_core.inventory.records import Blob, Inventory, Problem, State, TrashEntry
from prunella_core.query import Rows
from prunella_core.query.fields import WORDS
from prunella_core.space.space import space_of
from prunella_core.space.totals import totals
from prunella_tui.app.columns import (
    blob_columns,
    model_columns,
    problem_columns,
    trash_columns,
    words_of_problem,
)
from prunella_tui.app.marks import problem_key
from prunella_tui.app.snapshot import Snapshot
from prunella_tui.app.widgets.table import Column
from prunella_tui.report.blob import blob_lines
from prunella_tui.report.forecast import forecast_lines, forecast_summary
from prunella_tui.report.lines import Block
from prunella_tui.report.model import model_lines
from prunella_tui.report.problem import problem_lines
from prunella_tui.report.trash import entry_lines
from prunella_tui.report.ways import KEYS

NEXT_START = "next-start"
"""The kind of a row in Problems that is none of the store's: what Ollama itself is about to do."""


class Tab(NamedTuple):
    """One tab, and everything that differs from the others."""

    id: str
    title: str
    empty: str
    columns: Callable[[Snapshot], list[Column[Any]]]
    rows: Callable[[Snapshot], Sequence[Any]]
    key: Callable[[Any], str]
    words: Callable[[Any], str]
    details: Callable[[Snapshot, Any], Iterable[Block]]
    fields: Rows | None = None
    """The fields that the terms of its filter ask for; ``None`` where only words count."""
    placeholder: str = "words"
    """An example of its filter."""
    below: Callable[[Any], str] | None = None
    """What stands below each row, where rows have two lines."""

    def copied(self, row: Any) -> str:
        """What is copied of a row: its name, digest, ID or path."""
        return clean(row.path if isinstance(row, Problem) else self.key(row))


def _blobs(snapshot: Snapshot) -> list[Blob]:
    """What lies in ``blobs/``, or should; the trash has a tab of its own."""
    return [blob for blob in snapshot.inventory.blobs if blob.state is not State.TRASHED]


def _problems(snapshot: Snapshot) -> Sequence[Problem]:
    """The problems of the store; and rows for what Ollama's next start does, if that is anything."""
    coming = snapshot.coming
    has_row = coming.files or coming.why or coming.would_break
    return (*snapshot.inventory.problems, *dangers(coming), *([_coming_row(coming)] if has_row else ()))


def _coming_row(coming: NextStart) -> Problem:
    return Problem(path="Ollama's next start", kind=NEXT_START, message=forecast_summary(coming), blocks_prune=False)


def _problem_details(snapshot: Snapshot, problem: Problem) -> Iterable[Block]:
    if problem.kind == NEXT_START:
        return forecast_lines(snapshot.coming)
    return problem_lines(snapshot.inventory, problem, can_mark=True)


def _blob_details(snapshot: Snapshot, blob: Blob) -> Iterable[Block]:
    return blob_lines(snapshot.inventory, blob, described(snapshot.inventory.store, blob), snapshot.now)


def _entry_details(snapshot: Snapshot, entry: TrashEntry) -> Iterable[Block]:
    return entry_lines(snapshot.inventory, entry, snapshot.now, snapshot.retention, KEYS)


TABS = (
    Tab(
        "models",
        "Models",
        "No models. Pull one with `ollama pull`, or try `prunella demo`.",
        model_columns,
        lambda snapshot: snapshot.inventory.models,
        lambda model: model.name,
        WORDS["models"],
        lambda snapshot, model: model_lines(snapshot.inventory, model, snapshot.now),
        "models",
        "words, or terms such as size>5GB unused>30d state:shared",
    ),
    Tab(
        "blobs",
        "Blobs",
        "No blobs.",
        lambda snapshot: blob_columns(snapshot.now),
        _blobs,
        lambda blob: blob.key,
        WORDS["blobs"],
        _blob_details,
        "blobs",
        "words, or terms such as disk>1GB state:partial used:llama",
    ),
    Tab(
        "trash",
        "Trash",
        "The trash is empty.",
        lambda snapshot: trash_columns(snapshot.inventory, snapshot.now, snapshot.retention),
        lambda snapshot: [entry for entry in snapshot.inventory.trash if not entry.is_spent],
        lambda entry: entry.id,
        WORDS["trash"],
        _entry_details,
        "trash",
        "words, or terms such as age>2d disk>1GB name:llama",
    ),
    Tab(
        "problems",
        "Problems",
        "No problems: every manifest can be read, and every blob is there.",
        lambda snapshot: problem_columns(snapshot.inventory),
        _problems,
        problem_key,
        words_of_problem,
        _problem_details,
        below=lambda problem: clean(problem.message),
    ),
)


TAB_BY_ID = {tab.id: tab for tab in TABS}


def snapshot_of(inventory: Inventory, retention: int, *, noprune: bool = False, version: str | None = None) -> Snapshot:
    """Work out what the screens need of ``inventory``. For a large store this is work for a thread.

    ``retention`` is in seconds; ``noprune`` says whether ``OLLAMA_NOPRUNE`` is set, ``version`` is the server's.
    """
    space_of(inventory).models, inventory.blob_by_key
    coming = next_start(inventory, inventory.scanned_at, noprune, version)
    bare = Snapshot(inventory=inventory, retention=retention, totals=totals(inventory), coming=coming)
    rows = {tab.id: tab.rows(bare) for tab in TABS}
    texts = {tab.id: [tab.words(row).casefold() for row in rows[tab.id]] for tab in TABS}
    return replace(bare, rows=rows, texts=texts)
