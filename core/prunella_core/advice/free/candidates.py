"""What may be deleted to free space, what is left out of it and why, and how much each would be missed.

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

from collections.abc import Collection, Iterator
from typing import Literal

from msgspec import Struct

from prunella_core.inventory.origin import Origin
from prunella_core.inventory.records import Inventory, Model, State
from prunella_core.plan.policy import Policy
from prunella_core.plan.records import HeldBack
from prunella_core.space.cells import Holder

ItemKind = Literal["leftover", "partial", "unreferenced", "trash", "model"]
Guard = Literal["pinned", "loaded", "local"]
"""``local``: something of the model is nowhere else, so that nothing brings it back whole."""

_KINDS: dict[State, ItemKind] = {
    State.LEFTOVER: "leftover",
    State.PARTIAL: "partial",
    State.UNREFERENCED: "unreferenced",
}
_HALVES_AFTER = 30 * 86_400
_WEIGHTS = {"leftover": 0.0, "partial": 1e-6, "unreferenced": 2e-6, "trash": 3e-6, "model": 1.0}
"""Regret for a byte. Rubbish up to 30 TB is missed less than the smallest model."""
_BOTHER = 10**8
_MADE_AGAIN = 10**12
_NEVER_AGAIN = 10**15


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


class LeftOut(Struct, frozen=True, kw_only=True):
    """A model that is not proposed unless that is asked for."""

    name: str
    guards: tuple[Guard, ...]
    """What was not allowed."""


class Candidates(Struct, frozen=True, kw_only=True):
    """All that may go, and what may not."""

    items: list[Candidate]
    left_out: list[LeftOut]
    held_back: list[HeldBack]
    """Rows that may belong to a running pull."""


def candidates(
    inventory: Inventory, now: float, loaded: Collection[str] | None = (), allowed: Collection[Guard] = ()
) -> Candidates:
    """Sort what is in the store by whether it may go at ``now`` (seconds, UTC).

    While a problem could hide a reference, only partial downloads, leftovers and the trash may: nothing else frees
    space then.
    """
    found = Candidates(items=[], left_out=[], held_back=[])
    policy = Policy(inventory, now, loaded)
    for blob in inventory.others:
        kind = _KINDS.get(blob.state)
        if kind and (reason := policy.row(blob)):
            found.held_back.append(HeldBack(path=blob.key, allocated=blob.allocated, reason=reason.text))
        elif kind and not (kind == "unreferenced" and inventory.blocking):
            found.items.append(Candidate(kind=kind, key=blob.key, idle_since=blob.idle_since or 0))
    for entry in () if policy.trash() else inventory.trash:
        found.items.append(Candidate(kind="trash", key=entry.id, idle_since=entry.removed_at))
    for model in () if inventory.blocking else inventory.models:
        origin = inventory.origins[model.name]
        guards = tuple(_guards(model, loaded, origin))
        if missing := tuple(guard for guard in guards if guard not in allowed):
            found.left_out.append(LeftOut(name=model.name, guards=missing))
        else:
            since = model.idle_since
            found.items.append(Candidate(kind="model", key=model.name, idle_since=since, guards=guards, origin=origin))
    return found


def _guards(model: Model, loaded: Collection[str] | None, origin: Origin) -> Iterator[Guard]:
    if model.is_pinned:
        yield "pinned"
    if loaded is None or model.name in loaded:
        yield "loaded"
    if origin.kind == "created" or origin.only_here:
        yield "local"


def regret(items: Collection[Candidate], frees: int, now: float) -> int:
    """Return the regret, in bytes, for ``items`` that together free ``frees`` bytes at ``now`` (seconds, UTC)."""
    weight = max((_WEIGHTS[item.kind] * _recency(now - item.idle_since) for item in items), default=0.0)
    return int(frees * weight) + sum(map(_of_item, items))


def _recency(idle: float) -> float:
    return _HALVES_AFTER / (_HALVES_AFTER + max(idle, 0.0))


def _of_item(item: Candidate) -> int:
    if item.origin is None:
        return 0
    lost = {"derived": _MADE_AGAIN, "cloud": _MADE_AGAIN}.get(item.origin.kind, _NEVER_AGAIN)
    return _BOTHER + sum(lost if guard == "local" else _NEVER_AGAIN for guard in item.guards)
