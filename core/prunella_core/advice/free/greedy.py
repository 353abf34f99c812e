"""A good choice for any store: the least regret for each byte first, and what turns out not to be needed back again."""

import heapq
from collections.abc import Iterator

from prunella_core.advice.free.cells import Cell
from prunella_core.advice.free.reckoning import Reckoning

Bundle = tuple[int, ...]
_ENDINGS = 6
"""How many of the last steps are tried with another, cheaper end."""
_FEW = 8
"""Cells that wait for more items than these are not looked at again whenever one of them goes."""


def choose(reckoning: Reckoning, target: int) -> frozenset[int]:
    """Return items that free ``target`` bytes, none of them needless, and leave ``reckoning`` at them.

    The target must be within reach.
    """
    bundles = list(_bundles(reckoning))
    steps = _fill(reckoning, bundles, target)
    found = [drop_needless(reckoning, target)]
    for kept in range(len(steps) - 1, max(len(steps) - 1 - _ENDINGS, -1), -1):
        reckoning.set_to(item for step in steps[:kept] for item in step)
        if end := _cheapest_end(reckoning, bundles, target):
            reckoning.set_to(reckoning.chosen | set(end))
            found.append(drop_needless(reckoning, target))
    best = min(found, key=lambda choice: choice[0])[1]
    reckoning.set_to(best)
    return best


def _bundles(reckoning: Reckoning) -> Iterator[Bundle]:
    """What is decided in one: an item, or all that must go for a cell to be freed."""
    yield from ((item,) for item in range(len(reckoning.own)))
    for cell in reckoning.cells:
        needed = _items_of(reckoning, cell)
        if cell.frees and len(needed) > 1:
            yield tuple(sorted(needed))


def _items_of(reckoning: Reckoning, cell: Cell) -> frozenset[int]:
    """What a cell waits for without the tidying of the trash, which comes by itself."""
    return cell.needs - {len(reckoning.own)}


def _fill(reckoning: Reckoning, bundles: list[Bundle], target: int) -> list[Bundle]:
    """Take the bundle with the least regret for a byte, again and again; more than is wanted counts for nothing."""
    heap: list[tuple[float, int]] = []
    by_needs = {frozenset(bundle): number for number, bundle in enumerate(bundles)}

    def price(number: int) -> float:
        frees, regret = reckoning.gain(bundles[number])
        useful = min(frees, target - reckoning.frees)
        return regret / useful if useful > 0 else float("inf")

    for number in range(len(bundles)):
        heapq.heappush(heap, (price(number), number))
    steps: list[Bundle] = []
    while heap and reckoning.frees < target:
        was, number = heapq.heappop(heap)
        now = price(number)
        if now == float("inf"):
            continue
        if now > was and heap and now > heap[0][0]:
            heapq.heappush(heap, (now, number))
            continue
        new = tuple(item for item in bundles[number] if item not in reckoning.chosen)
        for item in new:
            reckoning.add(item)
        steps.append(new)
        for again in _nearer(reckoning, new, by_needs):
            heapq.heappush(heap, (price(again), again))
    return steps


def _nearer(reckoning: Reckoning, new: Bundle, by_needs: dict[frozenset[int], int]) -> set[int]:
    """The bundles that have become cheaper because part of them goes already."""
    near = set()
    for item in new:
        for atom in reckoning.atoms[item]:
            for cell in reckoning.of_atom[atom]:
                if 0 < reckoning.waiting[cell] <= _FEW:
                    near.add(by_needs.get(_items_of(reckoning, reckoning.cells[cell]), -1))
    return near - {-1}


def _cheapest_end(reckoning: Reckoning, bundles: list[Bundle], target: int) -> Bundle | None:
    """The bundle that reaches the target by itself, beside what goes already, with the least regret."""
    best: tuple[int, Bundle] | None = None
    for bundle in bundles:
        frees, regret = reckoning.gain(bundle)
        if reckoning.frees + frees >= target and (best is None or regret < best[0]):
            best = regret, bundle
    return best[1] if best else None


def drop_needless(reckoning: Reckoning, target: int) -> tuple[int, frozenset[int]]:
    """Take back whatever the target is reached without, the most regretted first; return the regret and the rest."""
    for item in sorted(reckoning.chosen, key=lambda item: _loss(reckoning, item)):
        reckoning.drop(item)
        if reckoning.frees < target:
            reckoning.add(item)
    return reckoning.regret, frozenset(reckoning.chosen)


def _loss(reckoning: Reckoning, item: int) -> tuple[int, int]:
    reckoning.drop(item)
    before = reckoning.regret
    reckoning.add(item)
    return before - reckoning.regret, item
