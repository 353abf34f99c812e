"""Brings back what the trash holds, by rename. A note says what is to be moved, so that a killed run is finished."""

import os
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from prunella_core.apply.disk import Disk, remove_tree_of_folders
from prunella_core.apply.lock import sign
from prunella_core.errors import Refused
from prunella_core.plan import Plan, Receipt
from prunella_core.scan import RECORD, read_trash
from prunella_core.store import Store
from prunella_core.text import clean

_Move = tuple[str, str]


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
        for source, target in reversed(done):
            _move(store, target, source, disk)
        _drop_note(store, disk)
        where = clean(str(error.filename2 or error.filename or store.root))
        raise Refused(f"cannot restore {where}: {error.strerror}; everything is back in the trash") from error
    _drop_note(store, disk)
    drop_finished_entries(store, disk)
    return Receipt(plan=plan, id=_entry(plan), done=True, freed=0, removed=tuple(target for _source, target in moves))


def refuse_linked_folders(store: Store, relative: str) -> None:
    """Raise Refused when a folder on the way to a place in the store is a link: it could lead out of it."""
    folder = os.path.dirname(relative)
    while "/" in folder:
        if os.path.islink(store.path(folder)):
            raise Refused(f"{clean(folder)} is a link, and nothing is put back through one; remove the link first")
        folder = os.path.dirname(folder)


def finish_restore(store: Store, disk: Disk) -> None:
    """Finish a restore that was killed: the note says what is still to be moved. Raises OSError."""
    try:
        with open(_note(store), "rb") as file:
            moves = msgspec.json.decode(file.read(), type=list[tuple[str, str]])
    except FileNotFoundError:
        return
    for source, target in moves:
        paths = _decode(source), _decode(target)
        if os.path.lexists(store.path(paths[0])) and not os.path.lexists(store.path(paths[1])):
            _move(store, *paths, disk)
    _drop_note(store, disk)
    drop_finished_entries(store, disk)


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
    disk.make_folder(os.path.dirname(store.path(target)))
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
