"""The best choice for small stores, and for any store how little regret there must be at least.

The bound: every item's own regret is shared out among the cells that wait for it, in proportion to their bytes. A set
that reaches the target has at least the regret of the cells it frees, with their shares; so filling the target with
the cheapest cells, the last of them in part, is what no choice falls below.
"""

from typing import NamedTuple

from prunella_core.free.cells import Cells

_MOST_ITEMS = 64
_MOST_STEPS = 20_000


class Outcome(NamedTuple):
    """The best choice that is known; it is surely the best when its regret is ``at_least``."""

    items: frozenset[int]
    regret: int
    at_least: int
    """No choice that reaches the target has less."""


class _Open(NamedTuple):
    """A cell as a search sees it: its needs as bits, and what each of them adds to its regret."""

    needs: int
    frees: int
    regret: int
    shares: tuple[tuple[int, int], ...]


def improve(cells: Cells, target: int, known: frozenset[int], regret: int) -> Outcome:
    """Look for a choice with less regret than the ``known`` one that reaches the target too.

    Up to about twenty items the search always ends, and larger stores often; otherwise the known choice stands.
    """
    search = _Search(cells, target, known, regret)
    at_least = min(search.bound(0, 0)[0], regret)
    if at_least < regret and len(cells.own) <= _MOST_ITEMS:
        search.look(0, 0, 0)
        if search.steps < _MOST_STEPS:
            at_least = search.regret
    return Outcome(search.best, search.regret, at_least)


class _Search:
    """Branch and bound: every item in turn goes or stays, as long as the bound leaves hope for something better."""

    def __init__(self, cells: Cells, target: int, known: frozenset[int], regret: int) -> None:
        self.target = target
        self.best = known
        self.regret = regret
        self.own = cells.own
        self.atoms = [sum(1 << atom for atom in atoms) for atoms in cells.atoms]
        self.order = sorted(range(len(cells.own)), key=lambda item: item not in known)
        self.cells = _opened(cells)
        self.steps = 0

    def look(self, depth: int, goes: int, stays: int) -> None:
        """Go through all choices in which the first ``depth`` items are decided; both sets are bits of atoms."""
        self.steps += 1
        bound, missing = self.bound(goes, stays)
        if bound >= self.regret or self.steps >= _MOST_STEPS:
            return
        if missing <= 0:
            self.regret = bound
            self.best = frozenset(item for item in range(len(self.own)) if goes >> item & 1)
            return
        item = self.order[depth]
        self.look(depth + 1, goes | self.atoms[item], stays)
        self.look(depth + 1, goes, stays | 1 << item)

    def bound(self, goes: int, stays: int) -> tuple[int, int]:
        """Return the least regret of what may follow, and how many bytes are missing as yet."""
        regret = sum(own for item, own in enumerate(self.own) if own and goes >> item & 1)
        missing = self.target
        rest: list[tuple[float, int, int]] = []
        for cell in self.cells:
            if cell.needs & stays:
                continue
            waits = cell.needs & ~goes
            if not waits:
                regret += cell.regret
                missing -= cell.frees
            elif cell.frees:
                dear = cell.regret + sum(share for bit, share in cell.shares if bit & waits)
                rest.append((dear / cell.frees, cell.frees, dear))
        if missing <= 0:
            return regret, missing
        return regret + _filled(rest, missing, self.regret + 1), missing


def _filled(rest: list[tuple[float, int, int]], missing: int, hopeless: int) -> int:
    """The regret of the cheapest cells that make up for ``missing`` bytes; ``hopeless`` when all are not enough."""
    rest.sort()
    total = 0
    for _price, frees, dear in rest:
        if frees >= missing:
            return total + dear * missing // frees
        total += dear
        missing -= frees
    return hopeless


def _opened(cells: Cells) -> list[_Open]:
    waiting = [0] * (len(cells.own) + 1)
    for cell in cells.cells:
        for atom in cell.needs:
            waiting[atom] += cell.frees
    own = (*cells.own, 0)
    return [
        _Open(
            needs=sum(1 << atom for atom in cell.needs),
            frees=cell.frees,
            regret=cell.regret,
            shares=tuple((1 << atom, own[atom] * cell.frees // waiting[atom]) for atom in cell.needs if own[atom]),
        )
        for cell in cells.cells
    ]
