"""Ends what was decided, and finishes or undoes what a killed run left behind."""

import os
from collections.abc import Callable, Iterator, Set
from typing import NamedTuple

from prunella_core.apply.folder import Folder, drop_finished_entries, folders_in
from prunella_core.apply.look import look, still_needed
from prunella_core.apply.moves import drop_empty_folders, is_whole, unlink
from prunella_core.apply.restore import is_restore_noted, recover_restore
from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.fs.disk import Disk
from prunella_core.fs.files import files_below, has_reflinks
from prunella_core.fs.sizes import File
from prunella_core.ledger.log import LogLine, models_in, write_line
from prunella_core.ollama.paths import Area
from prunella_core.plan.records import FileError
from prunella_core.scan import RECORD, removed_at
from prunella_core.store.locate import Store
from prunella_core.store.lock import is_locked

_HALF_WRITTEN = ("pins.new", "restoring.json.new")
_UNDECIDED = (Area.STAGING, Area.REMOVING)


class Finished(NamedTuple):
    """What became of the files: bytes that left the disk, paths that went back, and what stood in the way."""

    freed: int
    returned: Set[str]
    errors: tuple[FileError, ...]


def finish(folder: Folder, known: Set[str] = frozenset(), step: Callable[[], object] = bool) -> Finished:
    """Unlink the files of a decided operation.

    A blob that a manifest needs goes back when its name is free. While there is a problem besides the ``known`` ones
    that could hide a manifest, whole blobs wait here for the next run. Raises OSError.
    """
    store, disk = folder.store, folder.disk
    files = [file for file in files_below(folder.path, with_extents=has_reflinks(store.root)) if file.path != RECORD]
    seen = look(store, 0)
    new = (problem for problem in seen.hiding if problem.path not in known)
    hiding = next((problem for problem in new if problem.kind != "no-manifests"), None)  # Ollama removes it when empty
    back = {file.path for file in still_needed(store, files, seen.needed)}
    going = [file for file in files if file.path not in back and not (hiding and is_whole(file.path))]
    errors = drop_empty_folders(store, [file.path for file in going], disk)
    folder.give_back(*sorted(back))
    freed = 0
    for file in going:
        step()
        freed += _unlink(folder, file, errors)
    if hiding:
        errors.append(FileError(path=hiding.path, message=f"{hiding.message}: the blobs wait until it can be read"))
    try:
        folder.remove()
    except OSError as error:
        errors.append(FileError(path=folder.inside, message=f"stays empty: {error.strerror}"))
    return Finished(freed, back, tuple(errors))


def _unlink(folder: Folder, file: File, errors: list[FileError]) -> int:
    try:
        return unlink(folder.store, f"{folder.path}/{file.path}", file, folder.disk)
    except FileNotFoundError:
        return 0
    except OSError as error:
        errors.append(FileError(path=file.path, message=f"cannot be unlinked: {error.strerror}"))
        return 0


def has_unfinished(store: Store) -> bool:
    """Whether a killed run left something that the next removal or restore will finish or undo first."""
    if store.read_only:  # what was left there is not for this machine to finish
        return False
    return has_left(store) and not is_locked(store)  # with the lock taken, a run is going on right now


def has_left(store: Store) -> bool:
    """Whether there is anything of an operation that has not ended, going on or killed."""
    return any(folders_in(store, Disk(), area) for area in _UNDECIDED) or is_restore_noted(store)


def recover(store: Store, disk: Disk) -> list[FileError]:
    """Bring the store to where it was before or after every operation that was killed; return what is missing or stays.

    Raises OSError, and Refused where something would have to be moved through a link.
    """
    for name in _HALF_WRITTEN:
        if os.path.lexists(os.path.join(store.own, name)):
            disk.unlink(os.path.join(store.own, name))
    is_left = any(os.path.isdir(store.path(f".prunella/{area}")) for area in _UNDECIDED) or is_restore_noted(store)
    errors = list(_end(store, disk)) if is_left else []
    drop_finished_entries(store, disk)
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
        yield from finish(folder).errors
        if line:
            write_line(store, line)
    for entry in folders_in(store, disk, Area.TRASH):  # killed after its folder came here, before the empty ones went
        drop_empty_folders(store, list(entry.paths()), disk)
    recover_restore(store, disk)  # last: putting back may still fill the entry that it came from


def _line_of(folder: Folder) -> LogLine | None:
    """What the log has to say of a removal that was decided and killed; nothing when its record cannot be read."""
    record = folder.record()
    if record is None:
        return None
    return LogLine(
        id=folder.id,
        at=removed_at(os.path.dirname(folder.path), folder.id),
        action=record.action,
        mode="delete",
        models=models_in(record.files, folder.id),
        files=len(record.files),
        size=None,
    )
