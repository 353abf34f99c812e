"""The guard as commands use it: on, off, a run, and what it holds."""

from collections.abc import Iterator

from msgspec import Struct

from prunella_core.apply import World
from prunella_core.base.errors import Refused
from prunella_core.fs.sizes import allocated
from prunella_core.guard.changes import mirrored
from prunella_core.guard.settings import Settings, read_settings
from prunella_core.guard.sync import Synced, sync, turn_off, turn_on
from prunella_core.inventory.records import Inventory, TrashEntry
from prunella_core.ledger.ages import rescan
from prunella_core.ollama.paths import place_of
from prunella_core.operations.carry_out import empty_for_good, finish_left, refuse_unless_allowed
from prunella_core.plan.records import Receipt
from prunella_core.space.cells import Holder
from prunella_core.space.space import space_of
from prunella_core.store.locate import Store


class GuardRun(Struct, frozen=True, kw_only=True):
    """What a run of the guard did."""

    synced: Synced
    emptied: Receipt | None
    """What it deleted for good of what it had rescued, because that took too much."""


class GuardStatus(Struct, frozen=True, kw_only=True):
    """What the guard holds; sizes in bytes."""

    settings: Settings | None
    """``None``: it is off."""
    models: int
    blobs: int
    extra_bytes: int
    """What is on the disk because of the guard alone: what Ollama deleted, and copies."""
    entries: tuple[TrashEntry, ...]
    """What was rescued and is in the trash."""


def guard_on(store: Store, settings: Settings, world: World) -> GuardRun:
    """Turn the guard on, or change its settings. Raises Refused where it cannot work, with nothing half on."""
    finish_left(store, world)
    synced = turn_on(store, settings, world.now(), world.disk)
    return GuardRun(synced=synced, emptied=_make_room(store, settings, world))


def guard_off(store: Store, world: World) -> None:
    """Drop the guard's links; what it rescued stays in the trash until its time is over. Raises Refused."""
    refuse_unless_allowed(store)
    turn_off(store, world.disk)


def guard_run(store: Store, world: World) -> GuardRun:
    """Bring the guard up to date, then keep to its limits. Raises Refused, also when it is off."""
    refuse_unless_allowed(store)
    settings = read_settings(store)
    if settings is None:
        raise Refused("the guard is off; turn it on with: prunella guard on")
    finish_left(store, world)
    synced = sync(store, world.now(), world.disk) or Synced()
    return GuardRun(synced=synced, emptied=_make_room(store, settings, world))


def guard_status(inventory: Inventory) -> GuardStatus:
    """Return what the guard of a store holds. Raises Refused when its settings cannot be read."""
    mirror = mirrored(inventory)
    rescued = tuple(_rescued(inventory))
    live = {(file.device, file.inode) for blob in inventory.blobs for file in blob.files if not blob.removed_at}
    ours = [*inventory.guard, *(file for entry in rescued for file in entry.files)]
    return GuardStatus(
        settings=read_settings(inventory.store),
        models=sum(place_of(path).is_manifest for path in mirror),
        blobs=len({digest for path in mirror if (digest := place_of(path).whole)}),
        extra_bytes=allocated(file for file in ours if (file.device, file.inode) not in live),
        entries=rescued,
    )


def over_limit(inventory: Inventory, settings: Settings) -> tuple[str, ...]:
    """The IDs of the oldest rescued entries that have to go so that the guard keeps to its limits.

    What Prunella's own removals moved to the trash is never among them.
    """
    space = space_of(inventory, "delete")
    waiting = [entry.id for entry in _rescued(inventory)]
    going: list[str] = []
    total = space.frees([Holder("trash", each) for each in waiting])
    freed = 0
    while waiting and (total - freed > settings.max_size or inventory.disk_free + freed < settings.min_free):
        going.append(waiting.pop(0))
        freed = space.frees([Holder("trash", each) for each in going])
    return tuple(going)


def _rescued(inventory: Inventory) -> Iterator[TrashEntry]:
    return (entry for entry in inventory.trash if entry.cause != "removed" and not entry.is_spent)


def _make_room(store: Store, settings: Settings, world: World) -> Receipt | None:
    inventory = rescan(store, world.now())
    going = over_limit(inventory, settings)
    return empty_for_good(inventory, going, world) if going else None
