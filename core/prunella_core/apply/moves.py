"""What a store needs right now, and files that go back to it in an order in which Ollama may start at any instant."""

import errno
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Set
from contextlib import suppress
from typing import NamedTuple

from prunella_core.base.text import SETTLING_SECONDS
from prunella_core.fs.disk import Disk
from prunella_core.fs.files import File
from prunella_core.inventory.records import Inventory, Problem, State
from prunella_core.ollama.names import FileKind, is_whole_name, place_of
from prunella_core.plan.records import FileError
from prunella_core.scan.blobs import BlobReading, led_to, read_blobs
from prunella_core.scan.manifests import read_manifests
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
    twin = f"{_GUARD}/{place_of(file.path).inner}"
    there = disk.status(store.path(twin))
    is_link = there and (there.st_dev, there.st_ino) == file.identity[:2]
    if is_link or (there and (there.st_size, there.st_mtime_ns) == file.identity[2:]):
        disk.unlink(store.path(twin))
        drop_empty_folders(store, [twin], disk)


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


_SIGNS = {State.PARTIAL, State.LEFTOVER, State.UNREFERENCED}
_NEWS = {FileKind.PARTIAL, FileKind.LEFTOVER, FileKind.WHOLE}


class Look(NamedTuple):
    """What a store says at one moment."""

    needed: Set[str]
    """Digests that a manifest needs, and what they lead to where they are links."""
    hiding: tuple[Problem, ...]
    """What could hide that a manifest needs more."""
    signs: frozenset[str]
    """Keys of what a pull or create that is running may have written. Its manifest comes last."""


def look(store: Store, now: float) -> Look:
    """Read manifests and list ``blobs/`` at ``now`` (seconds, UTC)."""
    reading = read_manifests(store)
    found = read_blobs(store)
    needed = reading.needed | led_to(store, reading.needed, found)
    needed |= _targets(found, needed)
    news = [
        (key, files)
        for key, files in found.rows.items()
        if found.kinds.get(key, FileKind.WHOLE) in _NEWS and key not in needed
    ]
    signs = _fresh(news, now)
    return Look(needed, tuple(problem for problem in reading.problems if problem.blocks_prune), frozenset(signs))


def _targets(found: BlobReading, needed: Set[str]) -> frozenset[str]:
    """What needed links name, also where that is set aside."""
    links = [file.target for key in found.links if key in needed for file in found.rows[key] if file.target]
    return frozenset(key_of(f"blobs/{os.path.basename(target)}") for target in links)


def signs_in(inventory: Inventory, now: float) -> frozenset[str]:
    """What is no sign of a new pull: the signs that a scan has seen, and blobs that a model needed then."""
    rows = [(blob.digest or blob.key, blob.files) for blob in inventory.blobs if blob.state in _SIGNS]
    needed = [blob.digest for blob in inventory.blobs if blob.state is State.REFERENCED and blob.digest]
    return frozenset((*_fresh(rows, now), *needed))


def _fresh(rows: Iterable[tuple[str, tuple[File, ...]]], now: float) -> Iterator[str]:
    oldest = (now - SETTLING_SECONDS) * 1e9
    for key, files in rows:
        if any(file.mtime_ns > oldest for file in files):
            yield key.removesuffix("-partial")


def still_needed(store: Store, files: Iterable[File], needed: Set[str]) -> list[File]:
    """Which of the files that are set aside a manifest needs, or a link among them that one needs, over every hop.

    One of the trash is needed when it is the last.
    """
    files = list(files)
    by_name = {os.path.basename(file.path): file for file in files}
    found = {file.path: file for file in files if key_of(file.path) in needed and not _is_elsewhere(store, file)}
    waiting = list(found.values())
    for file in waiting:
        target = by_name.get(os.path.basename(file.target or ""))
        if target and target.path not in found:
            found[target.path] = target
            waiting.append(target)
    return waiting


def _is_elsewhere(store: Store, file: File) -> bool:
    return is_own(file.path) and os.path.lexists(store.path(f"blobs/{os.path.basename(file.path)}"))
