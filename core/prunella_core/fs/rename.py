"""A rename that overwrites nothing, as one system call where there is one: ``renameat2`` with ``RENAME_NOREPLACE``."""

import errno
import os
import sys
from collections.abc import Callable
from functools import cache

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
