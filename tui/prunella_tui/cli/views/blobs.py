"""What ``blobs`` shows."""

from collections import Counter

from rich.console import Group, RenderableType

from prunella_core.inventory import Blob, Inventory, State
from prunella_tui.cli.views.grid import Column, Grid
from prunella_tui.cli.views.words import QUIET, STATE_STYLES, line, state_cell
from prunella_tui.presentation import age, blob_title, counted, names, size


def blobs_view(inventory: Inventory, now: float) -> RenderableType:
    """Return the table of rows in ``blobs/``, and their sums by state."""
    if not inventory.blobs:
        return line("no such files")
    grid = Grid(
        Column("STATE"),
        Column("BLOB", least=22, folds=True),
        Column("KIND", rank=3),
        Column("SIZE", right=True, rank=2),
        Column("ON DISK", right=True),
        Column("AGE", right=True, rank=1),
        Column("USED BY", least=12, rank=1),
    )
    for blob in inventory.blobs:
        _add(grid, blob, now)
    return Group(grid, line(), _sums(inventory))


def _add(grid: Grid, blob: Blob, now: float) -> None:
    grid.add(
        state_cell(blob.state),
        blob_title(blob),
        (blob.kind or "", QUIET),
        size(blob.size),
        size(blob.allocated),
        age(None if blob.idle_since is None else now - blob.idle_since),
        names(blob.models, 2),
    )


def _sums(inventory: Inventory) -> RenderableType:
    taken: Counter[State] = Counter()
    rows: Counter[State] = Counter()
    for blob in inventory.blobs:
        taken[blob.state] += blob.allocated
        rows[blob.state] += 1
    parts: list[str | tuple[str, str]] = [f"{counted(len(inventory.blobs), 'row')} on the disk: "]
    for state in filter(rows.get, State):
        parts += [", " if len(parts) > 1 else "", (f"{rows[state]:,} {state.value}", STATE_STYLES[state])]
        parts.append(f" {size(taken[state])}" if taken[state] else "")
    return line(*parts)
