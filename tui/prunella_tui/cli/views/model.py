"""What ``show`` shows."""

from itertools import groupby

from rich.console import Group, RenderableType

from prunella_core.inventory.records import Blob, Inventory, Model, State
from prunella_core.ollama.manifest import Layer
from prunella_tui.cli.views.grid import Column, Grid
from prunella_tui.cli.views.words import BAD, GOOD, QUIET, STRONG, WARNING, line
from prunella_tui.origin_words import comes_back
from prunella_tui.presentation import counted, date, details, duration, names, short_digest, size

_FEW = 12
"""Layers of one kind that are worth a line each; of more, one line tells the sum."""


def model_view(inventory: Inventory, model: Model, now: float) -> RenderableType:
    """Return a model: what it takes and would free, and its layers."""
    problems = [line((f"! {problem.message}", BAD)) for problem in inventory.problems_of(model)]
    return Group(
        line((model.name, STRONG)), _facts(inventory, model, now), *problems, line(), _layers(inventory, model)
    )


def _facts(inventory: Inventory, model: Model, now: float) -> Grid:
    usage = inventory.usage[model.name]
    grid = Grid(Column(""), Column("", least=20, folds=True), indent=2, has_head=False)
    grid.add(("id", QUIET), model.digest[:12])
    grid.add(("details", QUIET), details(model) or "not known")
    if model.details.remote_host:
        grid.add(("cloud", QUIET), f"{model.details.remote_model or 'a model'} at {model.details.remote_host}")
    grid.add(("modified", QUIET), f"{date(model.modified_at)}, {duration(now - model.modified_at)} ago")
    grid.add(("listed", QUIET), size(model.size))
    grid.add(("on disk", QUIET), size(usage.allocated))
    grid.add(("frees", QUIET), (f"{size(usage.reclaims)} when it goes alone", GOOD))
    _add_origin(grid, inventory, model)
    if sharing := inventory.shared_with(model):
        grid.add(("shares", QUIET), f"{size(usage.shared)} with {names(sharing, 8)}")
    return grid


def _add_origin(grid: Grid, inventory: Inventory, model: Model) -> None:
    """Whether it comes back, and what that is read from."""
    origin = inventory.origins[model.name]
    is_lost = origin.kind == "created" or origin.only_here
    grid.add(("comes back", QUIET), (comes_back(model, origin), WARNING if is_lost else ""))
    for sentence in origin.evidence:
        grid.add("", (f"· {sentence}", QUIET))


def _layers(inventory: Inventory, model: Model) -> Grid:
    grid = Grid(
        Column("LAYER"),
        Column("BLOB", rank=1),
        Column("SIZE", right=True),
        Column("ON DISK", right=True),
        Column("USED BY TOO", least=16),
    )
    rows = [(layer, inventory.blob_by_key.get(layer.digest)) for layer in model.layers]
    for _key, alike in groupby(rows, key=lambda row: (row[0].kind, row[1] and (row[1].state, row[1].models))):
        _add(grid, model, list(alike))
    return grid


def _add(grid: Grid, model: Model, rows: list[tuple[Layer, Blob | None]]) -> None:
    if len(rows) <= _FEW:
        for layer, blob in rows:
            _add_row(grid, model, f"{layer.kind} {layer.name}".strip(), short_digest(layer.digest), [(layer, blob)])
        return
    _add_row(grid, model, counted(len(rows), f"{rows[0][0].kind} layer"), "", rows)


def _add_row(grid: Grid, model: Model, kind: str, digest: str, rows: list[tuple[Layer, Blob | None]]) -> None:
    blob = rows[0][1]
    is_missing = blob is not None and blob.state is State.MISSING
    grid.add(
        (f"{kind} (missing)", BAD) if is_missing else kind,
        (digest, QUIET),
        size(sum(layer.size for layer, _blob in rows)),
        size(sum(blob.allocated for _layer, blob in rows if blob)),
        names([name for name in blob.models if name != model.name]) if blob else "",
    )
