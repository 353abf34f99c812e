"""Carries plans out, for every front end: unload, apply, delete expired trash, and report what happened."""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec.structs import replace

from prunella_core.apply import World, apply, has_unfinished
from prunella_core.base.errors import PrunellaError, Refused
from prunella_core.base.text import clean
from prunella_core.guard.status import SETTINGS, Settings, over_limit, read_settings
from prunella_core.guard.sync import GuardRun, Synced, sync, turn_on
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.memory import remember, rescan, scan_store
from prunella_core.ollama.server import Server
from prunella_core.operations.came_back import compared, free_space
from prunella_core.operations.server import delete_by_server
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Empty, Plan, Receipt, Removal, Restore
from prunella_core.scan import scan
from prunella_core.scan.own import removed_at
from prunella_core.store import Store

if TYPE_CHECKING:
    from prunella_core.copy.plan import CopyPlan
    from prunella_core.copy.run import CopyReceipt


def make_ready(store: Store, world: World) -> bool:
    """Finish or undo what a killed run left, and let the guard catch up with Ollama, before anything is planned.

    Returns whether a run was left. Raises Refused.
    """
    was_left = finish_left(store, world)
    with suppress(OSError):  # what keeps the guard from it is in the receipt of the operation
        sync(store, world.now(), world.disk)
    return was_left


def finish_left(store: Store, world: World) -> bool:
    """Finish or undo what a killed run left; return whether there was anything. Raises Refused."""
    store.check_changeable()
    if not has_unfinished(store):
        return False
    apply(make_plan(rescan(store, world.now()), Removal(), world.now()), world)  # repairs before it reads its plan
    return True


def carry_out(plan: Plan, world: World) -> Receipt:
    """Do exactly what ``plan`` says, then delete expired trash; return what happened, measured.

    Raises Refused and other PrunellaErrors only while nothing has changed: what fails later is in the Receipt.
    """
    plan.store.check_changeable(by_server=plan.mode == "server")
    before = free_space(plan, world)
    receipt = _do(plan, world)
    if not receipt.cancelled:
        receipt = followed_up(receipt, world)
    return compared(receipt, before, world)


def followed_up(receipt: Receipt, world: World) -> Receipt:
    """Delete expired trash, and let the guard catch up."""
    receipt = _expire(receipt, world)
    try:
        synced = sync(receipt.plan.store, world.now(), world.disk)
    except (PrunellaError, OSError) as error:
        return replace(receipt, notes=(*receipt.notes, f"The guard was not brought up to date: {error}"))
    kept = [f"The guard kept {', '.join(map(clean, each.models))}: {each.id}" for each in (synced or Synced()).rescued]
    return replace(receipt, notes=(*receipt.notes, *kept))


def _do(plan: Plan, world: World) -> Receipt:
    if not plan.files:
        return Receipt(plan=plan, id="", done=True, freed=0, removed=())
    if plan.mode == "server":
        return delete_by_server(plan, world)
    still_loaded = tuple(_unload(plan, world.server)) if world.server else ()
    receipt = apply(plan, world)
    return replace(receipt, notes=(*still_loaded, *receipt.notes))


def _unload(plan: Plan, server: Server) -> Iterator[str]:
    """Unload what the plan deletes, and report models that stay loaded: their space returns later."""
    for name in plan.loaded:
        try:
            server.unload(name)
        except PrunellaError as error:
            yield f"{name} could not be unloaded: {error}"


def _expire(receipt: Receipt, world: World) -> Receipt:
    store = receipt.plan.store
    if world.retention is None or store.refusal():
        return receipt
    try:
        expired = _empty_expired(store, world.retention, world)
    except (PrunellaError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        return replace(receipt, notes=(*receipt.notes, f"Expired trash was not emptied: {why}"))
    if expired is None or not (expired.removed or expired.errors):
        return receipt
    return replace(receipt, expired=expired, errors=(*receipt.errors, *expired.errors))


def _empty_expired(store: Store, retention: int, world: World) -> Receipt | None:
    """Delete what was in the trash for its time, else ``retention`` seconds. With nothing expired it needs no scan."""
    entries = os.listdir(store.trash) if os.path.isdir(store.trash) else ()
    is_guarded = os.path.lexists(store.path(SETTINGS))
    if not any(is_guarded or world.now() - removed_at(store.trash, name) >= retention for name in entries):
        return None
    inventory = rescan(store, world.now())
    due = tuple(e.id for e in inventory.trash if inventory.scanned_at >= e.expires_at(retention))
    return empty_for_good(inventory, due, world)


def empty_for_good(inventory: Inventory, entries: tuple[str, ...], world: World) -> Receipt | None:
    """Empty entries that were not chosen by hand; ``None`` when there is nothing to do. Raises Refused."""
    plan = make_plan(inventory, Empty(entries=entries, expired=True), inventory.scanned_at)
    return apply(plan, world) if plan.files else None


def guard_on(store: Store, settings: Settings, world: World) -> GuardRun:
    """Turn the guard on, or change its settings. Raises Refused where it cannot work, with nothing half on."""
    finish_left(store, world)
    return _make_room(store, turn_on(store, settings, world.now(), world.disk), settings, world)


def guard_run(store: Store, world: World) -> GuardRun:
    """Bring the guard up to date, then keep to its limits. Raises Refused, also when it is off."""
    store.check_changeable()
    settings = read_settings(store)
    if settings is None:
        raise Refused("the guard is off; turn it on with: prunella guard on")
    finish_left(store, world)
    return _make_room(store, sync(store, world.now(), world.disk) or Synced(), settings, world)


def _make_room(store: Store, synced: Synced, settings: Settings, world: World) -> GuardRun:
    inventory = remember(synced.inventory or scan(store, world.now()))
    if not (going := over_limit(inventory, settings)):
        return GuardRun(synced=synced, emptied=None, inventory=inventory)
    emptied = empty_for_good(inventory, going, world)
    return GuardRun(synced=synced, emptied=emptied, inventory=scan_store(store, world.now()))


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


def plan_moved(inventory: Inventory, copy: "CopyPlan", request: Removal, now: float) -> Plan:
    """Plan to delete here, as ``request`` says, the models that ``copy`` brings to another store: they are not lost."""
    models = tuple(model.name for model in copy.models)
    return replace(make_plan(inventory, replace(request, models=models, moved_to=copy.target.root), now), lost=())


def delete_moved(copied: "CopyReceipt", plan: Plan, world: World) -> Receipt:
    """Carry out ``plan``, without the models that did not arrive. Raises Refused while nothing is deleted."""
    if copied.cancelled or not copied.is_verified or not set(copied.models) <= set(plan.models):
        raise Refused("what is in the other store was not verified; nothing was deleted")
    if set(copied.models) != set(plan.models) and isinstance(plan.request, Removal):
        request = replace(plan.request, models=copied.models)
        plan = replace(make_plan(rescan(plan.store, world.now()), request, world.now()), lost=())
    return carry_out(plan, world)
