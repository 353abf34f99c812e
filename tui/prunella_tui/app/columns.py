"""The columns of the three tables: what each shows of a row, and how it sorts."""

from collections.abc import Collection

from prunella_core.inventory import Blob, Inventory, Model, Problem, State, TrashEntry
from prunella_core.planning import trash_reclaims
from prunella_core.text import clean
from prunella_tui import presentation as show
from prunella_tui.app.table import Column

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
        Column("size", "Size", 9, lambda m: show.size(m.size), lambda m: m.size, right=True, largest_first=True),
        Column(
            "disk",
            "On disk",
            9,
            lambda m: show.size(usage[m.name].allocated),
            lambda m: usage[m.name].allocated,
            right=True,
            largest_first=True,
            rank=3,
        ),
        Column(
            "frees",
            "Frees",
            9,
            lambda m: show.size(usage[m.name].reclaims),
            lambda m: usage[m.name].reclaims,
            right=True,
            largest_first=True,
        ),
        Column(
            "shared",
            "Shared",
            9,
            lambda m: show.size(usage[m.name].shared) if usage[m.name].shared else "–",
            lambda m: usage[m.name].shared,
            right=True,
            largest_first=True,
            rank=2,
        ),
        Column(
            "age",
            "Idle",
            8,
            lambda m: show.age(now - m.idle_since),
            lambda m: m.idle_since,
            right=True,
            largest_first=True,
            rank=1,
            tone=lambda _m: "muted",
        ),
        Column("details", "Kind", 22, show.details, show.details, rank=4, tone=lambda _m: "muted"),
    ]


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
        Column(
            "disk",
            "On disk",
            9,
            lambda b: show.size(b.allocated),
            lambda b: b.allocated,
            right=True,
            largest_first=True,
        ),
        Column(
            "size", "Size", 9, lambda b: show.size(b.size), lambda b: b.size, right=True, largest_first=True, rank=2
        ),
        Column(
            "age",
            "Age",
            8,
            lambda b: show.age(None if b.idle_since is None else now - b.idle_since),
            lambda b: b.idle_since or 0,
            right=True,
            largest_first=True,
            rank=3,
            tone=lambda _b: "muted",
        ),
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
        Column("what", "Removed", 0, show.removed_title, show.removed_title),
        Column(
            "frees",
            "Holds",
            9,
            lambda e: show.size(frees[e.id]),
            lambda e: frees[e.id],
            right=True,
            largest_first=True,
        ),
        Column(
            "removed",
            "When",
            8,
            lambda e: show.age(now - e.removed_at),
            lambda e: e.removed_at,
            right=True,
            largest_first=True,
            rank=1,
        ),
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
            lambda p: "■ blocks" if p.blocks_prune else "□ only a note",
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
