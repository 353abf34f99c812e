"""After the decision: unlinks what was set aside, but for what a manifest needs by then."""

from collections.abc import Callable, Set
from contextlib import suppress
from typing import NamedTuple

from prunella_core.apply.moves import Move, bring_back, drop_empty_folders
from prunella_core.apply.places import is_whole, removing
from prunella_core.apply.second_look import look, still_needed
from prunella_core.fs.disk import Disk, remove_tree_of_folders
from prunella_core.fs.files import files_below, has_reflinks
from prunella_core.fs.sizes import File
from prunella_core.plan.records import FileError
from prunella_core.scan import RECORD
from prunella_core.store.locate import Store


class Finished(NamedTuple):
    """What became of the files: bytes that left the disk, paths that went back, and what stood in the way."""

    freed: int
    returned: tuple[str, ...]
    errors: tuple[FileError, ...]


def finish(
    store: Store, operation: str, disk: Disk, step: Callable[[], None], known: Set[str] = frozenset()
) -> Finished:
    """Unlink the files of a decided operation.

    A blob that a manifest needs goes back when its name is free. While there is a problem besides the ``known`` ones
    that could hide a manifest, whole blobs wait here for the next run. Raises OSError.
    """
    folder = removing(store, operation)
    files = [file for file in files_below(folder, with_extents=has_reflinks(store.root)) if file.path != RECORD]
    seen = look(store, 0)
    new = (problem for problem in seen.hiding if problem.path not in known)
    hiding = next((problem for problem in new if problem.kind != "no-manifests"), None)  # Ollama removes it when empty
    back = still_needed(store, files, seen.needed)
    spared = {file.path for file in (*back, *(files if hiding else ())) if is_whole(file.path)}
    going = [file for file in files if file.path not in spared]
    errors = drop_empty_folders(store, [file.path for file in going], disk)
    for file in back:
        move = Move(f".prunella/removing/{operation}/{file.path}", file.path)
        for _step in bring_back(store, [move], disk, lambda move: disk.unlink(store.path(move.source))):
            pass
    freed = 0
    for file in going:
        step()
        freed += _unlink(f"{folder}/{file.path}", file, disk, errors)
    if hiding:
        errors.append(FileError(path=hiding.path, message=f"{hiding.message}: the blobs wait until it can be read"))
    return Finished(freed, tuple(file.path for file in back), (*errors, *_remove_folder(folder, operation, disk)))


def _unlink(path: str, file: File, disk: Disk, errors: list[FileError]) -> int:
    """Unlink one file and return the bytes that left the disk."""
    try:
        now = disk.status(path) if file.links > 1 else None  # another link may have gone since
        disk.unlink(path)
    except FileNotFoundError:
        return 0
    except OSError as error:
        errors.append(FileError(path=file.path, message=f"cannot be unlinked: {error.strerror}"))
        return 0
    return file.own if file.links <= 1 or (now and now.st_nlink <= 1) else 0


def _remove_folder(folder: str, operation: str, disk: Disk) -> list[FileError]:
    try:
        with suppress(FileNotFoundError):
            disk.unlink(f"{folder}/{RECORD}")
        remove_tree_of_folders(disk, folder)
    except OSError as error:
        return [FileError(path=f".prunella/removing/{operation}", message=f"stays empty: {error.strerror}")]
    return []
