"""Directory entries and small files, read without ever waiting on a pipe or following a link out of the store."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from prunella_core.sizes import File


class Progress(NamedTuple):
    """How far a scan is: manifests and blobs read so far."""

    manifests: int
    blobs: int


Report = Callable[[Progress], None]
"""Called every few hundred entries; what it raises ends the scan."""

REPORT_EVERY = 256


class Space(NamedTuple):
    """The file system that holds a store, in bytes; ``free`` is what its user may still write."""

    total: int
    free: int


def space_of(path: str) -> Space:
    """Ask the system. Raises OSError."""
    status = os.statvfs(path)
    return Space(status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize)


def silent(_progress: Progress) -> None:
    """Report to nobody."""


def file_from(relative: str, status: os.stat_result, target: str | None = None) -> File:
    """Describe an entry by its ``lstat`` result."""
    return File(
        relative,
        status.st_size,
        status.st_blocks * 512,
        status.st_mtime_ns,
        status.st_mode,
        status.st_dev,
        status.st_ino,
        status.st_nlink,
        target,
    )


def look_at(root: str, relative: str) -> File:
    """Describe the entry at ``relative`` below ``root`` without following it. Raises OSError."""
    path = os.path.join(root, relative)
    status = os.lstat(path)
    return file_from(relative, status, os.readlink(path) if stat.S_ISLNK(status.st_mode) else None)


def files_below(root: str, relative: str = "") -> Iterator[File]:
    """Describe every file and link below a folder of ``root``, in order. No link is followed, nor a folder that is one.

    Each is looked at when it is asked for, so that what happened since to another counts. Raises OSError.
    """
    folder = os.path.join(root, relative)
    if os.path.islink(folder):
        return
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except FileNotFoundError:  # gone, and so is what was in it
        return
    for entry in entries:
        below = f"{relative}/{entry.name}" if relative else entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from files_below(root, below)
            continue
        with suppress(FileNotFoundError):  # gone since it was listed
            yield look_at(root, below)


def read_small(path: str, limit: int) -> bytes | None:
    """Return the bytes of a regular file, or ``None`` when it has more than ``limit``. Raises OSError.

    ``O_NONBLOCK`` keeps a pipe that somebody put there from holding the scan for ever.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(22, "not a regular file", path)
        if status.st_size > limit:
            return None
        chunks = []
        while chunk := os.read(descriptor, max(status.st_size + 1, 4096)):
            chunks.append(chunk)
        return b"".join(chunks)
    finally:
        os.close(descriptor)
