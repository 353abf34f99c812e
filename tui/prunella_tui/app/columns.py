"""The columns of the three tables: what each shows of a row, and how it sorts."""

from collections.abc import Callable, Collection

from prunella_core.base.text import clean
from prunella_core.inventory.records import Blob, Inventory, Model, Problem, State, TrashEntry
from prunella_core.plan.build import trash_reclaims
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


def model_columns(inventory: Inventory, now: float, loaded: Collection[str]) -> list[Column[Model]]:
    """Columns of the Models tab; ages are reckoned at ``now`` (seconds, UTC)."""
    usage = inventory.usage
    troubled = {problem.model for problem in inventory.problems}
    return [
        Column("name", "Model", 0, lambda m: clean(m.name), lambda m: m.name.casefold()),
        Column(
            "sign",
            " ",
            2,
            lambda m: _signs(m, troubled, loaded),
            lambda m: _signs(m, troubled, loaded),
            tone=lambda m: "error" if m.name in troubled else "muted",
        ),
        _bytes("size", "Size", lambda m: m.size),
        _bytes("disk", "On disk", lambda m: usage[m.name].allocated, rank=3),
        _bytes("frees", "Frees", lambda m: usage[m.name].reclaims),
        _bytes("shared", "Shared", lambda m: usage[m.name].shared, rank=2, none="–"),
        _since("age", "Idle", lambda m: m.idle_since, now, rank=1),
        Column("details", "Kind", 22, show.details, show.details, rank=4, tone=_muted),
    ]


def _bytes(key: str, title: str, count: Callable[[Row], int], rank: int = 0, none: str = "0 B") -> Column[Row]:
    """A column of sizes; the largest come first."""

    def cell(row: Row) -> str:
        return show.size(count(row)) if count(row) else none

    return Column(key, title, 9, cell, count, right=True, largest_first=True, rank=rank)


def _since(key: str, title: str, time: Callable[[Row], float | None], now: float, rank: int = 0) -> Column[Row]:
    """A column of ages; the youngest come first, what has none comes last."""

    def cell(row: Row) -> str:
        at = time(row)
        return show.age(None if at is None else now - at)

    return Column(
        key, title, 8, cell, lambda row: time(row) or 0, right=True, largest_first=True, rank=rank, tone=_muted
    )


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
    """Columns of the Blobs tab; ages are reckoned at ``now`` (seconds, UTC)."""
    return [
        Column("blob", "Blob", 20, show.blob_title, lambda b: b.key),
        Column(
            "state",
            "State",
            14,
            lambda b: f"{show.STATE_MARKS[b.state]} {b.state.value}",
            lambda b: list(State).index(b.state),
            tone=lambda b: _TONES.get(b.state, ""),
        ),
        Column("kind", "Kind", 9, lambda b: clean(b.kind or "–"), lambda b: b.kind or "~", rank=1),
        _bytes("disk", "On disk", lambda b: b.allocated),
        _bytes("size", "Size", lambda b: b.size, rank=2),
        _since("age", "Age", lambda b: b.idle_since, now, rank=3),
        Column("models", "Used by", 0, _used_by, lambda b: len(b.models), largest_first=True, least=16),
    ]


def _used_by(blob: Blob) -> str:
    if not blob.models:
        return "–"
    more = f" +{len(blob.models) - 1}" if len(blob.models) > 1 else ""
    return clean(blob.models[0]) + more


def trash_columns(inventory: Inventory, now: float, retention: int) -> list[Column[TrashEntry]]:
    """Columns of the Trash tab; ``retention`` is in seconds."""
    frees = {entry.id: trash_reclaims(inventory, entry, now) for entry in inventory.trash}
    return [
        Column("what", "Removed", 0, show.trash_title, show.trash_title),
        _bytes("frees", "Holds", lambda e: frees[e.id]),
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


def words_of_trash(entry: TrashEntry) -> str:
    """What the filter looks at in a removal."""
    return f"{entry.id} {' '.join(model.name for model in entry.models)}"


def problem_columns() -> list[Column[Problem]]:
    """Columns of the Problems tab."""
    return [
        Column(
            "effect",
            "Effect",
            13,
            lambda p: "■ blocks" if p.blocks_prune else "▷ Ollama" if p.kind == "next-start" else "□ only a note",
            lambda p: p.blocks_prune,
            largest_first=True,
            tone=lambda p: "error" if p.blocks_prune else "muted",
        ),
        Column("path", "Where", 24, lambda p: clean(p.model or p.path), lambda p: p.path, rank=1),
        Column("message", "Problem", 0, lambda p: clean(p.message), lambda p: p.message),
    ]


def words_of_model(model: Model) -> str:
    """What the filter looks at in a model."""
    return f"{model.name} {show.details(model)} {model.digest[:12]}"


def words_of_blob(blob: Blob) -> str:
    """What the filter looks at in a blob."""
    return f"{blob.key} {blob.state.value} {blob.kind or ''} {' '.join(blob.models)}"


def words_of_problem(problem: Problem) -> str:
    """What the filter looks at in a problem."""
    return f"{problem.path} {problem.kind} {problem.message} {problem.model or ''}"
