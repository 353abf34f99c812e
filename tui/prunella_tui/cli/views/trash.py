"""What ``trash`` shows."""

from rich.console import Group, RenderableType

from prunella_core.inventory.records import Inventory
from prunella_core.plan.build import trash_reclaims
from prunella_tui.cli.views.grid import Column, Grid
from prunella_tui.cli.views.words import QUIET, STRONG, line
from prunella_tui.presentation import age, counted, left, removed_title, size


def trash_view(inventory: Inventory, retention: int, now: float) -> RenderableType:
    """Return every removal with the days it has left; ``retention`` is in seconds."""
    entries = [entry for entry in inventory.trash if not entry.is_spent]
    if not entries:
        return line("The trash is empty. What rm removes waits here and can come back.")
    grid = Grid(
        Column("ID"),
        Column("REMOVED", right=True),
        Column("LEFT", right=True),
        Column("HOLDS", right=True),
        Column("WHAT", least=20, folds=True),
    )
    for entry in reversed(entries):
        holds = size(trash_reclaims(inventory, entry, now))
        grid.add(
            entry.id, age(now - entry.removed_at), left(entry.removed_at + retention - now), holds, removed_title(entry)
        )
    total = size(sum(file.allocated for entry in inventory.trash for file in entry.files))
    return Group(
        grid,
        line((f"{counted(len(entries), 'removal')}, {total} on the disk.", STRONG)),
        line(("prunella restore NAME or ID brings back, prunella empty frees.", QUIET)),
    )
