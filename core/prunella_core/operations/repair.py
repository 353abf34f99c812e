"""Repairs models: what is damaged leaves for the trash, the server pulls what is missing, and the result is checked."""

from collections.abc import Callable
from contextlib import suppress

from prunella_core.apply import World, apply, put_back
from prunella_core.base.errors import Cancelled, Locked, PrunellaError, StalePlan
from prunella_core.base.text import clean
from prunella_core.inventory.records import Inventory, Model
from prunella_core.ledger.memory import rescan
from prunella_core.ollama.server import Server
from prunella_core.operations.carry_out import followed_up
from prunella_core.operations.server import serving
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import (
    Plan,
    Receipt,
    Removal,
    Repair,
    Repaired,
    RepairPlan,
    RepairReceipt,
)
from prunella_core.plan.recover import damage, damaged_models, digests_of, why_no_pull
from prunella_core.store import Store
from prunella_core.verify import VerifyProgress, verify_blobs

Report = Callable[[str, VerifyProgress], None]
"""What is going on with which model, and how far it is."""

_TRIES, _SLICE = 40, 0.25
"""For 10 seconds."""
_NOTHING = "nothing was changed"


def plan_repairs(inventory: Inventory, server: Server | None, now: float) -> RepairPlan:
    """Plan to repair every damaged model at ``now`` (seconds, UTC), and say why where that cannot be done."""
    models = damaged_models(inventory)
    prevented = _prevented(inventory, server, models) if models else None
    reasons = {model.name: prevented or why_no_pull(inventory, model) for model in models}
    plans = [make_plan(inventory, Repair(model=name), now) for name, why in reasons.items() if not why]
    sizes = {layer.digest: layer.size for model in models for layer in model.layers}
    pulled = {digest for plan in plans for digest in digests_of(plan)}
    by_others = [m.name for m in models if reasons[m.name] and pulled.issuperset(damage(inventory, m))]
    return RepairPlan(
        store=inventory.store,
        plans=tuple(plans),
        along=tuple(by_others),
        refused={name: why for name, why in reasons.items() if why and name not in by_others},
        size=sum(sizes.get(digest, 0) for digest in pulled),
    )


def _prevented(inventory: Inventory, server: Server | None, damaged: list[Model]) -> str | None:
    """Why nothing at all can be repaired."""
    if why_not := inventory.store.refusal():
        return why_not
    try:
        serving(server, inventory, damaged=[model.name for model in damaged], rest=_NOTHING)
    except PrunellaError as error:
        return str(error)
    return None


def repair(plan: RepairPlan, world: World, report: Report = lambda _what, _progress: None) -> RepairReceipt:
    """Repair model by model. Raises Refused and ServerError while nothing has changed."""
    plan.store.check_changeable()
    inventory = rescan(plan.store, world.now())
    damaged = [model.name for model in damaged_models(inventory)]
    server = serving(world.server, inventory, damaged=damaged, rest=_NOTHING)
    found: list[Repaired] = []
    for each in plan.plans:
        if world.cancelled():
            break
        try:
            found.append(_repair(each, server, world, report))
        except PrunellaError as error:
            if not found:
                raise
            found.append(Repaired(model=each.models[0], is_whole=False, why_not=str(error)))
    return _receipt(plan, found, world)


def _receipt(plan: RepairPlan, found: list[Repaired], world: World) -> RepairReceipt:
    inventory = rescan(plan.store, world.now())
    still = {model.name for model in damaged_models(inventory)}
    along = [Repaired(model=name, is_whole=name not in still) for name in plan.along]
    nothing = make_plan(inventory, Removal(), world.now())
    after = Receipt(plan=nothing, id="", done=True, freed=0, removed=())
    if not world.cancelled():
        after = followed_up(after, world)
    return RepairReceipt(
        plan=plan,
        repaired=(*found, *along),
        cancelled=world.cancelled(),
        notes=after.notes,
        expired=after.expired,
    )


def _repair(planned: Plan, server: Server, world: World, report: Report) -> Repaired:
    """Repair one model. Raises Refused while nothing of it has changed."""
    name = planned.models[0]
    inventory = rescan(planned.store, world.now())
    plan = make_plan(inventory, planned.request, world.now())
    if not plan.files:
        return Repaired(model=name, is_whole=True)  # the pull of another model brought it
    _refuse_more(plan, planned)
    receipt = apply(plan, world)
    if receipt.cancelled or not receipt.removed:
        return Repaired(model=name, is_whole=False, why_not="cancelled; everything was put back")
    why_not = _pull(server, plan, world, report)
    try:
        stays = _put_back(plan.store, receipt.id, world)
    except (PrunellaError, OSError) as error:
        stays, why_not = True, why_not or f"what was damaged is in the trash, and stays there: {error}"
    before = inventory.model_by_name[name].digest
    now = rescan(plan.store, world.now())
    return Repaired(
        model=name,
        is_whole=not (why_not := why_not or _flaw(now, plan, world, report)),
        is_newer=name in now.model_by_name and now.model_by_name[name].digest != before,
        entry=receipt.id if stays else "",
        why_not=why_not,
    )


def _put_back(store: Store, entry: str, world: World) -> bool:
    """Wait for another Prunella a while: a pull takes long enough for one to come by."""
    for _try in range(_TRIES):
        with suppress(Locked):
            return put_back(store, entry, world)
        world.wait(_SLICE)
    return put_back(store, entry, world)


def _refuse_more(plan: Plan, planned: Plan) -> None:
    """Raise StalePlan where more would be taken than was confirmed; less may be left, when another pull brought it."""
    known = {(item.file.path, item.file.identity) for item in planned.files}
    for item in plan.files:
        if (item.file.path, item.file.identity) not in known:
            raise StalePlan(f"{clean(item.file.path)} was changed since this was planned; {_NOTHING}; look again")


def _pull(server: Server, plan: Plan, world: World, report: Report) -> str:
    """Let the server pull the model; return why that failed, if it did."""
    name, wanted = plan.models[0], digests_of(plan)
    sizes: dict[str, tuple[int, int]] = {}

    def follow(digest: str, done: int, total: int) -> None:
        if digest in wanted or digest in sizes or done < total:  # the others are there already
            sizes[digest] = done, total
        whole = sum(total > 0 and done == total for done, total in sizes.values())
        bytes_, of_bytes = (sum(each) for each in zip((0, 0), *sizes.values(), strict=True))
        report(f"pulling {name}", VerifyProgress(whole, len(sizes), bytes_, of_bytes))

    try:
        server.pull(name, follow, world.cancelled)
    except Cancelled:
        return "cancelled"
    except PrunellaError as error:
        return str(error)
    return ""


def _flaw(inventory: Inventory, plan: Plan, world: World, report: Report) -> str:
    """What is wrong with a model after its pull; empty where nothing is. What was damaged is hashed."""
    name = plan.models[0]
    model = inventory.model_by_name.get(name)
    if model is None:
        return "the server has no model of that name any more"
    if left := damage(inventory, model):
        return f"{next(iter(left))[:19]} is still missing or damaged"
    again = [inventory.blob_by_key[item.digest] for item in plan.files if item.digest in model.needs]
    result = verify_blobs(
        inventory,
        again,
        again=True,
        report=lambda progress: report(f"checking {name}", progress),
        cancelled=world.cancelled,
    )
    if result.bad:
        return f"{result.bad[0].path} {result.bad[0].problem}"
    return "cancelled before it was checked" if result.cancelled else ""
