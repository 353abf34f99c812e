"""Finishes or undoes what a killed run left behind."""

import os

from prunella_core.apply.aside import Aside
from prunella_core.apply.finish import finish
from prunella_core.apply.moves import drop_empty_folders
from prunella_core.apply.places import operations, removing, staging
from prunella_core.apply.restore import drop_finished_entries, is_restore_noted, recover_restore
from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.fs.disk import Disk
from prunella_core.fs.files import files_below
from prunella_core.plan.records import FileError
from prunella_core.store.locate import Store
from prunella_core.store.lock import is_locked

_HALF_WRITTEN = ("pins.new", "restoring.json.new")


def has_unfinished(store: Store) -> bool:
    """Whether a killed run left something that the next removal or restore will finish or undo first."""
    if store.read_only:  # what was left there is not for this machine to finish
        return False
    is_left = any(operations(folder) for folder in (staging(store), removing(store))) or is_restore_noted(store)
    return is_left and not is_locked(store)  # with the lock taken, a run is going on right now


def recover(store: Store, disk: Disk) -> list[FileError]:
    """Bring the store to where it was before or after every operation that was killed; return what is missing or stays.

    Raises OSError, and Refused where something would have to be moved through a link.
    """
    for name in _HALF_WRITTEN:
        if os.path.lexists(os.path.join(store.own, name)):
            disk.unlink(os.path.join(store.own, name))
    is_left = any(os.path.isdir(folder) for folder in (staging(store), removing(store))) or is_restore_noted(store)
    errors = _end(store, disk) if is_left else []
    drop_finished_entries(store, disk)
    return errors


def _end(store: Store, disk: Disk) -> list[FileError]:
    _refuse_links(store)
    errors: list[FileError] = []
    for operation in operations(staging(store)):
        errors += Aside(store, operation, disk).undo()
    for operation in operations(removing(store)):
        errors += finish(store, operation, disk, lambda: None).errors
    for entry in operations(store.trash):  # killed after its folder came here, before the empty ones went
        below = files_below(os.path.join(store.trash, entry))
        drop_empty_folders(store, [file.path for file in below], disk)
    recover_restore(store, disk)  # last: putting back may still fill the entry that it came from
    return errors


def _refuse_links(store: Store) -> None:
    for folder in (store.blobs, store.manifests):
        if os.path.islink(folder):
            where = f"{clean(folder)} is a link, and an interrupted removal is not finished through one"
            raise Refused(f"{where}; put the folder itself there first. Nothing was changed")
