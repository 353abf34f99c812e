"""What ``blobs`` shows."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType

from prunella_core.inventory.records import Blob, Inventory, State
from prunella_core.ledger.likely import likely_model
from prunella_tui.cli.views.grid import Cell, Column, Grid
from prunella_tui.cli.views.words import QUIET, STATE_STYLES, line, state_cell
from prunella_tui.presentation import age, blob_title, counted, names, size, whose


def blobs_view(inventory: Inventory, rows: Sequence[Blob], identities: Mapping[str, str], now: float) -> RenderableType:
    """Return the table of ``rows``, and their sums by state; ``identities`` is what first bytes tell, by key."""
    if not rows:
        return line("no such files")
    grid = Grid(
        Column("STATE"),
        Column("BLOB", least=22, folds=True),
        Column("KIND", rank=3),
        Column("SIZE", right=True, rank=2),
        Column("ON DISK", right=True),
        Column("AGE", right=True, rank=1),
        Column("USED BY", least=12, rank=1),
        Column("CONTENT", least=24, rank=4),
    )
    for blob in rows:
        grid.add(*_cells(blob, now), _content(inventory, blob, identities))
    return Group(grid, line(), _sums(rows))


def _content(inventory: Inventory, blob: Blob, identities: Mapping[str, str]) -> str:
    """What a row likely is that no model needs: by its first bytes, and whose."""
    likely = likely_model(inventory, blob)
    told = (identities.get(blob.key), whose(blob, likely) if likely else None)
    return ", ".join(filter(None, told))


def _cells(blob: Blob, now: float) -> tuple[Cell, ...]:
    return (
        state_cell(blob.state),
        blob_title(blob),
        (blob.kind or "", QUIET),
        size(blob.size),
        size(blob.allocated),
        age(None if blob.idle_since is None else now - blob.idle_since),
        names(blob.models, 2),
    )


def _sums(rows: Sequence[Blob]) -> RenderableType:
    taken: Counter[State] = Counter()
    counts: Counter[State] = Counter()
    for blob in rows:
        taken[blob.state] += blob.allocated
        counts[blob.state] += 1
    parts: list[str | tuple[str, str]] = [f"{counted(len(rows), 'row')} on the disk: "]
    for state in filter(counts.get, State):
        parts += [", " if len(parts) > 1 else "", (f"{counts[state]:,} {state.value}", STATE_STYLES[state])]
        parts.append(f" {size(taken[state])}" if taken[state] else "")
    return line(*parts)
