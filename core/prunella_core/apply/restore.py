"""Brings back what the trash holds. A note says what is to be moved, so that a killed run is finished."""

import errno
import os
import re
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from prunella_core.apply.moves import Move, bring_back, drop_empty_folders, is_same
from prunella_core.apply.places import is_manifest, operations
from prunella_core.apply.work import Control, Step
from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.fs.disk import Disk, remove_tree_of_folders
from prunella_core.fs.files import files_below
from prunella_core.fs.folders import read_own
from prunella_core.plan.records import FileError, Plan, Receipt
from prunella_core.scan import RECORD
from prunella_core.scan.own import RESTORING
from prunella_core.store.locate import Store
from prunella_core.store.lock import sign

_NOTE = msgspec.json.Decoder(list[tuple[str, ...]])
_LARGEST_NOTE = 64 * 1024 * 1024
_PLACE = r"(?!\.prunella/)(?:(?!\.\.?/)[^/]+/)+(?!\.\.?\Z)[^/]+\Z"
_SOURCE = re.compile(r"\.prunella/trash/(?!\.\.?/)[^/]+/" + _PLACE, re.DOTALL)
_TARGET = re.compile(_PLACE, re.DOTALL)


def restore(plan: Plan, disk: Disk, control: Control) -> Receipt:
    """Move every planned file to its target. Raises Refused with all back in the trash."""
    store = plan.store
    moves = [Move(item.file.path, item.target) for item in plan.files if item.target]
    for move in moves:
        _refuse_linked_folders(store, move.target)
    sign(store)
    _write_note(plan, disk)
    targets = tuple(move.target for move in moves)
    try:
        is_whole = _move_all(store, moves, disk, control)
    except OSError as error:
        if len(_in_place(plan, disk)) == len(moves):  # but for our own names of it, which the next run removes
            return _receipt(plan, targets, [_halfway(error)])
        if stuck := _move_back(plan, disk):
            came = tuple(target for target in targets if os.path.lexists(store.path(target)))
            return _receipt(plan, came, stuck)
        where = clean(str(error.filename2 or error.filename or store.root))
        raise Refused(f"cannot restore {where}: {error.strerror}; everything is back in the trash") from error
    except BaseException:
        _move_back(plan, disk)
        raise
    if not is_whole:
        return _receipt(plan, (), _move_back(plan, disk), cancelled=True)
    return _receipt(plan, targets, _tidy_up(plan, disk))


def _receipt(plan: Plan, back: tuple[str, ...], errors: Sequence[FileError], cancelled: bool = False) -> Receipt:
    return Receipt(
        plan=plan,
        id=getattr(plan.request, "entry", ""),
        done=not (errors or cancelled),
        freed=0,
        removed=back,
        errors=tuple(errors),
        cancelled=cancelled,
    )


def _move_all(store: Store, moves: list[Move], disk: Disk, control: Control) -> bool:
    """Move all, unless it is cancelled before."""
    total = 2 * len(moves)
    for done, _move in enumerate(bring_back(store, moves, disk, _clash), 1):
        control.report(Step(min(done, total), total, "restoring"))
        if control.cancelled():
            return False
    return True


def _clash(move: Move) -> None:
    raise FileExistsError(errno.EEXIST, "it is there again", move.target)


def _in_place(plan: Plan, disk: Disk) -> list[Move]:
    """What has arrived, or has a second name at its target."""
    return [
        Move(item.file.path, item.target)
        for item in plan.files
        if item.target and is_same(disk.status(plan.store.path(item.target)), item.file)
    ]


def _move_back(plan: Plan, disk: Disk) -> list[FileError]:
    """Undo what was moved; return what stands in the way: the note stays then, for the next run."""
    back = [Move(move.target, move.source) for move in _in_place(plan, disk)]
    try:
        for _move in bring_back(plan.store, back, disk, _clash):
            pass
        disk.unlink(_note(plan.store))
    except OSError as error:
        return [_halfway(error)]
    return drop_empty_folders(plan.store, [str(item.target) for item in plan.files], disk)


def _halfway(error: OSError) -> FileError:
    message = f"the restore stopped halfway ({error.strerror}); the next rm or restore finishes or undoes it"
    return FileError(path=f".prunella/{RESTORING}", message=message)


def _tidy_up(plan: Plan, disk: Disk) -> list[FileError]:
    """Everything is in its place: what is left over is an error, and no reason to fail."""
    errors = drop_empty_folders(plan.store, [item.file.path for item in plan.files], disk)
    try:
        drop_finished_entries(plan.store, disk)
        disk.unlink(_note(plan.store))
    except OSError as error:
        errors.append(FileError(path=".prunella", message=f"its rest stays until the next run: {error.strerror}"))
    return errors


def _refuse_linked_folders(store: Store, relative: str) -> None:
    """Raise Refused when a folder on the way to a place in the store is a link: it could lead out of it."""
    folder = os.path.dirname(relative)
    while folder:
        if os.path.islink(store.path(folder)):
            raise Refused(f"{clean(folder)} is a link, and nothing is put back through one; remove the link first")
        folder = os.path.dirname(folder)


def recover_restore(store: Store, disk: Disk) -> None:
    """Undo a restore that was killed before its last manifest was in place, and finish it after that.

    Raises OSError, and Refused when the note is none of ours.
    """
    if not is_restore_noted(store):
        return
    noted = _read_note(store)
    for move, _mtime in noted:
        _refuse_linked_folders(store, move.source)
        _refuse_linked_folders(store, move.target)
    moves = [move for move, _mtime in noted]
    left = [move for move in moves if is_manifest(move.target) and disk.status(store.path(move.source))]
    if left and all(mtime is not None for _move, mtime in noted):
        moves = [
            Move(move.target, move.source) for move, mtime in noted if _mtime_of(store, move.target, disk) == mtime
        ]
    for _move in bring_back(store, moves, disk, lambda _move: None):  # what is there again stays
        pass
    drop_empty_folders(store, [path for move, _mtime in noted for path in move], disk)
    disk.unlink(_note(store))


def _mtime_of(store: Store, path: str, disk: Disk) -> int | None:
    status = disk.status(store.path(path))
    return status.st_mtime_ns if status else None


def _read_note(store: Store) -> list[tuple[Move, int | None]]:
    """The moves of a restore, with the mtimes of the files; a note of an earlier release is without."""
    try:
        data = read_own(_note(store), _LARGEST_NOTE)
        noted = [
            (Move(_decode(source), _decode(target)), int(mtime[0]) if mtime else None)
            for source, target, *mtime in _NOTE.decode(data or b"")
        ]
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _not_ours(store) from error
    if not all(_SOURCE.match(move.source) and _TARGET.match(move.target) for move, _mtime in noted):
        raise _not_ours(store)
    return noted


def _not_ours(store: Store) -> Refused:
    return Refused(f"{clean(_note(store))} is not what Prunella writes; move it away first. Nothing was changed")


def is_restore_noted(store: Store) -> bool:
    """Whether a restore has begun and not ended."""
    return os.path.lexists(_note(store))


def drop_finished_entries(store: Store, disk: Disk) -> None:
    """Remove entries of the trash that hold nothing but their record. Raises OSError."""
    for entry in operations(store.trash):
        folder = os.path.join(store.trash, entry)
        if all(file.path == RECORD for file in files_below(folder)):  # asks no further than the first other file
            if os.path.lexists(os.path.join(folder, RECORD)):
                disk.unlink(os.path.join(folder, RECORD))
            remove_tree_of_folders(disk, folder)


def _write_note(plan: Plan, disk: Disk) -> None:
    store = plan.store
    note = [
        (_encode(item.file.path), _encode(item.target), str(item.file.mtime_ns)) for item in plan.files if item.target
    ]
    try:
        disk.write(_note(store), msgspec.json.encode(note))
    except OSError as error:
        with suppress(OSError):  # of a note that could not be written whole; without its name nothing reads it
            disk.unlink(f"{_note(store)}.new")
        raise Refused(f"cannot write {clean(_note(store))}: {error.strerror}; nothing was changed") from error


def _note(store: Store) -> str:
    return os.path.join(store.own, RESTORING)


def _encode(path: str) -> str:
    return os.fsencode(path).hex()


def _decode(text: str) -> str:
    """A path as JSON can hold it, whatever its bytes."""
    return os.fsdecode(bytes.fromhex(text))
