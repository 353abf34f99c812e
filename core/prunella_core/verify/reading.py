"""Reads one file for its hash, leaving no trace, and never waits on a pipe."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from typing import NamedTuple

from prunella_core.ledger.verdicts import Identity, identity_of

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_KEEP_ATIME: int = getattr(os, "O_NOATIME", 0)


class Reader:
    """Opens and reads files; a test puts another in its place."""

    def open(self, path: str) -> int:
        """Open ``path``, keeping its atime where the system allows that: to the owner only. Raises OSError."""
        try:
            return os.open(path, _FLAGS | _KEEP_ATIME)
        except PermissionError:
            return os.open(path, _FLAGS)

    def read(self, descriptor: int, buffer: memoryview) -> int:
        """Read into ``buffer`` and return the number of bytes. Raises OSError."""
        return os.readv(descriptor, [buffer])


class Reading(NamedTuple):
    """The hash of a file, and its identity before and after it was read."""

    digest: str
    before: Identity
    after: Identity


def read_file(path: str, reader: Reader, buffer: memoryview, count: Callable[[int], None]) -> Reading:
    """Hash the regular file at ``path``, following links; ``count`` gets the bytes of each piece.

    Raises OSError when it cannot be read to its end.
    """
    descriptor = reader.open(path)
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        digest, length = hashlib.sha256(), 0
        while length < before.st_size and (come := reader.read(descriptor, buffer)):
            digest.update(buffer[:come])
            length += come
            count(come)
        after = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if length < after.st_size == before.st_size:
        raise OSError(errno.EIO, f"it ended after {length} of its {after.st_size} bytes", path)
    return Reading(f"sha256:{digest.hexdigest()}", identity_of(before), identity_of(after))
