"""Files that go back to a place in the store, in an order in which Ollama may start at any instant."""

import errno
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from typing import NamedTuple

from prunella_core.apply.places import is_manifest
from prunella_core.fs.disk import Disk
from prunella_core.fs.sizes import File
from prunella_core.plan.records import FileError
from prunella_core.store.locate import Store

_LASTING = {"", "blobs", "manifests", "manifests-v2", "metadata", ".prunella", ".prunella/trash"}
"""Folders that stay, empty or not."""


class Move(NamedTuple):
    """A file and where it goes; both are relative to the store."""

    source: str
    target: str


def bring_back(store: Store, moves: Collection[Move], disk: Disk, clash: Callable[[Move], None]) -> Iterator[Move]:
    """Move files to where they belong, yielding each step; ``clash`` decides where another file is in the place.

    Ollama's start deletes blobs that no manifest names, and a manifest must not stand without its blobs. So blobs get
    a second name first, manifests follow, and our names of the blobs go last. Where second names cannot be given, the
    manifests come first. A source that is not there is done already. Raises OSError.
    """
    manifests = [move for move in moves if is_manifest(move.source) or is_manifest(move.target)]
    others = [move for move in moves if not (is_manifest(move.source) or is_manifest(move.target))]
    for move in others:
        _lend_name(store, move, disk)
        yield move
    for move in (*manifests, *others):
        _settle(store, move, disk, clash)
        yield move


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


def require_same(is_same: bool, file: File) -> None:
    """Raise OSError where an entry is another one than was planned."""
    if not is_same:
        raise OSError(errno.ESTALE, "it was changed meanwhile", file.path)


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
