"""Folders opened one name at a time, so that no link on the way is followed, and small files read the same way."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", 0)


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
