"""Proposes what to delete to free a given amount, least-missed first. Nothing is deleted here.

The proposal is a ``Removal`` like any other: it is planned, reviewed and executed as such.
"""

from collections.abc import Collection, Iterable

from prunella_core.advice.free.candidates import Candidate, Guard, ItemKind, LeftOut, candidates
from prunella_core.advice.free.greedy import choose
from prunella_core.advice.free.proposal import Item, Proposal, rows
from prunella_core.inventory.records import Inventory
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Removal
from prunella_core.space.cells import Holder
from prunella_core.space.space import space_of

__all__ = ["Candidate", "Guard", "Item", "ItemKind", "LeftOut", "Proposal", "propose"]


def propose(
    inventory: Inventory,
    target: int,
    now: float,
    *,
    loaded: Collection[str] | None = (),
    allowed: Collection[Guard] = (),
) -> Proposal:
    """Propose what to delete at ``now`` (seconds, UTC) so that ``target`` bytes leave the disk, least-missed first.

    Without any one item the target would be missed. Where all that may go is not enough, the proposal is the most there
    is. Pinned models, ``loaded`` ones, and those that nothing brings back whole are left out unless ``allowed``.
    """
    found = candidates(inventory, now, loaded, allowed)
    items = {_holder(item): item for item in found.items}
    space = space_of(inventory, "delete")
    reachable = space.frees(items.keys())
    selection = choose(space, items, max(min(target, reachable), 0), now)
    chosen = rows(inventory, selection, items, now)
    return Proposal(
        target=max(target, 0),
        items=chosen,
        reachable=reachable,
        plan=make_plan(inventory, _removal(chosen, loaded), now),
        left_out=found.left_out,
        held_back=found.held_back,
        blocked=inventory.blocking,
    )


def _holder(item: Candidate) -> Holder:
    return Holder(item.kind if item.kind in ("model", "trash") else "blob", item.key)


def _removal(items: Iterable[Item], loaded: Collection[str] | None) -> Removal:
    return Removal(
        models=tuple(item.key for item in items if item.kind == "model"),
        blobs=tuple(item.key for item in items if item.kind not in ("model", "trash")),
        entries=tuple(item.key for item in items if item.kind == "trash"),
        loaded=None if loaded is None else frozenset(loaded),
        to_trash=False,
    )
