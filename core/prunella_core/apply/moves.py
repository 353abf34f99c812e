"""Files that go back to a place in the store, in an order in which Ollama may start at any instant."""

import errno
import os
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import NamedTuple

from prunella_core.fs.disk import Disk
from prunella_core.fs.sizes import File
from prunella_core.ollama.names import is_whole_name, place_of
from prunella_core.plan.records import FileError
from prunella_core.store import Store

_GUARD = ".prunella/guard"
_LASTING = {"", "blobs", "manifests", "manifests-v2", "metadata", ".prunella", ".prunella/trash"}
"""Folders that stay, empty or not."""


class Move(NamedTuple):
    """A file and where it goes; both are relative to the store."""

    source: str
    target: str


def bring_back(
    store: Store, moves: Iterable[Move], disk: Disk, clash: Callable[[Move], None], step: Callable[[], object] = bool
) -> None:
    """Move files to where they belong; ``clash`` decides where another file is in the place.

    Ollama's start deletes blobs that no manifest names, and a manifest must not stand without its blobs. So blobs get
    a second name first, manifests follow, and our names of the blobs go last. Where second names cannot be given, the
    manifests come first. A source that is not there is done already. Raises OSError.
    """
    ordered = sorted(moves, key=_is_other)
    for move in filter(_is_other, ordered):
        _lend_name(store, move, disk)
        step()
    for move in ordered:
        _settle(store, move, disk, clash)
        step()


def _is_other(move: Move) -> bool:
    return not (is_manifest(move.source) or is_manifest(move.target))


def _lend_name(store: Store, move: Move, disk: Disk) -> None:
    target = store.path(move.target)
    if disk.status(target) is None and disk.status(store.path(move.source)) is not None:
        with suppress(OSError):  # no second names here, or no room: the rename that follows does without, or fails
            _make_folder_of(target, disk)
            disk.link(store.path(move.source), target)


def _settle(store: Store, move: Move, disk: Disk, clash: Callable[[Move], None]) -> None:
    source, target = store.path(move.source), store.path(move.target)
    ours, there = disk.status(source), disk.status(target)
    if ours is None:
        return
    if there is None:
        _make_folder_of(target, disk)
        disk.move(source, target)
    elif os.path.samestat(ours, there):
        disk.unlink(source)
    else:
        clash(move)


def _make_folder_of(path: str, disk: Disk) -> None:
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        disk.make_folder(folder)


def is_same(status: os.stat_result | None, file: File) -> bool:
    """Whether an entry is the very file that was planned, unchanged."""
    if status is None:
        return False
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns) == file.identity


def changed(file: File) -> OSError:
    """What is wrong where an entry is another one than was planned."""
    return OSError(errno.ESTALE, "it was changed meanwhile", file.path)


def unlink(store: Store, path: str, file: File, disk: Disk) -> int:
    """Unlink a file, and what the guard has of it; return the bytes that left the disk with it. Raises OSError."""
    drop_guarded(store, file, disk)
    now = disk.status(path) if file.links > 1 else None  # another link may have gone since
    disk.unlink(path)
    return file.own if file.links <= 1 or (now and now.st_nlink <= 1) else 0


def drop_guarded(store: Store, file: File, disk: Disk) -> None:
    """Unlink what the guard has of a file that is deleted for good: another link to it, or a copy. Raises OSError."""
    if not os.path.isdir(store.path(_GUARD)):
        return
    twin = store.path(f"{_GUARD}/{place_of(file.path).inner}")
    there = disk.status(twin)
    if there and ((there.st_dev, there.st_ino) == file.identity[:2] or _is_copy(there, file)):
        disk.unlink(twin)
        drop_empty_folders(store, [f"{_GUARD}/{place_of(file.path).inner}"], disk)


def _is_copy(status: os.stat_result, file: File) -> bool:
    return (status.st_size, status.st_mtime_ns) == file.identity[2:]


def drop_empty_folders(store: Store, paths: Collection[str], disk: Disk) -> list[FileError]:
    """Remove the folders that files leave empty, as ``ollama rm`` does; return what stood in the way.

    The space is free all the same.
    """
    errors = []
    for folder in sorted({os.path.dirname(path) for path in paths}):
        try:
            while folder not in _LASTING and disk.remove_if_empty(store.path(folder)):
                folder = os.path.dirname(folder)
        except OSError as error:
            errors.append(FileError(path=folder, message=f"stays, empty: {error.strerror}"))
    return errors


def is_own(path: str) -> bool:
    """Whether a path relative to the store lies in our own folder."""
    return path.startswith(".prunella/")


def is_manifest(path: str) -> bool:
    """Whether a path relative to the store is that of a manifest there, not in the trash."""
    return path.startswith(("manifests/", "manifests-v2/"))


def is_whole(path: str) -> bool:
    """Whether it is a whole blob, of the store or of the trash."""
    return key_of(path) != path


def key_of(path: str) -> str:
    """What a manifest or a link needs a file by: the digest of a whole blob, the path of everything else."""
    folder, _slash, name = path.rpartition("/")
    if folder == "blobs" and is_whole_name(name):  # nearly always, and quick
        return f"sha256:{name[7:]}"
    return place_of(path).whole or path
