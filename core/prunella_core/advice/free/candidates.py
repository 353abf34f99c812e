"""What may be deleted to free space, and what is left out of it and why."""

from collections.abc import Collection, Iterator
from typing import Literal

from msgspec import Struct

from prunella_core.inventory.origin import Origin
from prunella_core.inventory.records import Inventory, Model, State
from prunella_core.plan.policy import Policy
from prunella_core.plan.records import HeldBack

ItemKind = Literal["leftover", "partial", "unreferenced", "trash", "model"]
Guard = Literal["pinned", "loaded", "local"]
"""``local``: something of the model is nowhere else, so that nothing brings it back whole."""

_KINDS: dict[State, ItemKind] = {
    State.LEFTOVER: "leftover",
    State.PARTIAL: "partial",
    State.UNREFERENCED: "unreferenced",
}


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


class LeftOut(Struct, frozen=True, kw_only=True):
    """A model that is not proposed unless that is asked for."""

    name: str
    guards: tuple[Guard, ...]
    """What was not allowed."""


class Candidates(Struct, frozen=True, kw_only=True):
    """All that may go, and what may not."""

    items: tuple[Candidate, ...]
    left_out: tuple[LeftOut, ...]
    held_back: tuple[HeldBack, ...]
    """Rows that may belong to a running pull."""


def candidates(
    inventory: Inventory, now: float, loaded: Collection[str] | None = (), allowed: Collection[Guard] = ()
) -> Candidates:
    """Sort what is in the store by whether it may go at ``now`` (seconds, UTC).

    While a problem could hide a reference, only partial downloads, leftovers and the trash may: nothing else frees
    space then.
    """
    held: list[HeldBack] = []
    policy = Policy(inventory, now, loaded)
    items = [*_rows(policy, held), *_removals(policy)]
    left_out: list[LeftOut] = []
    for model in () if inventory.blocking else inventory.models:
        origin = inventory.origins[model.name]
        guards = tuple(_guards(model, loaded, origin))
        if missing := tuple(guard for guard in guards if guard not in allowed):
            left_out.append(LeftOut(name=model.name, guards=missing))
        else:
            items.append(_candidate(model, guards, origin))
    return Candidates(items=tuple(items), left_out=tuple(left_out), held_back=tuple(held))


def _rows(policy: Policy, held: list[HeldBack]) -> Iterator[Candidate]:
    is_blocked = bool(policy.inventory.blocking)
    for blob in policy.inventory.blobs:
        if (kind := _KINDS.get(blob.state)) is None:
            continue
        if reason := policy.row(blob):
            held.append(HeldBack(path=blob.key, allocated=blob.allocated, reason=reason.text))
        elif kind != "unreferenced" or not is_blocked:
            yield Candidate(kind=kind, key=blob.key, idle_since=blob.idle_since or 0)


def _removals(policy: Policy) -> Iterator[Candidate]:
    for entry in policy.inventory.trash:
        if not policy.trash():
            yield Candidate(kind="trash", key=entry.id, idle_since=entry.removed_at)


def _candidate(model: Model, guards: tuple[Guard, ...], origin: Origin) -> Candidate:
    return Candidate(kind="model", key=model.name, idle_since=model.idle_since, guards=guards, origin=origin)


def _guards(model: Model, loaded: Collection[str] | None, origin: Origin) -> Iterator[Guard]:
    if model.is_pinned:
        yield "pinned"
    if loaded is None or model.name in loaded:
        yield "loaded"
    if origin.kind == "created" or origin.only_here:
        yield "local"
