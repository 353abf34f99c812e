"""The store at one moment, and the columns of its tables: what each shows of a row, and how it sorts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from prunella_core.advice.forecast import NextStart, dangers, next_start
from prunella_core.base.text import clean
from prunella_core.inventory.records import Blob, Inventory, Model, Problem, State, TrashEntry
from prunella_core.query.fields import WORDS
from prunella_core.space.space import space_of
from prunella_core.space.totals import Totals, totals
from prunella_tui.app.widgets.table import Column, Row
from prunella_tui.report import format as show


class Snapshot(Struct, frozen=True, kw_only=True):
    """An inventory, and what takes time to work out from it. ``retention`` is in seconds."""

    inventory: Inventory
    retention: int
    totals: Totals
    coming: NextStart
    """What Ollama's own next start does to the store."""
    loaded: frozenset[str] = frozenset()
    """The models that the server has loaded."""
    rows: Mapping[str, Sequence[Any]]
    """The rows of each tab, under its ID."""
    texts: Mapping[str, list[str]]
    """What the filter searches in each row, likewise."""

    @property
    def now(self) -> float:
        """The moment of the scan: ages on the screen do not move under the cursor."""
        return self.inventory.scanned_at


_TONES = {
    State.UNREFERENCED: "warning",
    State.PARTIAL: "warning",
    State.LEFTOVER: "warning",
    State.STRAY: "muted",
    State.MISSING: "error",
    State.TRASHED: "muted",
}

_SOON = 86_400
NEXT_START = "next-start"
"""The kind of a row in Problems that is none of the store's: what Ollama itself is about to do."""


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
        "problems": [*inventory.problems, *dangers(coming), *_coming_row(coming)],
    }
    texts: dict[str, list[str]] = {tab: [words(row).casefold() for row in rows[tab]] for tab, words in WORDS.items()}
    texts["problems"] = [f"{p.path} {p.kind} {p.message} {p.model or ''}".casefold() for p in rows["problems"]]
    return Snapshot(
        inventory=inventory, retention=retention, totals=totals(inventory), coming=coming, rows=rows, texts=texts
    )


def _coming_row(coming: NextStart) -> list[Problem]:
    """A row for what Ollama's next start does, if that is anything."""
    if not (coming.files or coming.why or coming.would_break):
        return []
    from prunella_tui.report.rows import forecast_summary

    message = forecast_summary(coming)
    return [Problem(path="Ollama's next start", kind=NEXT_START, message=message, blocks_prune=False)]


def model_columns(snapshot: Snapshot) -> list[Column[Model]]:
    """Columns of the Models tab."""
    usage = space_of(snapshot.inventory).models
    whole = snapshot.totals.allocated or 1
    largest = max((each.frees for each in usage.values()), default=0) or 1
    troubled = {problem.model for problem in snapshot.inventory.problems}

    def signs(model: Model) -> str:
        signs = {
            "!": model.name in troubled,
            "▸": model.name in snapshot.loaded,
            "⚑": model.is_pinned,
            "☁": model.details.remote_host,
        }
        return "".join(sign for sign, is_shown in signs.items() if is_shown)[:2]

    def frees(model: Model) -> int:
        return usage[model.name].frees

    def share(model: Model) -> str:
        return f"{show.share_bar(frees(model) / largest, _BAR)} {frees(model) / whole:>4.0%}"

    return [
        Column("name", "Model", 0, lambda m: clean(m.name), lambda m: m.name.casefold(), least=20, letter="n"),
        Column("sign", " ", 2, signs, signs, tone=lambda m: "error" if m.name in troubled else "muted"),
        _bytes("size", "Size", lambda m: m.size, letter="z"),
        _bytes("disk", "On disk", lambda m: usage[m.name].allocated, rank=4, letter="o"),
        _bytes("frees", "Frees", frees, letter="F"),
        Column("share", "", _BAR + 5, share, frees, largest_first=True, rank=2, tone=lambda _m: "bar"),
        _bytes("shared", "Shared", lambda m: usage[m.name].shared, rank=3, none="–", letter="H"),
        _since("age", "Idle", lambda m: None if m.clock == "maybe-read" else m.idle_since, snapshot.now, rank=1),
        Column("details", "Kind", 22, show.details, show.details, rank=5, tone=lambda _m: "muted", letter="K"),
    ]


_BAR = 5


def _bytes(
    key: str, title: str, count: Callable[[Row], int], rank: int = 0, none: str = "0 B", letter: str = ""
) -> Column[Row]:
    """A column of sizes; the largest come first."""

    def cell(row: Row) -> str:
        return show.size(count(row)) if count(row) else none

    return Column(key, title, 9, cell, count, right=True, largest_first=True, rank=rank, letter=letter)


def _since(key: str, title: str, time: Callable[[Row], float | None], now: float, rank: int = 0) -> Column[Row]:
    """A column of ages; the youngest come first, what has none comes last."""

    def cell(row: Row) -> str:
        at = time(row)
        return show.age(None if at is None else now - at)

    def sort(row: Row) -> float:
        return time(row) or 0

    return Column(
        key, title, 7, cell, sort, right=True, largest_first=True, rank=rank, tone=lambda _row: "muted", letter="T"
    )


def blob_columns(snapshot: Snapshot) -> list[Column[Blob]]:
    """Columns of the Blobs tab."""
    states = list(State)

    def state(blob: Blob) -> str:
        return f"{show.STATE_MARKS[blob.state]} {blob.state.value}"

    def tone(blob: Blob) -> str:
        return _TONES.get(blob.state, "")

    return [
        Column("blob", "Blob", 20, show.blob_title, lambda b: b.key, letter="n"),
        Column("state", "State", 14, state, lambda b: states.index(b.state), tone=tone, letter="K"),
        Column("kind", "Kind", 9, lambda b: clean(b.kind or "–"), lambda b: b.kind or "~", rank=1),
        _bytes("disk", "On disk", lambda b: b.allocated, letter="o"),
        _bytes("size", "Size", lambda b: b.size, rank=2, letter="z"),
        _since("age", "Age", lambda b: b.idle_since, snapshot.now, rank=3),
        Column("models", "Used by", 0, _used_by, lambda b: len(b.models), largest_first=True, least=16, letter="H"),
    ]


def _used_by(blob: Blob) -> str:
    if not blob.models:
        return "–"
    more = f" +{len(blob.models) - 1}" if len(blob.models) > 1 else ""
    return clean(blob.models[0]) + more


def trash_columns(snapshot: Snapshot) -> list[Column[TrashEntry]]:
    """Columns of the Trash tab."""
    from prunella_core.plan.build import trash_reclaims

    frees = {entry.id: trash_reclaims(snapshot.inventory, entry) for entry in snapshot.inventory.trash}

    def left(entry: TrashEntry) -> float:
        return entry.expires_at(snapshot.retention) - snapshot.now

    def tone(entry: TrashEntry) -> str:
        return "warning" if left(entry) < _SOON else "muted"

    return [
        Column("what", "Removed", 0, show.trash_title, show.trash_title, letter="n"),
        _bytes("frees", "Holds", lambda e: frees[e.id], letter="F"),
        _since("removed", "When", lambda e: e.removed_at, snapshot.now, rank=1),
        Column("left", "Left", 8, lambda e: show.left(left(e)), lambda e: e.removed_at, right=True, tone=tone),
    ]


_SEVERITIES = (("■ blocks", "error"), ("▲ broken", "warning"), ("□ note", "muted"), ("▷ Ollama", "muted"))
"""How bad a problem is: it blocks every prune, breaks a model, is only a note, or is what Ollama does itself."""


def problem_columns(snapshot: Snapshot) -> list[Column[Problem]]:
    """Columns of the Problems tab; what is wrong stands below each row."""

    def severity(problem: Problem) -> int:
        if problem.blocks_prune:
            return 0
        if problem.kind == NEXT_START:
            return 3
        return 1 if problem.model in snapshot.inventory.model_by_name else 2

    def word(problem: Problem) -> str:
        return _SEVERITIES[severity(problem)][0]

    def tone(problem: Problem) -> str:
        return _SEVERITIES[severity(problem)][1]

    return [
        Column("effect", "Severity", 10, word, severity, tone=tone, letter="K"),
        Column("path", "Where", 0, lambda p: clean(p.model or p.path), lambda p: p.path, letter="n"),
    ]
