"""Restores a version of a model when another version has its name: the two change places."""

from msgspec.structs import replace

from prunella_core.apply import World
from prunella_core.base.errors import PrunellaError, Refused
from prunella_core.base.text import clean
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.memory import rescan
from prunella_core.operations.carry_out import carry_out
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Plan, Receipt, Removal, Restore


def plan_to_make_room(inventory: Inventory, request: Restore, now: float) -> Plan | None:
    """Plan to move what has the names of ``request`` to the trash; ``None`` where nothing is in the way."""
    wanted = make_plan(inventory, request, now)
    names = tuple(problem.model for problem in wanted.blocked if problem.model in inventory.model_by_name)
    return make_plan(inventory, Removal(models=names), now) if names else None


def swap(request: Restore, room: Plan, world: World) -> Receipt:
    """Carry out ``room``, then restore ``request``; return the receipt of the second.

    Raises Refused, with what was there back in its place, where that cannot be restored.
    """
    moved = carry_out(room, world)
    if not moved.done:
        return moved
    try:
        receipt = _restore(room, request, world)
    except PrunellaError as error:
        _restore(room, Restore(entry=moved.id), world)
        raise Refused(f"{error}; the present version is back") from error
    return replace(receipt, notes=(*receipt.notes, f"The version that was there is in the trash: {moved.id}"))


def _restore(room: Plan, request: Restore, world: World) -> Receipt:
    plan = make_plan(rescan(room.store, world.now()), request, world.now())
    if plan.blocked or plan.missing:
        why = plan.blocked[0].message if plan.blocked else f"{len(plan.missing)} blobs are nowhere any more"
        raise Refused(f"nothing was restored: {clean(why)}")
    return carry_out(plan, world)
