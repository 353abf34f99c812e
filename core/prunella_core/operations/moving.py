"""Deletes here what a verified copy brought to another store."""

from msgspec.structs import replace

from prunella_core.apply import World
from prunella_core.base.errors import Refused
from prunella_core.copy import CopyPlan, CopyReceipt
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.memory import rescan
from prunella_core.operations.carry_out import carry_out
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Plan, Receipt, Removal


def plan_moved(inventory: Inventory, copy: CopyPlan, request: Removal, now: float) -> Plan:
    """Plan to delete here, as ``request`` says, the models that ``copy`` brings to another store: they are not lost."""
    models = tuple(model.name for model in copy.models)
    return replace(make_plan(inventory, replace(request, models=models, moved_to=copy.target.root), now), lost=())


def delete_moved(copied: CopyReceipt, plan: Plan, world: World) -> Receipt:
    """Carry out ``plan``, without the models that did not arrive. Raises Refused while nothing is deleted."""
    if copied.cancelled or not copied.is_verified or not set(copied.models) <= set(plan.models):
        raise Refused("what is in the other store was not verified; nothing was deleted")
    if set(copied.models) != set(plan.models) and isinstance(plan.request, Removal):
        request = replace(plan.request, models=copied.models)
        plan = replace(make_plan(rescan(plan.store, world.now()), request, world.now()), lost=())
    return carry_out(plan, world)
