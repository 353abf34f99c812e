"""The best choice for small stores, and for any store how little regret there must be at least.

The bound: every item's own regret is shared out among the cells that wait for it, in proportion to their bytes. A set
that reaches the target has at least the regret of the cells it frees, with their shares; so filling the target with
the cheapest cells, the last of them in part, is what no choice falls below.
"""

from typing import NamedTuple

from prunella_core.advice.free.cells import Cells

_MOST_ITEMS = 128
_MOST_WORK = 1_000_000
"""Cells that are looked at before a search is given up: well under a second."""


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
        if search.work < _MOST_WORK:
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
        self.order = _order(cells)
        self.cells = _opened(cells)
        self.work = 0

    def look(self, depth: int, goes: int, stays: int) -> None:
        """Go through all choices in which the first ``depth`` items are decided; both sets are bits of atoms."""
        self.work += len(self.cells)
        bound, missing = self.bound(goes, stays)
        is_decided = depth == len(self.order) and missing > 0
        if bound >= self.regret or is_decided or self.work >= _MOST_WORK:
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


def _order(cells: Cells) -> list[int]:
    """In which order items are decided: models first, those with the least regret for a byte before the others."""
    frees = [0] * (len(cells.own) + 1)
    regret = [*cells.own, 0]
    for cell in cells.cells:
        for atom in cell.needs:
            frees[atom] += cell.frees
            regret[atom] += cell.regret
    return sorted(
        range(len(cells.own)), key=lambda item: (not cells.own[item], regret[item] / max(frees[item], 1), item)
    )


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
