"""Chooses what to delete to free space: what is missed least for each byte first; what turns out needless is kept.

Regret is in bytes that would have to be downloaded again, weighted:

    model              100 MB for the bother, and what has to be downloaded again x recency
    unreferenced       2 millionths of its bytes x recency
    entry of the trash 3 millionths of its bytes x recency
    partial            1 millionth of the bytes it holds x recency
    leftover           nothing

Recency is 30 / (30 + days idle): half after a month, a thirteenth after a year. What models share is freed, and missed,
with the last of them, with the recency of the one that was used last. What had to be asked for goes last, whatever its
size: 1 TB more for a model that is derived here, 1 PB for one that was created here, is pinned or is loaded.
"""

import heapq
from collections.abc import Collection, Iterator, Mapping
from typing import Literal

from msgspec import Struct

from prunella_core.inventory.origin import Origin, origins
from prunella_core.inventory.records import Inventory, Model, State
from prunella_core.plan.policy import Policy
from prunella_core.plan.records import HeldBack
from prunella_core.space import Holder, Selection, Space

ItemKind = Literal["leftover", "partial", "unreferenced", "trash", "model"]
Guard = Literal["pinned", "loaded", "local"]
"""``local``: something of the model is nowhere else, so that nothing brings it back whole."""

_KINDS: dict[State, ItemKind] = {
    State.LEFTOVER: "leftover",
    State.PARTIAL: "partial",
    State.UNREFERENCED: "unreferenced",
}
_WEIGHTS = {"leftover": 0.0, "partial": 1e-6, "unreferenced": 2e-6, "trash": 3e-6, "model": 1.0}
"""Regret for a byte, the least first. Rubbish up to 30 TB is missed less than the smallest model."""
_HALVES_AFTER = 30 * 86_400
_BOTHER = 10**8
_MADE_AGAIN = 10**12
_NEVER_AGAIN = 10**15
_Bundle = frozenset[Holder]
"""What is decided in one: an item, or all that must go for a file to be freed."""

_MOST = 16
"""Items of a bundle: what more models share is left to chance, or it would be looked at for each of thousands."""
_NEVER = float("inf")


class Candidate(Struct, frozen=True, kw_only=True):
    """One decision: a row of ``blobs/`` by its key, a removal in the trash by its ID, or a model by its name."""

    kind: ItemKind
    key: str
    idle_since: float
    """When it was last needed or used (seconds, UTC)."""
    guards: tuple[Guard, ...] = ()
    """What had to be asked for before it was proposed."""
    origin: Origin | None = None
    """Of a model: what brings it back."""

    @property
    def holder(self) -> Holder:
        """What it keeps on the disk is held by this."""
        return Holder(self.kind if self.kind in ("model", "trash") else "blob", self.key)


Items = Mapping[Holder, Candidate]


def candidates(
    inventory: Inventory, now: float, loaded: Collection[str] | None = (), allowed: Collection[Guard] = ()
) -> tuple[list[Candidate], dict[str, tuple[Guard, ...]], list[HeldBack]]:
    """Sort what is in the store by whether it may go at ``now`` (seconds, UTC).

    What may, models with what keeps them out, and rows that may belong to a running pull.

    While a problem could hide a reference, only partial downloads, leftovers and the trash may: nothing else frees
    space then.
    """
    items: list[Candidate] = []
    left_out: dict[str, tuple[Guard, ...]] = {}
    held_back = []
    policy = Policy(inventory, now, loaded)
    for blob in inventory.others:
        kind = _KINDS.get(blob.state)
        if kind and (reason := policy.row(blob)):
            held_back.append(HeldBack(path=blob.key, allocated=blob.allocated, reason=reason.text))
        elif kind and not (kind == "unreferenced" and inventory.blocking):
            items.append(Candidate(kind=kind, key=blob.key, idle_since=blob.idle_since or 0))
    for entry in () if policy.trash() else inventory.trash:
        items.append(Candidate(kind="trash", key=entry.id, idle_since=entry.removed_at))
    for model in () if inventory.blocking else inventory.models:
        origin = origins(inventory)[model.name]
        guards = tuple(_guards(model, loaded, origin))
        if missing := tuple(guard for guard in guards if guard not in allowed):
            left_out[model.name] = missing
        else:
            since = model.idle_since
            items.append(Candidate(kind="model", key=model.name, idle_since=since, guards=guards, origin=origin))
    return items, left_out, held_back


def _guards(model: Model, loaded: Collection[str] | None, origin: Origin) -> Iterator[Guard]:
    if model.is_pinned:
        yield "pinned"
    if loaded is None or model.name in loaded:
        yield "loaded"
    if origin.kind == "created" or origin.only_here:
        yield "local"


def regret(items: Collection[Candidate], frees: int, now: float) -> int:
    """The regret for ``items`` that together free ``frees`` bytes."""
    recency = [_HALVES_AFTER / (_HALVES_AFTER + max(now - item.idle_since, 0.0)) for item in items]
    weights = [_WEIGHTS[item.kind] * recent for item, recent in zip(items, recency, strict=True)]
    return int(frees * max(weights, default=0.0)) + sum(map(_bother, items))


def _bother(item: Candidate) -> int:
    if item.origin is None:
        return 0
    lost = _MADE_AGAIN if item.origin.kind in ("derived", "cloud") else _NEVER_AGAIN
    return _BOTHER + sum(lost if guard == "local" else _NEVER_AGAIN for guard in item.guards)


def choose(space: Space, items: Items, target: int, now: float) -> Selection:
    """Select of ``items`` what frees ``target`` bytes, or all that can be freed; nothing in it is needless."""
    selection = space.selection()
    bundles = [*(frozenset([holder]) for holder in items), *_shared(space, items)]
    near: dict[Holder, list[_Bundle]] = {}
    for bundle in bundles:
        for holder in bundle if len(bundle) > 1 else ():
            near.setdefault(holder, []).append(bundle)

    def price(bundle: _Bundle) -> float:
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


def _shared(space: Space, items: Items) -> Iterator[_Bundle]:
    """The holders of each cell, and of each file with links in several cells."""
    linked: dict[tuple[int, int], _Bundle] = {}
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
