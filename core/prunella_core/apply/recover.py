"""Finishes or undoes what a killed run left behind.

The folder in which an operation's files lie says how far it came: in ``staging`` nothing is decided, so all goes back;
in ``removing`` the decision was made, so all goes. The rename between the two is the moment of decision.
Files lie there under the same path as in the store, so that a person could put them back by hand.
"""

import os

from prunella_core.apply.restore import finish_restore, is_restore_noted
from prunella_core.fs.disk import Disk, remove_tree_of_folders
from prunella_core.fs.files import files_below, has_reflinks
from prunella_core.plan.records import FileError
from prunella_core.scan import RECORD
from prunella_core.store.locate import Store
from prunella_core.store.lock import is_locked


def staging(store: Store, operation: str = "") -> str:
    """Where files wait for the decision."""
    return os.path.join(store.own, "staging", operation) if operation else os.path.join(store.own, "staging")


def removing(store: Store, operation: str = "") -> str:
    """Where files wait to be unlinked after the decision."""
    return os.path.join(store.own, "removing", operation) if operation else os.path.join(store.own, "removing")


def has_unfinished(store: Store) -> bool:
    """Whether a killed run left something that the next removal or restore will finish or undo first."""
    if store.read_only:  # what was left there is not for this machine to finish
        return False
    is_left = any(_operations(folder) for folder in (staging(store), removing(store))) or is_restore_noted(store)
    return is_left and not is_locked(store)  # with the lock taken, somebody is at it right now


def decided(store: Store) -> list[str]:
    """Return the removals that were decided and not finished."""
    return _operations(removing(store))


def recover(store: Store, disk: Disk) -> None:
    """Bring the store to wholly before or wholly after every operation that was killed. Raises OSError."""
    for operation in _operations(staging(store)):
        put_all_back(store, operation, disk)
    for operation in _operations(removing(store)):
        purge(store, operation, disk)
    for entry in _operations(store.trash):  # killed after its folder came here, before the empty ones went
        for file in files_below(os.path.join(store.trash, entry)):
            drop_empty_folders(store, file.path, disk)
    finish_restore(store, disk)  # last: it drops entries that hold nothing, and putting back may still fill one


def _operations(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def put_all_back(store: Store, operation: str, disk: Disk) -> None:
    """Undo an operation that was not decided. Blobs first: no manifest may stand without them."""
    folder = staging(store, operation)
    waiting = sorted(files_below(folder), key=lambda file: not file.path.startswith("blobs/"))
    for file in waiting:
        source = os.path.join(folder, file.path)
        if file.path.startswith(("blobs/", "manifests/", ".prunella/")):
            put_back(store, source, file.path, disk)
        else:
            disk.unlink(source)
    remove_tree_of_folders(disk, folder)


def put_back(store: Store, source: str, relative: str, disk: Disk) -> None:
    """Return one file to its place. What was pulled or created there meanwhile is newer and stays."""
    target = store.path(relative)
    if os.path.lexists(target):
        disk.unlink(source)
        return
    disk.make_folder(os.path.dirname(target))
    disk.move(source, target)


def drop_empty_folders(store: Store, relative: str, disk: Disk) -> FileError | None:
    """Remove the folders that a file leaves empty below ``manifests/`` or in the trash, as ``ollama rm`` does.

    Return what stood in the way: the space is free all the same.
    """
    folder = os.path.dirname(relative)
    try:
        while folder.startswith(("manifests/", ".prunella/trash/")) and disk.remove_if_empty(store.path(folder)):
            folder = os.path.dirname(folder)
    except OSError as error:
        return FileError(path=folder, message=f"stays, empty: {error.strerror}")
    return None


def purge(store: Store, operation: str, disk: Disk) -> tuple[int, list[FileError]]:
    """Unlink what an operation has decided to remove; return the bytes that left the disk, and what would not go."""
    folder = removing(store, operation)
    freed = 0
    errors: list[FileError] = []
    for file in files_below(folder, with_extents=has_reflinks(store.root)):
        if not file.path.startswith("blobs/"):  # their folder stays, empty or not
            drop_empty_folders(store, file.path, disk)  # first: once the file is gone, nobody knows where it was
        try:
            disk.unlink(f"{folder}/{file.path}")
        except OSError as error:
            errors.append(FileError(path=file.path, message=f"cannot be unlinked: {error.strerror}"))
            continue
        is_last = file.links <= 1 and file.path != RECORD
        freed += file.own if is_last else 0
    try:
        remove_tree_of_folders(disk, folder)
    except OSError as error:
        errors.append(FileError(path=f".prunella/removing/{operation}", message=f"stays empty: {error.strerror}"))
    return freed, errors
