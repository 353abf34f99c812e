"""A rename that overwrites nothing, as one system call where there is one: ``renameat2`` with ``RENAME_NOREPLACE``."""

import ctypes
import errno
import os
from collections.abc import Callable
from functools import cache

_NOREPLACE = 1
_HERE = -100  # AT_FDCWD: paths are not relative to an open folder
_NOT_OFFERED = (errno.ENOSYS, errno.EINVAL)


def rename_new(source: str, target: str) -> None:
    """Rename ``source`` to ``target``. Raises FileExistsError when something is there, and OSError as ``os.rename``.

    Where the system or the file system has no such call, looking comes just before renaming.
    """
    call = _renameat2()
    if call is None:
        _look_and_rename(source, target)
        return
    if call(_HERE, os.fsencode(source), _HERE, os.fsencode(target), _NOREPLACE) == 0:
        return
    code = ctypes.get_errno()
    if code in _NOT_OFFERED:
        _look_and_rename(source, target)
    else:
        raise OSError(code, os.strerror(code), source, None, target)


@cache
def _renameat2() -> Callable[..., int] | None:
    """The system call, looked up once."""
    call: Callable[..., int] | None = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    return call


def _look_and_rename(source: str, target: str) -> None:
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), source, None, target)
    os.rename(source, target)
