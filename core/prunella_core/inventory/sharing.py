"""Which models share blobs with a model, those with the largest shared blobs first."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from prunella_core.inventory.parts import Blob

MOST_NAMED = 20


class Sharing(Struct, frozen=True, gc=False):
    """Other models: how many, and the names of the first ``MOST_NAMED``."""

    names: tuple[str, ...]
    count: int


class Sharers:
    """Finds them. Blobs with the same users count as one; what many models have in common is looked at once."""

    def __init__(self, blobs: Iterable[Blob]) -> None:
        """Of ``blobs``, those of the live store count that several models need."""
        self._users: dict[str, int] = {}
        self._cells: list[tuple[str, ...]] = []
        self._sizes: list[int] = []
        self._first: dict[frozenset[int], tuple[Sequence[str], int]] = {}
        self._sets: dict[int, frozenset[str]] = {}
        by_id: dict[int, int] = {}
        by_users: dict[tuple[str, ...], int] = {}
        for blob in blobs:
            number = by_id.get(id(blob.models))  # nearly always the very same tuple
            if number is None:
                number = by_id[id(blob.models)] = by_users.setdefault(blob.models, len(self._cells))
                if number == len(self._cells):
                    self._cells.append(blob.models)
                    self._sizes.append(0)
            self._users[blob.key] = number
            self._sizes[number] += blob.allocated

    def of(self, name: str, needs: Iterable[str]) -> Sharing:
        """Return who shares with the model ``name``, which ``needs`` these."""
        find = self._users.get
        cells = frozenset(number for key in needs if (number := find(key)) is not None)
        if not cells:
            return Sharing((), 0)
        if cells not in self._first:
            self._first[cells] = self._together(cells)
        first, count = self._first[cells]
        return Sharing(tuple(other for other in first if other != name)[:MOST_NAMED], count - 1)

    def _together(self, cells: frozenset[int]) -> tuple[Sequence[str], int]:
        """The first users of several cells, one more than are named, and how many there are."""
        first: dict[str, None] = {}
        for number in sorted(cells, key=lambda number: (-self._sizes[number], self._cells[number])):
            for name in self._cells[number]:
                if len(first) > MOST_NAMED:
                    break
                first[name] = None
        most = max(cells, key=lambda number: len(self._cells[number]))
        if most not in self._sets:
            self._sets[most] = frozenset(self._cells[most])
        others = {name for number in cells - {most} for name in self._cells[number]}
        return list(first), len(self._sets[most]) + len(others - self._sets[most])
