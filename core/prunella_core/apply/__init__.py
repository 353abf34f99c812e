"""The one mutator: executes a plan or refuses it with the store as it was, and first ends what a killed run left."""

import os
from collections.abc import Iterator
from contextlib import closing, suppress

from msgspec.structs import replace

from prunella_core.apply.folder import Folder, drop_finished_entries, folders_in
from prunella_core.apply.moves import drop_empty_folders
from prunella_core.apply.removal import Keeping, Removal
from prunella_core.apply.restore import is_restore_noted, put_back, recover_restore, restore
from prunella_core.apply.work import Step, Work, World
from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.fs.disk import Disk
from prunella_core.inventory.origin import origins
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.log import LogLine, models_in, note, write_line
from prunella_core.ledger.memory import last_run, rescan
from prunella_core.ollama.names import Area
from prunella_core.plan.build import refuse_if_stale
from prunella_core.plan.records import FileError, Plan, Receipt, Repair, Restore
from prunella_core.scan.own import new_id, removed_at
from prunella_core.store import Store
from prunella_core.store.access import is_locked, lock

__all__ = ["Disk", "Step", "World", "apply", "has_left", "has_unfinished", "put_back"]

_HALF_WRITTEN = ("pins.new", "restoring.json.new")
_UNDECIDED = (Area.STAGING, Area.REMOVING)


def apply(plan: Plan, world: World) -> Receipt:
    """Execute exactly ``plan`` and return what happened, measured.

    Raises Refused, with the store as it was, when the store is not to be changed, is locked, or no longer matches.
    """
    plan.store.check_changeable()
    with lock(plan.store), closing(world.disk or Disk()) as disk:
        stuck = _recover(plan.store, disk)
        try:
            inventory = rescan(plan.store, world.now())
            refuse_if_stale(plan, inventory)
            at = max(world.now(), last_run(plan.store))  # a clock that is behind must not make the trash expire at once
            receipt = _execute(plan, inventory, at, disk, world)
        finally:
            _tidy(plan.store, disk)
        notes = (*(f"{error.path}: {error.message}" for error in stuck), *receipt.notes)
        return note(replace(receipt, notes=notes), at, origins(inventory) if plan.models else {})


def _execute(plan: Plan, inventory: Inventory, at: float, disk: Disk, world: World) -> Receipt:
    if not plan.files:
        return Receipt(plan=plan, id="", done=True, freed=0, removed=())
    if isinstance(plan.request, Restore):
        return restore(Work(plan, inventory, plan.request.entry, disk, world))
    how = Keeping if isinstance(plan.request, Repair) else Removal
    identity = new_id(plan.store, at, (item.file.path for item in plan.files))
    return how(plan, inventory, identity, disk, world).run()


def _tidy(store: Store, disk: Disk) -> None:
    for folder in [store.path(f".prunella/{area}") for area in (*_UNDECIDED, Area.TRASH)]:
        with suppress(OSError):  # an empty folder of ours that stays does no harm
            if os.path.isdir(folder):
                disk.remove_if_empty(folder)


def has_unfinished(store: Store) -> bool:
    """Whether a killed run left something that the next removal or restore will finish or undo first."""
    if store.read_only:  # what was left there is not for this machine to finish
        return False
    return has_left(store) and not is_locked(store)  # with the lock taken, a run is going on right now


def has_left(store: Store) -> bool:
    """Whether there is anything of an operation that has not ended, going on or killed."""
    return any(folders_in(store, Disk(), area) for area in _UNDECIDED) or is_restore_noted(store)


def _recover(store: Store, disk: Disk) -> list[FileError]:
    """Bring the store to where it was before or after every operation that was killed; return what is missing or stays.

    Raises Refused when that fails, or something would have to be moved through a link.
    """
    try:
        for path in [path for name in _HALF_WRITTEN if os.path.lexists(path := os.path.join(store.own, name))]:
            disk.unlink(path)
        is_left = any(os.path.isdir(store.path(f".prunella/{area}")) for area in _UNDECIDED) or is_restore_noted(store)
        errors = list(_end(store, disk)) if is_left else []
        drop_finished_entries(store, disk)
    except OSError as error:
        where = clean(str(error.filename or store.own))
        raise Refused(f"cannot finish an interrupted removal: {where}: {error.strerror}; fix that first") from error
    return errors


def _end(store: Store, disk: Disk) -> Iterator[FileError]:
    for place in (store.blobs, store.manifests):
        if os.path.islink(place):
            where = f"{clean(place)} is a link, and an interrupted removal is not finished through one"
            raise Refused(f"{where}; put the folder itself there first. Nothing was changed")
    for folder in folders_in(store, disk, Area.STAGING):
        yield from folder.undo()
    for folder in folders_in(store, disk, Area.REMOVING):
        line = _line_of(folder)
        _freed, _returned, errors = folder.finish()
        yield from errors
        if line.files:
            write_line(store, line)
    for entry in folders_in(store, disk, Area.TRASH):  # killed after its folder came here, before the empty ones went
        drop_empty_folders(store, list(entry.paths()), disk)
    recover_restore(store, disk)  # last: putting back may still fill the entry that it came from


def _line_of(folder: Folder) -> LogLine:
    """What the log has to say of a removal that was decided and killed; no files when its record cannot be read."""
    record = folder.record()
    return LogLine(
        id=folder.id,
        at=removed_at(os.path.dirname(folder.path), folder.id),
        action=record.action,
        mode="delete",
        models=models_in(record.files, folder.id),
        files=len(record.files),
        size=None,
    )
