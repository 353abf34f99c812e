"""Whether a store is guarded and within which limits, what the guard holds, and what of it is too much."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from prunella_core.base.errors import Refused
from prunella_core.base.text import clean, parse_age
from prunella_core.fs.files import allocated, read_own
from prunella_core.inventory.records import Inventory, Problem, TrashEntry
from prunella_core.ollama.names import place_of
from prunella_core.space import Holder, space_of
from prunella_core.store import Store

SETTINGS = ".prunella/guard/settings.json"
_LARGEST = 4096


class Settings(Struct, frozen=True, kw_only=True):
    """What the guard was turned on with."""

    keep: int = parse_age("7d")
    """Seconds for which the trash keeps what Ollama deleted."""
    max_size: int = 100_000_000_000
    """Bytes that what Ollama deleted may take; more, and the oldest is deleted for good."""
    min_free: int = 0
    """Bytes that are to stay free on the disk; less, and the oldest is deleted for good."""


_decode = msgspec.json.Decoder(Settings).decode


def read_settings(store: Store) -> Settings | None:
    """Return the settings of the guard; ``None`` when it is off. Raises Refused when they cannot be read."""
    path = store.path(SETTINGS)
    try:
        return _decode(read_own(path, _LARGEST) or b"")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        why = f"cannot read the guard's settings {clean(path)}: {error}"
        raise Refused(f"{why}; turn it off and on again (prunella guard off)") from error


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
