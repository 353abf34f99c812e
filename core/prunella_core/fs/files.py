"""Directory entries, folders and small files, read without ever waiting on a pipe. All sizes are bytes."""

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from msgspec import Struct

from prunella_core.fs.caller import for_caller
from prunella_core.fs.mounts import WITH_REFLINKS, mount_of, shared_bytes

BLOCK = 512
"""Bytes that ``st_blocks`` counts in, whatever the file system's own blocks are."""

_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", 0)


class File(Struct, frozen=True, gc=False, omit_defaults=True):
    """One directory entry as ``lstat`` saw it; ``path`` is relative to the store."""

    path: str
    size: int
    allocated: int
    mtime_ns: int
    mode: int
    device: int
    inode: int
    links: int
    target: str | None = None
    """Where it points, when it is a symbolic link."""
    shared: int = 0
    """Bytes in extents that other files have too (reflinks)."""

    @property
    def own(self) -> int:
        """Bytes that leave the disk with its last link."""
        return max(self.allocated - self.shared, 0)

    @property
    def is_regular(self) -> bool:
        """Whether it is an ordinary file: neither link, folder, socket nor device."""
        return stat.S_ISREG(self.mode)

    @property
    def identity(self) -> tuple[int, int, int, int]:
        """What changes when the file is replaced or written."""
        return self.device, self.inode, self.size, self.mtime_ns


def allocated(files: Iterable[File]) -> int:
    """Bytes that the distinct files take: ``st_blocks * 512``, hard links to one file counted once."""
    return sum({(file.device, file.inode): file.allocated for file in files}.values())


def reclaimed_each(files: Iterable[File]) -> list[int]:
    """For each file, the bytes that leave the disk with it when exactly this set goes.

    A file counts when its last link goes with the set, and then once, at the last of its entries; a symbolic link
    counts as itself; extents that other files share do not count. The sum is what the whole set gives back.
    """
    gone: Counter[tuple[int, int]] = Counter()
    result = []
    for file in files:
        if file.links <= 1:
            result.append(file.own)
            continue
        identity = file.device, file.inode
        gone[identity] += 1
        result.append(file.own if gone[identity] == file.links else 0)
    return result


def reclaimed(files: Iterable[File]) -> int:
    """Bytes that leave the disk when exactly this set of files goes."""
    return sum(reclaimed_each(files))


def open_folder(path: str) -> int:
    """Open the folder at an absolute path. Raises OSError; NotADirectoryError where a link is on the way."""
    folder = os.open("/", _FOLDER)
    for name in path.split("/"):
        if not name:
            continue
        try:
            below = os.open(name, _FOLDER, dir_fd=folder)
        except OSError as error:
            raise type(error)(error.errno, error.strerror, path) from None
        finally:
            os.close(folder)
        folder = below
    return folder


@contextmanager
def opened(path: str) -> Iterator[tuple[int, str]]:
    """An open descriptor of the folder that ``path`` lies in, and its name there. Raises OSError."""
    where, name = os.path.split(path)
    folder = open_folder(where)
    try:
        yield folder, name
    finally:
        os.close(folder)


def require_regular(descriptor: int, path: str) -> None:
    """Raise OSError where what is open is a pipe, a folder or a device."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "not an ordinary file", path)


def read_own(path: str, limit: int) -> bytes | None:
    """Return the bytes of a file that Prunella wrote, or ``None`` when it has more than ``limit``.

    Raises OSError, also for a link, a pipe, and anything else that is no ordinary file.
    """
    with opened(path) as (folder, name):
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with open(descriptor, "rb") as file:
        require_regular(descriptor, path)
        data = file.read(limit + 1)
    return data if len(data) <= limit else None


def file_from(relative: str, status: os.stat_result, target: str | None = None, shared: int = 0) -> File:
    """Describe an entry by its ``lstat`` result."""
    return File(
        relative,
        status.st_size,
        status.st_blocks * BLOCK,
        status.st_mtime_ns,
        status.st_mode,
        status.st_dev,
        status.st_ino,
        status.st_nlink,
        target,
        shared,
    )


def look_at(root: str, relative: str, with_extents: bool = False) -> File:
    """Describe the entry at ``relative`` below ``root``, a link as itself. Raises OSError."""
    return look_in(None, os.path.join(root, relative), relative, with_extents)


def look_in(folder: int | None, name: str, relative: str, with_extents: bool = False) -> File:
    """Describe the entry ``name`` of an open folder, if wished with its shared extents. Raises OSError."""
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    target = os.readlink(name, dir_fd=folder) if stat.S_ISLNK(status.st_mode) else None
    has_blocks = with_extents and stat.S_ISREG(status.st_mode) and status.st_blocks
    return file_from(relative, status, target, shared_bytes(name, folder) if has_blocks else 0)


def files_below(root: str, relative: str = "", with_extents: bool = False) -> Iterator[File]:
    """Describe every file and link below a folder of ``root``, in order. No link is followed, nor a folder that is one.

    Each is looked at when it is asked for, so that what happened since to another counts. Raises OSError.
    """
    return _below(os.path.join(root, relative), relative, with_extents, None)


def _below(path: str, relative: str, with_extents: bool, parent: int | None) -> Iterator[File]:
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    except FileNotFoundError:  # gone, and so is what was in it
        return
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP) and stat.S_ISLNK(_mode(path, parent)):
            return
        raise
    try:
        for name in sorted(os.listdir(folder)):
            below = f"{relative}/{name}" if relative else name
            with suppress(FileNotFoundError):  # gone since it was listed
                if stat.S_ISDIR(_mode(name, folder)):
                    yield from _below(name, below, with_extents, folder)
                else:
                    yield look_in(folder, name, below, with_extents)
    finally:
        os.close(folder)


def _mode(name: str, folder: int | None) -> int:
    return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode


def read_small(path: str, limit: int) -> bytes | None:
    """Return the bytes of a regular file, or ``None`` when it has more than ``limit``. Raises OSError."""
    return read_with_status(path, limit)[1]


def read_with_status(path: str, limit: int) -> tuple[os.stat_result, bytes | None]:
    """Return what a regular file is, and its bytes, or ``None`` when it has more than ``limit``. Raises OSError.

    ``O_NONBLOCK`` keeps a pipe put in its place from holding the scan for ever.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(22, "not a regular file", path)
        if status.st_size > limit:
            return status, None
        data = os.read(descriptor, status.st_size + 1)
        if len(data) != status.st_size:  # it is being written; nearly never, and else its end needs no asking for
            while chunk := os.read(descriptor, 4096):
                data += chunk
        return status, data
    finally:
        os.close(descriptor)


def has_reflinks(path: str) -> bool:
    """Whether files below ``path`` may share extents with others."""
    return mount_of(path).kind in WITH_REFLINKS


def write_file(path: str, data: bytes, store_root: str, *, over: bool = False) -> None:
    """Write a file that is not there yet, as the caller unless it lies in the store; nothing stays half written.

    ``over`` one that is there, a reader sees the old one or the new one, whole. Raises OSError.
    """
    is_in_store = os.path.realpath(path).startswith(store_root + os.sep)
    (_write if is_in_store else _write_as_caller)(path, data.decode("latin-1"), over)


def _write(path: str, text: str, over: bool) -> None:
    new = f"{path}.{os.getpid()}" if over else path
    if over:
        with suppress(FileNotFoundError):  # of a run that was killed
            os.unlink(new)
    with open(new, "xb") as file:
        try:
            file.write(text.encode("latin-1"))
            file.flush()
        except OSError:
            os.unlink(new)
            raise
    if over:  # it is closed by now, and only that says on NFS whether all of it is written
        try:
            os.replace(new, path)
        except OSError:
            os.unlink(new)
            raise


_write_as_caller = for_caller(_write)
