"""What ``log`` shows."""

from collections import Counter

from rich.console import Group, RenderableType

from prunella_core.ledger.history import Event, Fate, History
from prunella_core.ledger.log import LogLine
from prunella_tui.cli.views.grid import Column, Grid
from prunella_tui.cli.views.words import QUIET, STRONG, line
from prunella_tui.presentation import counted, date, names, size

_FATES: dict[Fate, str] = {"trashed": "in the trash", "restored": "restored", "back": "back", "gone": "gone"}
_ACTIONS = {"prune": "pruned", "empty": "emptied", "expire": "expired", "restore": "restored"}


def log_view(told: History) -> RenderableType:
    """Return every removal and restore, the newest first, and what can be brought back."""
    if not told.events:
        return line("Nothing was removed here, as far as the log goes.")
    grid = Grid(
        Column("WHEN"),
        Column("WHAT", least=8),
        Column("SIZE", right=True),
        Column("NOW", least=12),
        Column("MODELS", least=20, folds=True),
        Column("ID", rank=1),
    )
    for event in reversed(told.events):
        told_size = "–" if event.line.size is None else size(event.line.size)
        grid.add(
            date(event.line.at), _action(event.line), told_size, _now(event), _what(event.line), (event.line.id, QUIET)
        )
    return Group(grid, *_way_back(told))


def _action(told: LogLine) -> str:
    return _ACTIONS.get(told.action, "to the trash" if told.mode == "trash" else "removed")


def _what(told: LogLine) -> str:
    return names([model.name for model in told.models]) or counted(told.files, "file")


def _now(event: Event) -> str:
    """What became of it; of several models, how many of each."""
    counts = Counter(event.fates or (event.fate,))
    if len(counts) == 1:
        return _FATES[next(iter(counts))]
    return ", ".join(f"{count} {_FATES[fate]}" for fate, count in counts.items())


def _way_back(told: History) -> list[RenderableType]:
    if not told.pullable:
        return []
    gone = counted(len(told.pullable), "pull")
    return [line(), line((gone, STRONG), " would bring back what is gone: prunella log --pull-list")]
