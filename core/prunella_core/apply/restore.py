"""Brings back what the trash holds, by rename. A note says what is to be moved, so that a killed run is finished."""

import errno
import os
import re
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.fs.disk import Disk, remove_tree_of_folders
from prunella_core.fs.files import read_small
from prunella_core.plan.records import FileError, Plan, Receipt
from prunella_core.scan import RECORD, read_trash
from prunella_core.store.locate import Store
from prunella_core.store.lock import sign

_Move = tuple[str, str]
_NOTE = msgspec.json.Decoder(list[tuple[str, str]])
_LARGEST_NOTE = 64 * 1024 * 1024
_PLACE = r"(?:blobs/(?!\.\.?\Z)[^/]+|manifests(?:/(?!\.\.?(?:/|\Z))[^/]+)+)\Z"
_SOURCE = re.compile(r"\.prunella/trash/(?!\.\.?/)[^/]+/" + _PLACE, re.DOTALL)
_TARGET = re.compile(_PLACE, re.DOTALL)


def restore(plan: Plan, disk: Disk) -> Receipt:
    """Move every planned file to its target, blobs before manifests. Raises Refused with all back in the trash."""
    store = plan.store
    moves = [(item.file.path, item.target) for item in plan.files if item.target]
    for _source, target in moves:
        refuse_linked_folders(store, target)
    sign(store)
    _write_note(store, moves, disk)
    done: list[_Move] = []
    try:
        for source, target in moves:
            _move(store, source, target, disk)
            done.append((source, target))
    except OSError as error:
        if stuck := _move_back(store, done, disk):
            came = tuple(target for _source, target in done)
            return Receipt(plan=plan, id=_entry(plan), done=False, freed=0, removed=came, errors=(stuck,))
        where = clean(str(error.filename2 or error.filename or store.root))
        raise Refused(f"cannot restore {where}: {error.strerror}; everything is back in the trash") from error
    back = tuple(target for _source, target in moves)
    errors = _tidy_up(store, disk)
    return Receipt(plan=plan, id=_entry(plan), done=not errors, freed=0, removed=back, errors=errors)


def _move_back(store: Store, done: list[_Move], disk: Disk) -> FileError | None:
    """Undo what was moved; return what stands in the way: the note stays then, and the next run finishes."""
    try:
        for source, target in reversed(done):
            _move(store, target, source, disk)
        _drop_note(store, disk)
    except OSError as error:
        message = f"the restore stopped in mid-way ({error.strerror}); the next rm or restore finishes it"
        return FileError(path=".prunella/restoring.json", message=message)
    return None


def _tidy_up(store: Store, disk: Disk) -> tuple[FileError, ...]:
    """Everything is in its place: what is left of the way there is no reason to fail, but to be told."""
    try:
        _drop_note(store, disk)
        drop_finished_entries(store, disk)
    except OSError as error:
        where = os.path.relpath(error.filename, store.root) if error.filename else ".prunella"
        return (FileError(path=where, message=f"stays until the next run: {error.strerror}"),)
    return ()


def refuse_linked_folders(store: Store, relative: str) -> None:
    """Raise Refused when a folder on the way to a place in the store is a link: it could lead out of it."""
    folder = os.path.dirname(relative)
    while "/" in folder:
        if os.path.islink(store.path(folder)):
            raise Refused(f"{clean(folder)} is a link, and nothing is put back through one; remove the link first")
        folder = os.path.dirname(folder)


def finish_restore(store: Store, disk: Disk) -> None:
    """Finish a restore that was killed: the note says what is still to be moved.

    Raises OSError, and Refused when the note is none of ours.
    """
    with suppress(FileNotFoundError):
        disk.unlink(f"{_note(store)}.new") if os.path.lexists(f"{_note(store)}.new") else None
    for source, target in _read_note(store):
        refuse_linked_folders(store, source)
        refuse_linked_folders(store, target)
        if os.path.lexists(store.path(source)) and not os.path.lexists(store.path(target)):
            _move(store, source, target, disk)
    if is_restore_noted(store):
        _drop_note(store, disk)
    drop_finished_entries(store, disk)


def _read_note(store: Store) -> list[_Move]:
    try:
        data = read_small(_note(store), _LARGEST_NOTE) if not os.path.islink(_note(store)) else None
    except FileNotFoundError:
        return []
    try:
        moves = [(_decode(source), _decode(target)) for source, target in _NOTE.decode(data or b"")]
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _not_ours(store) from error
    if not all(_SOURCE.match(source) and _TARGET.match(target) for source, target in moves):
        raise _not_ours(store)
    return moves


def _not_ours(store: Store) -> Refused:
    return Refused(f"{clean(_note(store))} is not what Prunella writes; move it away first. Nothing was changed")


def is_restore_noted(store: Store) -> bool:
    """Whether a restore has begun and not ended."""
    return os.path.lexists(_note(store))


def drop_finished_entries(store: Store, disk: Disk) -> None:
    """Remove entries that hold nothing but their record, and the empty folders of the others."""
    for entry in read_trash(store):
        folder = os.path.join(store.trash, entry.id)
        remove_tree_of_folders(disk, folder)
        if all(os.path.basename(file.path) == RECORD for file in entry.files):
            for file in entry.files:
                disk.unlink(store.path(file.path))
            remove_tree_of_folders(disk, folder)


def _move(store: Store, source: str, target: str, disk: Disk) -> None:
    """Rename; what has come to the target's place meanwhile is not overwritten."""
    folder = os.path.dirname(store.path(target))
    if not os.path.isdir(folder):
        disk.make_folder(folder)
    if os.path.lexists(store.path(target)):
        raise FileExistsError(errno.EEXIST, "it came there meanwhile", store.path(target))
    disk.move(store.path(source), store.path(target))


def _write_note(store: Store, moves: Iterable[_Move], disk: Disk) -> None:
    note = [(_encode(source), _encode(target)) for source, target in moves]
    try:
        disk.write(_note(store), msgspec.json.encode(note))
    except OSError as error:
        with suppress(OSError):  # of a note that could not be written whole; without its name nobody reads it
            disk.unlink(f"{_note(store)}.new")
        raise Refused(f"cannot write {clean(_note(store))}: {error.strerror}; nothing was changed") from error


def _drop_note(store: Store, disk: Disk) -> None:
    disk.unlink(_note(store))


def _note(store: Store) -> str:
    return os.path.join(store.own, "restoring.json")


def _encode(path: str) -> str:
    """A path as JSON can hold it, whatever its bytes."""
    return os.fsencode(path).hex()


def _decode(text: str) -> str:
    return os.fsdecode(bytes.fromhex(text))


def _entry(plan: Plan) -> str:
    return getattr(plan.request, "entry", "")
