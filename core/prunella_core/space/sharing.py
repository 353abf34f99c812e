"""Which models share files with a model, those with the largest shared cells first."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from prunella_core.space.cells import Cell

MOST_NAMED = 20


class Sharing(Struct, frozen=True, gc=False):
    """Other models: how many, and the names of the first ``MOST_NAMED``."""

    names: tuple[str, ...]
    count: int


class Sharers:
    """Finds them; what many models have in common is looked at once."""

    def __init__(self) -> None:
        self._first: dict[frozenset[Cell], tuple[Sequence[str], int]] = {}
        self._sets: dict[Cell, frozenset[str]] = {}

    def of(self, name: str, cells: Iterable[Cell]) -> Sharing:
        """Return who shares with the model ``name``, which holds these cells."""
        shared = frozenset([cell for cell in cells if cell.is_shared])
        if not shared:
            return Sharing((), 0)
        if shared not in self._first:
            self._first[shared] = self._together(shared)
        first, count = self._first[shared]
        return Sharing(tuple([other for other in first if other != name][:MOST_NAMED]), count - 1)

    def _together(self, cells: frozenset[Cell]) -> tuple[Sequence[str], int]:
        """The first users of several cells, one more than are named, and how many there are."""
        first: dict[str, None] = {}
        for cell in sorted(cells, key=lambda cell: (-cell.allocated, cell.models)):
            for name in cell.models:
                if len(first) > MOST_NAMED:
                    break
                first[name] = None
        most = max(cells, key=lambda cell: len(cell.models))
        if most not in self._sets:
            self._sets[most] = frozenset(most.models)
        others = {name for cell in cells - {most} for name in cell.models}
        return list(first), len(self._sets[most]) + len(others - self._sets[most])
