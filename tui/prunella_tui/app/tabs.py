"""The four tabs: what each shows, how its rows are known, and what the details say of one."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from prunella_core.advice.forecast import NextStart, dangers, next_start
from prunella_core.base.text import clean
from prunella_core.inventory.records import Blob, Inventory, Model, Problem, State, TrashEntry
from prunella_core.query.fields import WORDS, Rows
from prunella_core.space.space import space_of
from prunella_core.space.totals import totals
from prunella_tui.app.columns import NEXT_START, Snapshot, blob_columns, model_columns, problem_columns, trash_columns
from prunella_tui.app.marks import problem_key
from prunella_tui.app.widgets.table import Column
from prunella_tui.report.lines import Block


class Tab(NamedTuple):
    """One tab, and everything that differs from the others."""

    id: str
    title: str
    empty: str
    columns: Callable[[Snapshot], list[Column[Any]]]
    key: Callable[[Any], str]
    details: Callable[[Snapshot, Any], Iterable[Block]]
    example: str = "words"
    """An example of its filter."""
    fields: Rows | None = None
    """The fields that the terms of its filter ask for; ``None`` where only words count."""
    below: Callable[[Any], str] | None = None
    """What stands below each row, where rows have two lines."""

    def copied(self, row: Any) -> str:
        """What is copied of a row: its name, digest, ID or path."""
        return clean(row.path if isinstance(row, Problem) else self.key(row))


# The words of each kind of row are imported when the first one is looked at.


def _model(snapshot: Snapshot, model: Model) -> Iterable[Block]:
    from prunella_tui.report.rows import model_lines

    return model_lines(snapshot.inventory, model, snapshot.now)


def _blob(snapshot: Snapshot, blob: Blob) -> Iterable[Block]:
    from prunella_core.advice.identify import described
    from prunella_tui.report.rows import blob_lines

    return blob_lines(snapshot.inventory, blob, described(snapshot.inventory.store, blob), snapshot.now)


def _entry(snapshot: Snapshot, entry: TrashEntry) -> Iterable[Block]:
    from prunella_tui.report.format import KEYS
    from prunella_tui.report.trash import entry_lines

    return entry_lines(snapshot.inventory, entry, snapshot.now, snapshot.retention, KEYS)


def _problem(snapshot: Snapshot, problem: Problem) -> Iterable[Block]:
    from prunella_tui.report.format import KEYS
    from prunella_tui.report.health import problem_lines
    from prunella_tui.report.rows import forecast_lines

    if problem.kind == NEXT_START:
        return forecast_lines(snapshot.coming)
    return problem_lines(snapshot.inventory, problem, KEYS, can_mark=True)


TABS = (
    Tab(
        "models",
        "Models",
        "No models. Pull one with `ollama pull`, or try `prunella demo`.",
        model_columns,
        lambda model: model.name,
        _model,
        "words, or terms such as size>5GB unused>30d state:shared",
        "models",
    ),
    Tab(
        "blobs",
        "Blobs",
        "No blobs.",
        blob_columns,
        lambda blob: blob.key,
        _blob,
        "words, or terms such as disk>1GB state:partial used:llama",
        "blobs",
    ),
    Tab(
        "trash",
        "Trash",
        "The trash is empty. To keep what Ollama itself deletes too: prunella guard on",
        trash_columns,
        lambda entry: entry.id,
        _entry,
        "words, or terms such as age>2d disk>1GB name:llama",
        "trash",
    ),
    Tab(
        "problems",
        "Problems",
        "No problems: every manifest can be read, and every blob is there.",
        problem_columns,
        problem_key,
        _problem,
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
    rows: dict[str, Sequence[Any]] = {
        "models": inventory.models,
        "blobs": [blob for blob in inventory.blobs if blob.state is not State.TRASHED],
        "trash": [entry for entry in inventory.trash if not entry.is_spent],
        "problems": (*inventory.problems, *dangers(coming), *_coming_row(coming)),
    }
    texts = {tab.id: [_text(tab, row) for row in rows[tab.id]] for tab in TABS}
    return Snapshot(
        inventory=inventory, retention=retention, totals=totals(inventory), coming=coming, rows=rows, texts=texts
    )


def _text(tab: Tab, row: Any) -> str:
    """What the filter of a tab searches in a row."""
    words = WORDS[tab.fields](row) if tab.fields else f"{row.path} {row.kind} {row.message} {row.model or ''}"
    return words.casefold()


def _coming_row(coming: NextStart) -> list[Problem]:
    """A row for what Ollama's next start does, if that is anything."""
    if not (coming.files or coming.why or coming.would_break):
        return []
    from prunella_tui.report.rows import forecast_summary

    message = forecast_summary(coming)
    return [Problem(path="Ollama's next start", kind=NEXT_START, message=message, blocks_prune=False)]
