"""What a set of items frees and how much that is regretted, kept up to date as items come and go."""

from collections.abc import Iterable

from prunella_core.advice.free.cells import Cells


class Reckoning:
    """A set of items in the making. To add or to drop one costs what it has cells."""

    def __init__(self, cells: Cells) -> None:
        self.cells = cells.cells
        self.own = cells.own
        self.atoms = cells.atoms
        self.of_atom: list[list[int]] = [[] for _atom in range(len(cells.atoms) + 1)]
        for number, cell in enumerate(cells.cells):
            for atom in cell.needs:
                self.of_atom[atom].append(number)
        self.waiting = [len(cell.needs) for cell in cells.cells]
        """For each cell, how many of the atoms that it needs are not there yet."""
        self.times = [0] * (len(cells.atoms) + 1)
        self.chosen: set[int] = set()
        self.frees = 0
        self.regret = 0

    def add(self, item: int) -> None:
        """Let an item go that was staying."""
        self.chosen.add(item)
        self.regret += self.own[item]
        for atom in self.atoms[item]:
            self.times[atom] += 1
            if self.times[atom] == 1:
                for number in self.of_atom[atom]:
                    self.waiting[number] -= 1
                    if not self.waiting[number]:
                        self.frees += self.cells[number].frees
                        self.regret += self.cells[number].regret

    def drop(self, item: int) -> None:
        """Let an item stay that was going."""
        self.chosen.remove(item)
        self.regret -= self.own[item]
        for atom in self.atoms[item]:
            self.times[atom] -= 1
            if self.times[atom] == 0:
                for number in self.of_atom[atom]:
                    if not self.waiting[number]:
                        self.frees -= self.cells[number].frees
                        self.regret -= self.cells[number].regret
                    self.waiting[number] += 1

    def set_to(self, items: Iterable[int]) -> None:
        """Let exactly ``items`` go."""
        wanted = set(items)
        for item in self.chosen - wanted:
            self.drop(item)
        for item in wanted - self.chosen:
            self.add(item)

    def gain(self, items: Iterable[int]) -> tuple[int, int]:
        """Return what ``items`` would free and how much they would be regretted beside what goes already."""
        before = self.frees, self.regret
        new = [item for item in items if item not in self.chosen]
        for item in new:
            self.add(item)
        gained = self.frees - before[0], self.regret - before[1]
        for item in new:
            self.drop(item)
        return gained
