"""What ``ls`` shows."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType

from prunella_core.inventory.records import Inventory, Model
from prunella_core.space.totals import Totals, totals
from prunella_tui.cli.views.grid import Column, Grid
from prunella_tui.cli.views.words import BAD, GOOD, QUIET, STRONG, WARNING, line
from prunella_tui.presentation import age, counted, details, names, number, size


def models_view(inventory: Inventory, shown: Sequence[Model]) -> RenderableType:
    """Return the table of the models ``shown``, the totals of the whole store, and what needs attention."""
    parts: list[RenderableType] = [*_table(inventory, shown), _totals(inventory, shown), *_attention(inventory)]
    return Group(*parts)


def _table(inventory: Inventory, shown: Sequence[Model]) -> Iterator[RenderableType]:
    if not shown:
        return
    grid = Grid(
        Column(""),
        Column("NAME", least=24, folds=True),
        Column("ID", rank=4),
        Column("SIZE", right=True, rank=1),
        Column("ON DISK", right=True),
        Column("FREES", right=True),
        Column("SHARED", right=True, rank=2),
        Column("AGE", right=True, rank=3),
        Column("SHARED WITH", least=32, rank=5),
        Column("DETAILS", least=24, rank=6),
    )
    for model in shown:
        _add(grid, inventory, model)
    yield grid
    yield line()


def _add(grid: Grid, inventory: Inventory, model: Model) -> None:
    usage = inventory.usage[model.name]
    grid.add(
        ("!", BAD) if inventory.problems_of(model) else "",
        (model.name, STRONG),
        (model.digest[:12], QUIET),
        size(model.size),
        size(usage.allocated),
        (size(usage.reclaims), GOOD),
        size(usage.shared) if usage.shared else "",
        age(inventory.scanned_at - model.modified_at),
        names(_sharers(inventory, model), 2),
        (_about(model), QUIET),
    )


def _sharers(inventory: Inventory, model: Model) -> list[str]:
    """Return who shares something with a model, those first who share the most of it."""
    shared = (blob for blob in inventory.blobs_of(model) if len(blob.models) > 1)
    largest = max(shared, key=lambda blob: blob.allocated, default=None)
    first = dict.fromkeys(largest.models if largest else ())
    first.update(dict.fromkeys(inventory.shared_with(model)))
    return [name for name in first if name != model.name]


def _about(model: Model) -> str:
    return f"{details(model)} · in the cloud" if model.details.remote_host else details(model)


def _totals(inventory: Inventory, shown: Sequence[Model]) -> RenderableType:
    sums = totals(inventory)
    is_all = len(shown) == len(inventory.models)
    count = counted(sums.models, "model") if is_all else f"{number(len(shown))} of {counted(sums.models, 'model')}"
    sizes = f"{size(sums.listed)} listed · {size(sums.allocated)} on the disk · {size(sums.disk_free)} free"
    return line((count, STRONG), f" · {'' if is_all else 'in all '}{sizes}")


def _attention(inventory: Inventory) -> Iterator[RenderableType]:
    if waste := _waste(totals(inventory)):
        yield line((waste, WARNING), " that no model needs: prunella prune --dry-run")
    if inventory.problems:
        yield line((f"! {counted(len(inventory.problems), 'problem')}", BAD), ": prunella doctor")


def _waste(sums: Totals) -> str:
    shares = (("unreferenced", sums.unreferenced), ("partial", sums.partial), ("left over", sums.leftover))
    return ", ".join(f"{size(count)} {word}" for word, count in shares if count)
