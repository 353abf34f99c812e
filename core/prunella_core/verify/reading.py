"""Reads one file for its hash, without a trace and without ever waiting on a pipe."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from typing import NamedTuple

from prunella_core.ledger.verdicts import Identity, identity_of

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_WITHOUT_ATIME: int = getattr(os, "O_NOATIME", 0)


class Reader:
    """Opens and reads; what a test puts in its place."""

    def open(self, path: str) -> int:
        """Open ``path``, if the system allows so that its atime stays: only its owner may. Raises OSError."""
        try:
            return os.open(path, _FLAGS | _WITHOUT_ATIME)
        except PermissionError:
            return os.open(path, _FLAGS)

    def read(self, descriptor: int, buffer: memoryview) -> int:
        """Read into ``buffer`` and return how many bytes came. Raises OSError."""
        return os.readv(descriptor, [buffer])


class Reading(NamedTuple):
    """The hash of a file, and what the file was when it was opened and when it was read."""

    digest: str
    before: Identity
    after: Identity


def read_file(path: str, reader: Reader, buffer: memoryview, count: Callable[[int], None]) -> Reading:
    """Hash the regular file at ``path``, links followed; ``count`` is told the bytes as they come.

    Raises OSError when it cannot be read to its end.
    """
    descriptor = reader.open(path)
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", path)
        digest, length = _hash(descriptor, before.st_size, reader, buffer, count)
        after = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if length < after.st_size == before.st_size:
        raise OSError(errno.EIO, f"it ended after {length} of its {after.st_size} bytes", path)
    return Reading(digest, identity_of(before), identity_of(after))


def _hash(
    descriptor: int, size: int, reader: Reader, buffer: memoryview, count: Callable[[int], None]
) -> tuple[str, int]:
    digest, length = hashlib.sha256(), 0
    while length < size and (come := reader.read(descriptor, buffer)):
        digest.update(buffer[:come])
        length += come
        count(come)
    return f"sha256:{digest.hexdigest()}", length
