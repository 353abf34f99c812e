"""The store at one moment, and the columns of its tables: what each shows of a row, and how it sorts."""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from msgspec import Struct

from prunella_core.advice.ollama import NextStart
from prunella_core.base.text import clean
from prunella_core.inventory.records import Blob, Inventory, Model, Problem, State, TrashEntry
from prunella_core.space import space_of
from prunella_core.space.totals import Totals
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
    rows: Mapping[str, Sequence[Any]]
    """The rows of each tab, under its ID."""
    texts: Mapping[str, list[str]]
    """What the filter searches in each row, likewise."""

    @property
    def now(self) -> float:
        """The moment of the scan: ages on the screen do not move under the cursor."""
        return self.inventory.scanned_at


_TONES = {
    State.REFERENCED: "",
    State.UNREFERENCED: "warning",
    State.PARTIAL: "warning",
    State.LEFTOVER: "warning",
    State.STRAY: "muted",
    State.MISSING: "error",
    State.TRASHED: "muted",
}

_DAY = 86_400
NEXT_START = "next-start"
"""The kind of a row in Problems that is none of the store's: what Ollama itself is about to do."""


def model_columns(snapshot: Snapshot) -> list[Column[Model]]:
    usage = space_of(snapshot.inventory).models
    whole = snapshot.totals.allocated or 1
    largest = max((each.frees for each in usage.values()), default=0) or 1
    troubled = {problem.model for problem in snapshot.inventory.problems}

    def signs(model: Model) -> str:
        is_loaded, is_remote = model.name in snapshot.loaded, model.details.remote_host
        shown = zip("!▸⚑☁", (model.name in troubled, is_loaded, model.is_pinned, is_remote), strict=True)
        return "".join(sign for sign, is_so in shown if is_so)[:2]

    def frees(model: Model) -> int:
        return usage[model.name].frees

    def share(model: Model) -> str:
        return f"{show.share_bar(frees(model) / largest, 5)} {frees(model) / whole:>4.0%}"

    return [
        Column("name", "Model", 0, lambda m: clean(m.name), lambda m: m.name.casefold(), least=20, letter="n"),
        Column("sign", " ", 2, signs, signs, tone=lambda m: "error" if m.name in troubled else "muted"),
        _bytes("size", "Size", attrgetter("size"), letter="z"),
        _bytes("disk", "On disk", lambda m: usage[m.name].allocated, rank=4, letter="o"),
        _bytes("frees", "Frees", frees, letter="F"),
        Column("share", "", 10, share, frees, largest_first=True, rank=2, tone=lambda _m: "bar"),
        _bytes("shared", "Shared", lambda m: usage[m.name].shared, rank=3, none="–", letter="H"),
        _since("age", "Idle", lambda m: None if m.idle[1] == "maybe-read" else m.idle_since, snapshot.now, rank=1),
        Column("details", "Kind", 22, show.details, show.details, rank=5, tone=lambda _m: "muted", letter="K"),
    ]


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

    tone, order = (lambda _row: "muted"), (lambda row: time(row) or 0)
    return Column(key, title, 7, cell, order, right=True, largest_first=True, rank=rank, tone=tone, letter="T")


def blob_columns(snapshot: Snapshot) -> list[Column[Blob]]:
    states = list(State)

    def state(blob: Blob) -> str:
        return show.state_text(blob.state)[0]

    def users(blob: Blob) -> str:
        more = f" +{len(blob.models) - 1}" if len(blob.models) > 1 else ""
        return clean(blob.models[0]) + more if blob.models else "–"

    return [
        Column("blob", "Blob", 20, show.blob_title, lambda b: b.key, letter="n"),
        Column(
            "state", "State", 14, state, lambda b: states.index(b.state), tone=lambda b: _TONES[b.state], letter="K"
        ),
        Column("kind", "Kind", 9, lambda b: clean(b.kind or "–"), lambda b: b.kind or "~", rank=1),
        _bytes("disk", "On disk", attrgetter("allocated"), letter="o"),
        _bytes("size", "Size", attrgetter("size"), rank=2, letter="z"),
        _since("age", "Age", attrgetter("idle_since"), snapshot.now, rank=3),
        Column("models", "Used by", 0, users, lambda b: len(b.models), largest_first=True, least=16, letter="H"),
    ]


def trash_columns(snapshot: Snapshot) -> list[Column[TrashEntry]]:
    from prunella_core.plan.build import trash_reclaims

    frees = {entry.id: trash_reclaims(snapshot.inventory, entry) for entry in snapshot.inventory.trash}

    def left(entry: TrashEntry) -> float:
        return entry.expires_at(snapshot.retention) - snapshot.now

    def tone(entry: TrashEntry) -> str:
        return "warning" if left(entry) < _DAY else "muted"

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

    words, tones = zip(*_SEVERITIES, strict=True)
    return [
        Column(
            "effect",
            "Severity",
            10,
            lambda p: words[severity(p)],
            severity,
            tone=lambda p: tones[severity(p)],
            letter="K",
        ),
        Column("path", "Where", 0, lambda p: clean(p.model or p.path), lambda p: p.path, letter="n"),
    ]
