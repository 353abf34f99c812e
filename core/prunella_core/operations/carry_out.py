"""Carries a plan out, for both front ends: unload, apply, delete expired trash, and report what happened."""

import os
from collections.abc import Iterator
from contextlib import suppress

from msgspec.structs import replace

from prunella_core.apply import World, apply, has_unfinished
from prunella_core.base.errors import PrunellaError
from prunella_core.base.text import clean
from prunella_core.guard.settings import SETTINGS
from prunella_core.guard.sync import Synced, sync
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.memory import rescan
from prunella_core.ollama.server import Server
from prunella_core.operations.came_back import compared, free_space
from prunella_core.operations.server import delete_by_server
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Empty, Plan, Receipt, Removal
from prunella_core.scan.trash import removed_at
from prunella_core.store import Store


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
    return _guard(_expire(receipt, world), world)


def _guard(receipt: Receipt, world: World) -> Receipt:
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
