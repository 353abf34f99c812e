"""The columns of the three tables: what each shows of a row, and how it sorts."""

from collections.abc import Callable, Collection

from prunella_core.base.text import clean
from prunella_core.inventory.records import Blob, Inventory, Model, Problem, State, TrashEntry
from prunella_core.plan.build import trash_reclaims
from prunella_core.space.space import space_of
from prunella_tui.app.snapshot import Snapshot
from prunella_tui.app.widgets.table import Column, Row
from prunella_tui.report import format as show

_TONES = {
    State.UNREFERENCED: "warning",
    State.PARTIAL: "warning",
    State.LEFTOVER: "warning",
    State.STRAY: "muted",
    State.MISSING: "error",
    State.TRASHED: "muted",
}

_SOON = 86_400


def model_columns(snapshot: Snapshot) -> list[Column[Model]]:
    """Columns of the Models tab."""
    inventory, now = snapshot.inventory, snapshot.now
    usage = space_of(inventory).models
    whole = snapshot.totals.allocated or 1
    largest = max((each.frees for each in usage.values()), default=0) or 1
    troubled = {problem.model for problem in inventory.problems}

    def signs(model: Model) -> str:
        return _signs(model, troubled, snapshot.loaded)

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
        _since("age", "Idle", lambda m: None if m.clock == "maybe-read" else m.idle_since, now, rank=1),
        Column("details", "Kind", 22, show.details, show.details, rank=5, tone=_muted, letter="K"),
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

    return Column(key, title, 7, cell, sort, right=True, largest_first=True, rank=rank, tone=_muted, letter="T")


def _muted(_row: object) -> str:
    return "muted"


def _signs(model: Model, troubled: set[str | None], loaded: Collection[str]) -> str:
    signs = (
        "!" if model.name in troubled else "",
        "▸" if model.name in loaded else "",
        "⚑" if model.is_pinned else "",
        "☁" if model.details.remote_host else "",
    )
    return "".join(signs)[:2]


def blob_columns(now: float) -> list[Column[Blob]]:
    """Columns of the Blobs tab; ages count up to ``now`` (seconds, UTC)."""
    return [
        Column("blob", "Blob", 20, show.blob_title, lambda b: b.key, letter="n"),
        Column(
            "state",
            "State",
            14,
            lambda b: f"{show.STATE_MARKS[b.state]} {b.state.value}",
            lambda b: list(State).index(b.state),
            tone=lambda b: _TONES.get(b.state, ""),
            letter="K",
        ),
        Column("kind", "Kind", 9, lambda b: clean(b.kind or "–"), lambda b: b.kind or "~", rank=1),
        _bytes("disk", "On disk", lambda b: b.allocated, letter="o"),
        _bytes("size", "Size", lambda b: b.size, rank=2, letter="z"),
        _since("age", "Age", lambda b: b.idle_since, now, rank=3),
        Column("models", "Used by", 0, _used_by, lambda b: len(b.models), largest_first=True, least=16, letter="H"),
    ]


def _used_by(blob: Blob) -> str:
    if not blob.models:
        return "–"
    more = f" +{len(blob.models) - 1}" if len(blob.models) > 1 else ""
    return clean(blob.models[0]) + more


def trash_columns(inventory: Inventory, now: float, retention: int) -> list[Column[TrashEntry]]:
    """Columns of the Trash tab; ``retention`` is in seconds."""
    frees = {entry.id: trash_reclaims(inventory, entry) for entry in inventory.trash}
    return [
        Column("what", "Removed", 0, show.trash_title, show.trash_title, letter="n"),
        _bytes("frees", "Holds", lambda e: frees[e.id], letter="F"),
        _since("removed", "When", lambda e: e.removed_at, now, rank=1),
        Column(
            "left",
            "Left",
            8,
            lambda e: show.left(e.removed_at + retention - now),
            lambda e: e.removed_at,
            right=True,
            tone=lambda e: "warning" if e.removed_at + retention - now < _SOON else "muted",
        ),
    ]


def problem_columns(inventory: Inventory) -> list[Column[Problem]]:
    """Columns of the Problems tab; what is wrong stands below each row."""
    tones = ("error", "warning", "muted", "muted")
    return [
        Column(
            "effect",
            "Severity",
            10,
            lambda p: _SEVERITIES[severity(inventory, p)],
            lambda p: severity(inventory, p),
            tone=lambda p: tones[severity(inventory, p)],
            letter="K",
        ),
        Column("path", "Where", 0, lambda p: clean(p.model or p.path), lambda p: p.path, letter="n"),
    ]


_SEVERITIES = ("■ blocks", "▲ broken", "□ note", "▷ Ollama")


def severity(inventory: Inventory, problem: Problem) -> int:
    """How bad a problem is: 0 blocks every prune, 1 breaks a model, 2 is only a note, 3 is what Ollama does itself."""
    if problem.blocks_prune:
        return 0
    if problem.kind == "next-start":
        return 3
    return 1 if problem.model in inventory.model_by_name else 2


def words_of_problem(problem: Problem) -> str:
    """What the filter looks at in a problem."""
    return f"{problem.path} {problem.kind} {problem.message} {problem.model or ''}"
