"""Brings back what the trash holds. A note says what is to be moved, so that a killed run is finished."""

import errno
import os
import re
from collections.abc import Iterable
from contextlib import closing, suppress

import msgspec

from prunella_core.apply.folder import Folder, drop_finished_entries
from prunella_core.apply.moves import Move, bring_back, drop_empty_folders, is_manifest, is_same, is_whole, key_of, look
from prunella_core.apply.work import Work, World
from prunella_core.base.errors import Cancelled, Refused
from prunella_core.base.text import clean
from prunella_core.fs.disk import Disk
from prunella_core.fs.files import read_own, read_small
from prunella_core.ollama.manifest import LARGEST_MANIFEST
from prunella_core.ollama.names import Area
from prunella_core.plan.records import FileError, PlannedFile, Receipt
from prunella_core.scan.own import RECORD, RESTORING
from prunella_core.store import Store
from prunella_core.store.access import lock, sign

_NOTE = msgspec.json.Decoder(list[tuple[str, ...]])
_LARGEST_NOTE = 64 * 1024 * 1024
_PLACE = r"(?!\.prunella/)(?:(?!\.\.?/)[^/]+/)+(?!\.\.?\Z)[^/]+\Z"
_SOURCE = re.compile(r"\.prunella/trash/(?!\.\.?/)[^/]+/" + _PLACE, re.DOTALL)
_TARGET = re.compile(_PLACE, re.DOTALL)


def restore(work: Work) -> Receipt:
    """Move every planned file to its target. Raises Refused with all back in the trash."""
    store, moves = work.store, _moves(work.plan.files)
    for move in moves:
        _refuse_linked_folders(store, move.target)
    sign(store)
    _write_note(work)
    work.moved += work.plan.files
    try:
        bring_back(store, moves, work.disk, _clash, lambda: _step(work))
    except Cancelled:
        return work.undone(_move_back(work), cancelled=True)
    except OSError as error:
        if len(_arrived(work)) == len(moves):  # but for our own names of it, which the next run removes
            work.errors.append(_halfway(error))
        elif stuck := _move_back(work):
            work.errors += stuck
            work.moved = [item for item in work.moved if os.path.lexists(store.path(item.target or ""))]
        else:
            where = clean(str(error.filename2 or error.filename or store.root))
            raise Refused(f"cannot restore {where}: {error.strerror}; everything is back in the trash") from error
    except BaseException:
        _move_back(work)
        raise
    else:
        work.errors += _tidy_up(work)
    return work.receipt()


def _moves(files: Iterable[PlannedFile]) -> list[Move]:
    return [Move(item.file.path, item.target) for item in files if item.target]


def _step(work: Work) -> None:
    work.step(1, "restoring")
    if work.world.cancelled():
        raise Cancelled


def _clash(move: Move) -> None:
    raise FileExistsError(errno.EEXIST, "it is there again", move.target)


def _arrived(work: Work) -> list[PlannedFile]:
    """What is at its target, or has a second name there."""
    there = work.disk.status
    return [item for item in work.plan.files if is_same(there(work.store.path(item.target or "")), item.file)]


def _move_back(work: Work) -> list[FileError]:
    """Undo what was moved; return what stands in the way: the note stays then, for the next run."""
    back = [Move(move.target, move.source) for move in _moves(_arrived(work))]
    try:
        bring_back(work.store, back, work.disk, _clash)
        work.disk.unlink(_note(work.store))
    except OSError as error:
        return [_halfway(error)]
    return drop_empty_folders(work.store, [str(item.target) for item in work.plan.files], work.disk)


def _halfway(error: OSError) -> FileError:
    message = f"the restore stopped halfway ({error.strerror}); the next rm or restore finishes or undoes it"
    return FileError(path=f".prunella/{RESTORING}", message=message)


def _tidy_up(work: Work) -> list[FileError]:
    """Everything is in its place: what is left over is an error, and no reason to fail."""
    errors = drop_empty_folders(work.store, [item.file.path for item in work.plan.files], work.disk)
    try:
        _drop_second_names(work)
        drop_finished_entries(work.store, work.disk)
        work.disk.unlink(_note(work.store))
    except OSError as error:
        errors.append(FileError(path=".prunella", message=f"its rest stays until the next run: {error.strerror}"))
    return errors


def _drop_second_names(work: Work) -> None:
    """Drop from the entry what never left the store: it would keep the bytes there, and be nothing to restore."""
    entry = Folder(work.store, work.disk, Area.TRASH, work.id)
    status, dropped = work.disk.status, []
    for path in list(entry.paths()):
        ours, theirs = status(f"{entry.path}/{path}"), status(work.store.path(path))
        if ours and theirs and os.path.samestat(ours, theirs):
            work.disk.unlink(f"{entry.path}/{path}")
            dropped.append(f"{entry.inside}/{path}")
    drop_empty_folders(work.store, dropped, work.disk)


def _refuse_linked_folders(store: Store, relative: str) -> None:
    """Raise Refused when a folder on the way to a place in the store is a link: it could lead out of it."""
    folder = os.path.dirname(relative)
    while folder:
        if os.path.islink(store.path(folder)):
            raise Refused(f"{clean(folder)} is a link; Prunella restores nothing through links: remove it first")
        folder = os.path.dirname(folder)


def recover_restore(store: Store, disk: Disk) -> None:
    """Undo a restore that was killed before its last manifest was in place, and finish it after that.

    Raises OSError, and Refused when the note is none of ours.
    """
    if not is_restore_noted(store):
        return
    noted = _read_note(store)
    moves = [move for move, _mtime in noted]
    for path in (path for move in moves for path in move):
        _refuse_linked_folders(store, path)
    left = [move for move in moves if is_manifest(move.target) and disk.status(store.path(move.source))]
    if left and all(mtime is not None for _move, mtime in noted):
        there = [(move, mtime, disk.status(store.path(move.target))) for move, mtime in noted]
        moves = [
            Move(move.target, move.source) for move, mtime, status in there if status and status.st_mtime_ns == mtime
        ]
    bring_back(store, moves, disk, lambda _move: None)  # what is there again stays
    drop_empty_folders(store, [path for move, _mtime in noted for path in move], disk)
    disk.unlink(_note(store))


def _read_note(store: Store) -> list[tuple[Move, int | None]]:
    """The moves of a restore, with the mtimes of the files; a note of an earlier release is without."""
    with suppress(OSError, msgspec.MsgspecError, ValueError, RecursionError):
        data = read_own(_note(store), _LARGEST_NOTE)
        noted = [
            (Move(*(os.fsdecode(bytes.fromhex(path)) for path in (source, target))), int(mtime[0]) if mtime else None)
            for source, target, *mtime in _NOTE.decode(data or b"")
        ]
        if all(_SOURCE.match(move.source) and _TARGET.match(move.target) for move, _mtime in noted):
            return noted
    raise Refused(f"{clean(_note(store))} is not what Prunella writes; move it away first. Nothing was changed")


def is_restore_noted(store: Store) -> bool:
    """Whether a restore has begun and not ended."""
    return os.path.lexists(_note(store))


def _write_note(work: Work) -> None:
    path, files = _note(work.store), work.plan.files
    note = [
        (*(os.fsencode(path).hex() for path in move), str(item.file.mtime_ns))  # JSON holds them, whatever their bytes
        for item, move in zip(files, _moves(files), strict=True)
    ]
    try:
        work.disk.write(path, msgspec.json.encode(note))
    except OSError as error:
        raise Refused(f"cannot write {clean(path)}: {error.strerror}; nothing was changed") from error


def _note(store: Store) -> str:
    return os.path.join(store.own, RESTORING)


def put_back(store: Store, identity: str, world: World) -> bool:
    """Give the store what its models miss and an entry of the trash has, under the same name in both.

    An entry of which the store has everything then is dropped; returns whether it stays. Raises Refused and OSError.
    """
    with lock(store), closing(world.disk or Disk()) as disk:
        entry = Folder(store, disk, Area.TRASH, identity)
        needed = look(store, 0).needed
        for path in [path for path in entry.paths() if is_whole(path) and key_of(path) in needed]:
            if disk.status(store.path(path)) is None:
                disk.link(f"{entry.path}/{path}", store.path(path))
        if not all(_has(store, entry, path) for path in entry.paths() if path != RECORD):
            return True
        entry.undo()
        disk.remove_if_empty(store.trash)
        return False


def _has(store: Store, entry: Folder, path: str) -> bool:
    """Whether the store has a file of an entry: the very file, of a manifest the same bytes."""
    ours, theirs = f"{entry.path}/{path}", store.path(path)
    if not os.path.lexists(theirs):
        return False
    if is_manifest(path):
        return read_small(ours, LARGEST_MANIFEST) == read_small(theirs, LARGEST_MANIFEST)
    return os.path.samestat(os.lstat(ours), os.lstat(theirs))
