"""What the guard holds, and what of it is too much: pure functions of an inventory and the settings."""

from collections.abc import Iterator

from msgspec import Struct

from prunella_core.fs.sizes import allocated
from prunella_core.guard.settings import Settings, read_settings
from prunella_core.guard.sync import Synced
from prunella_core.inventory.records import Inventory, Problem, TrashEntry
from prunella_core.ollama.names import place_of
from prunella_core.plan.records import Receipt
from prunella_core.space.cells import Holder
from prunella_core.space.space import space_of


class GuardRun(Struct, frozen=True, kw_only=True):
    """What a run of the guard did."""

    synced: Synced
    emptied: Receipt | None
    """What it deleted for good of what it had rescued, because that took too much."""
    inventory: Inventory
    """The store afterwards."""


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


def guard_status(inventory: Inventory) -> GuardStatus:
    """Return what the guard of a store holds. Raises Refused when its settings cannot be read."""
    rescued = tuple(_rescued(inventory))
    live = {(file.device, file.inode) for blob in inventory.blobs for file in blob.files if not blob.removed_at}
    ours = [*inventory.guard, *(file for entry in rescued for file in entry.files)]
    return GuardStatus(
        settings=read_settings(inventory.store),
        models=sum(place_of(path).is_manifest for path in inventory.mirror),
        blobs=len({digest for path in inventory.mirror if (digest := place_of(path).whole)}),
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


def guard_problem(inventory: Inventory) -> tuple[Problem, ...]:
    """Return the warning that the guard is over its limits, where it is. Raises Refused as ``guard_status``."""
    is_guarded = inventory.guard and not inventory.store.exported_from
    settings = read_settings(inventory.store) if is_guarded else None
    count = len(over_limit(inventory, settings)) if settings else 0
    if not count:
        return ()
    entries = "entries" if count > 1 else "entry"
    message = f"{count} rescued {entries} of the trash would have to go to keep to its limits"
    return (Problem(path=".prunella/guard", kind="guard-limit", message=message, blocks_prune=False),)


def _rescued(inventory: Inventory) -> Iterator[TrashEntry]:
    return (entry for entry in inventory.trash if entry.cause != "removed" and not entry.is_spent)
