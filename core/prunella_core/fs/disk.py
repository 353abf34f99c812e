"""Every system call that changes a store, in one place. Tests pass a Disk that fails where they want it to."""

import errno
import fcntl
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache, cached_property

from prunella_core.fs.files import open_folder, require_regular

_NOREPLACE = 1
_NOT_OFFERED = (errno.ENOSYS, errno.EINVAL)

Entry = tuple[int, str]
"""An open folder, and a name in it."""


def rename_new(source: Entry, target: Entry) -> None:
    """Rename ``source`` to ``target``. Raises FileExistsError when something is there, and OSError as ``os.rename``.

    Where the system or the file system has no such call, looking comes just before renaming.
    """
    call = _renameat2()
    if call is None:
        _look_and_rename(source, target)
        return
    sys.audit("os.rename", source[1], target[1], source[0], target[0])  # as os.rename does
    if call(source[0], os.fsencode(source[1]), target[0], os.fsencode(target[1]), _NOREPLACE) == 0:
        return
    from ctypes import get_errno

    code = get_errno()
    if code in _NOT_OFFERED:
        _look_and_rename(source, target)
    else:
        raise OSError(code, os.strerror(code), source[1], None, target[1])


def inode(entry: Entry) -> tuple[int, int] | None:
    """Device and inode of what ``entry`` names itself, link or not; ``None`` when there is nothing."""
    try:
        status = os.stat(entry[1], dir_fd=entry[0], follow_symlinks=False)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


@cache
def _renameat2() -> Callable[..., int] | None:
    """The system call, looked up once."""
    from ctypes import CDLL  # late: it takes as long to import as a small store to read

    call: Callable[..., int] | None = getattr(CDLL(None, use_errno=True), "renameat2", None)
    return call


def _look_and_rename(source: Entry, target: Entry) -> None:
    moving = inode(source)
    if inode(target) is not None:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), source[1], None, target[1])
    try:
        os.rename(source[1], target[1], src_dir_fd=source[0], dst_dir_fd=target[0])
    except FileNotFoundError:
        if moving is None or inode(target) != moving:  # else NFS did it, and answers a retried request
            raise


_KEPT_OPEN = 8
_FICLONE = 0x40049409
"""Linux: makes a file share the extents of another (ioctl_ficlonerange(2))."""


class Disk:
    """The real disk. Paths are absolute, no link on the way is followed, and every method raises OSError.

    The folders that were used last stay open until ``close``: most calls are about the same few.
    """

    def make_folder(self, path: str) -> None:
        """Create a folder and those above it, owned as the folder that they are made in.

        An administrator who restores a model must not leave folders that the store's owner cannot write to.
        """
        missing = []
        while not self._reopen(path):
            missing.append(path)
            path = os.path.dirname(path)
        for folder in reversed(missing):
            parent, name = self._entry(folder)
            with suppress(FileExistsError):  # Ollama has just made it
                os.mkdir(name, dir_fd=parent)
            made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
            try:
                give_to_owner_of(parent, made)
            finally:
                os.close(made)

    def move(self, source: str, target: str) -> None:
        """Rename within one file system; never copies, and never overwrites what is there already."""
        rename_new(self._entry(source), self._entry(target))
        self._forget(source)

    def link(self, source: str, target: str) -> None:
        """Give a file a second name; a symbolic link is linked as such. Nothing is overwritten."""
        old, new = self._entry(source), self._entry(target)
        try:
            os.link(old[1], new[1], src_dir_fd=old[0], dst_dir_fd=new[0], follow_symlinks=False)
        except FileExistsError:
            if inode(old) != inode(new):  # else NFS did it, and answers a retried request
                raise

    def unlink(self, path: str) -> None:
        """Remove one directory entry; of a link, the link."""
        folder, name = self._entry(path)
        os.unlink(name, dir_fd=folder)

    def remove_folder(self, path: str) -> None:
        """Remove an empty folder."""
        folder, name = self._entry(path)
        os.rmdir(name, dir_fd=folder)
        self._forget(path)

    def write(self, path: str, data: bytes, mtime_ns: int | None = None, mode: int = 0o644) -> None:
        """Write a new file durably: under another name, flushed to the disk, then renamed into place.

        A copy keeps the time at which the original was written.
        """
        folder, name = self._entry(path)
        temporary = f"{name}.new"
        with suppress(FileNotFoundError):  # of a run that was killed; or a link, which must not be written through
            os.unlink(temporary, dir_fd=folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, mode, dir_fd=folder)
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
                give_to_owner_of(folder, descriptor)
                if mtime_ns is not None:
                    os.utime(descriptor, ns=(mtime_ns, mtime_ns))
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):  # the first failure is the one to report
                os.unlink(temporary, dir_fd=folder)
            raise

    def open_part(self, path: str) -> int:
        """Open a file to read and write, and make it where it is not there.

        Not to append: what only appends cannot share the extents of another file.
        """
        folder, name = self._entry(path)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        part = os.open(name, flags, 0o644, dir_fd=folder)
        try:
            require_regular(part, path)
            give_to_owner_of(folder, part)
        except BaseException:
            os.close(part)
            raise
        return part

    def append(self, part: int, data: memoryview) -> None:
        """Write all of ``data`` to an open file that was read to its end."""
        while data:
            data = data[os.write(part, data) :]

    def clone(self, source: int, part: int) -> bool:
        """Let an empty open file share all extents of another; say whether the file system can do that."""
        try:
            fcntl.ioctl(part, _FICLONE, source)
        except OSError:
            return False
        return True

    def flush(self, part: int, mode: int) -> None:
        """Write an open file through to the disk; give it its mode first, where the file system has modes."""
        with suppress(PermissionError):
            os.fchmod(part, mode)
        os.fsync(part)

    def replace(self, source: str, target: str) -> None:
        """Rename within one file system over what is there."""
        old, new = self._entry(source), self._entry(target)
        os.rename(old[1], new[1], src_dir_fd=old[0], dst_dir_fd=new[0])

    def touch(self, path: str, times: tuple[int, int]) -> None:
        """Set atime and mtime of a file (nanoseconds), of a link its own."""
        folder, name = self._entry(path)
        os.utime(name, ns=times, dir_fd=folder, follow_symlinks=False)

    def settle(self, folder: str) -> None:
        """Make the renames in ``folder`` durable, unless the file system has no way to."""
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._folder(folder))
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:  # SMB
                raise
        finally:
            os.close(descriptor)

    def remove_if_empty(self, path: str) -> bool:
        """Remove a folder unless something is in it; say whether it is gone now."""
        try:
            with suppress(FileNotFoundError):
                self.remove_folder(path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            return False
        return True

    def status(self, path: str) -> os.stat_result | None:
        """What is at ``path``, a link as itself; ``None`` when there is nothing."""
        try:
            folder, name = self._entry(path)
            return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def close(self) -> None:
        """Close the folders that are open."""
        while self._open:
            os.close(self._open.popitem()[1])

    @cached_property
    def _open(self) -> dict[str, int]:
        return {}

    def _entry(self, path: str) -> Entry:
        folder, _slash, name = path.rpartition("/")
        return self._folder(folder), name

    def _folder(self, path: str) -> int:
        folder = self._open.pop(path, None)
        if folder is None:
            folder = open_folder(path)
            if len(self._open) >= _KEPT_OPEN:
                os.close(self._open.pop(next(iter(self._open))))
        self._open[path] = folder  # last: the first is the one that has not been used for longest
        return folder

    def _reopen(self, path: str) -> bool:
        """Whether the folder is there; another one may have come in its place since it was opened."""
        self._forget(path)
        try:
            self._folder(path)
        except FileNotFoundError:
            return False
        return True

    def _forget(self, path: str) -> None:
        below = f"{path}/"
        for known in [known for known in self._open if known == path or known.startswith(below)]:
            os.close(self._open.pop(known))


def give_to_owner_of(folder: str | int, made: str | int) -> None:
    """Give what an administrator made to the owner of the folder that it was made in: it is their store.

    Each is an open descriptor or a path; of a path that has become a link, the link is given away, not its target.
    """
    if os.geteuid() == 0:
        owner = os.stat(folder)
        os.chown(made, owner.st_uid, owner.st_gid, follow_symlinks=isinstance(made, int))


def remove_tree_of_folders(disk: Disk, folder: str) -> None:
    """Remove ``folder`` and the empty folders in it; one that still holds a file stays, and a link is not followed."""
    if os.path.islink(folder):
        return
    for where, _folders, _files in os.walk(folder, topdown=False):
        if not os.listdir(where):  # as it is now, without the folders that have just gone
            disk.remove_if_empty(where)
