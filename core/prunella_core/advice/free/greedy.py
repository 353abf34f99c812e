"""A good choice for any store: what is missed least for each byte first, and what turns out needless is kept."""

import heapq
from collections.abc import Iterator, Mapping

from prunella_core.advice.free.candidates import Candidate, regret
from prunella_core.space.cells import Holder, Selection
from prunella_core.space.space import Space

Items = Mapping[Holder, Candidate]
Bundle = frozenset[Holder]
"""What is decided in one: an item, or all that must go for a file to be freed."""

_MOST = 16
"""Items of a bundle: what more models share is left to chance, or it would be looked at for each of thousands."""
_NEVER = float("inf")


def choose(space: Space, items: Items, target: int, now: float) -> Selection:
    """Select of ``items`` what frees ``target`` bytes, or all that can be freed; nothing in it is needless."""
    selection = space.selection()
    bundles = [*(frozenset([holder]) for holder in items), *_shared(space, items)]
    near: dict[Holder, list[Bundle]] = {}
    for bundle in bundles:
        for holder in bundle if len(bundle) > 1 else ():
            near.setdefault(holder, []).append(bundle)

    def price(bundle: Bundle) -> float:
        new = bundle - selection.gone
        gain = selection.gain(new)
        useful = min(gain, target - selection.frees)
        return regret([items[holder] for holder in new], gain, now) / useful if useful > 0 else _NEVER

    heap = [(price(bundle), number, bundle) for number, bundle in enumerate(bundles)]
    heapq.heapify(heap)
    while heap and selection.frees < target:
        _was, number, bundle = heapq.heappop(heap)
        now_is = price(bundle)
        if now_is < _NEVER and heap and now_is > heap[0][0]:
            heapq.heappush(heap, (now_is, number, bundle))
        elif now_is < _NEVER:
            new = bundle - selection.gone
            selection.add(*new)
            for again in {other for holder in new for other in near.get(holder, ())}:  # a part of these goes already
                heapq.heappush(heap, (price(again), number, again))
    if selection.frees < target:
        selection.add(*items)
    _keep_needless(selection, items, target, now)
    return selection


def _shared(space: Space, items: Items) -> Iterator[Bundle]:
    """The holders of each cell, and of each file with links in several cells."""
    linked: dict[tuple[int, int], Bundle] = {}
    for cell in space.cells:
        for file in cell.linked:
            identity = file.device, file.inode
            linked[identity] = linked.get(identity, cell.holders) | cell.holders
    found = dict.fromkeys((*(cell.holders for cell in space.cells), *linked.values()))
    return (bundle for bundle in found if 1 < len(bundle) <= _MOST and bundle <= items.keys())


def _keep_needless(selection: Selection, items: Items, target: int, now: float) -> None:
    """Keep whatever the target is reached without, what would be missed most first."""
    goal = min(target, selection.frees)

    def loss(holder: Holder) -> int:
        selection.remove(holder)
        lost = regret([items[holder]], selection.gain([holder]), now)
        selection.add(holder)
        return lost

    for holder in sorted(selection.gone, key=lambda holder: (-loss(holder), holder)):
        selection.remove(holder)
        if selection.frees < goal:
            selection.add(holder)


def partners(selection: Selection, holder: Holder) -> list[Holder]:
    """The others without which most of what this one frees would stay."""
    leaving = sorted(filter(selection.leaves, selection.of.get(holder, [])), key=lambda cell: -cell.allocated)
    return sorted(leaving[0].holders - {holder}) if leaving else []
