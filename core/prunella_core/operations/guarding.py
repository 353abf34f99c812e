"""The guard as commands use it: on, off, a run."""

from prunella_core.apply import World
from prunella_core.base.errors import Refused
from prunella_core.guard.settings import Settings, read_settings
from prunella_core.guard.status import GuardRun, over_limit
from prunella_core.guard.sync import Synced, sync, turn_off, turn_on
from prunella_core.ledger.memory import remember, scan_store
from prunella_core.operations.carry_out import empty_for_good, finish_left
from prunella_core.scan import scan
from prunella_core.store import Store


def guard_on(store: Store, settings: Settings, world: World) -> GuardRun:
    """Turn the guard on, or change its settings. Raises Refused where it cannot work, with nothing half on."""
    finish_left(store, world)
    return _make_room(store, turn_on(store, settings, world.now(), world.disk), settings, world)


def guard_off(store: Store, world: World) -> None:
    """Drop the guard's links; what it rescued stays in the trash until its time is over. Raises Refused."""
    store.check_changeable()
    turn_off(store, world.disk)


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
