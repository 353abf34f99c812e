"""The file system that a path is on, and the bytes that files share there (reflinks)."""

import fcntl
import os
import re
import struct
from collections.abc import Iterator
from typing import NamedTuple


class Mount(NamedTuple):
    """A mounted file system: where, of what kind (``ext4``), with which options. Empty where unknown."""

    point: str
    kind: str
    options: frozenset[str]


UNKNOWN = Mount("", "", frozenset())


def mount_of(path: str, table: str = "/proc/self/mountinfo") -> Mount:
    """Return the mount that holds ``path``: the one with the longest point, and of those the last."""
    try:
        with open(table, encoding="utf-8", errors="surrogateescape") as lines:
            mounts = [_parse(line) for line in lines]
    except OSError:  # no such table: another system than Linux
        return UNKNOWN
    real = os.path.realpath(path) + "/"
    holding = [mount for mount in reversed(mounts) if real.startswith(mount.point.rstrip("/") + "/")]
    return max(holding, key=lambda mount: len(mount.point), default=UNKNOWN)


def _parse(line: str) -> Mount:
    fields = line.split()
    point = re.sub(r"\\(040|011|012|134)", lambda code: chr(int(code[1], 8)), fields[4])  # blanks and backslashes
    return Mount(point, fields[fields.index("-") + 1], frozenset(fields[5].split(",")))


_FIEMAP = 0xC020660B
_HEADER = struct.Struct("=QQLLLL")  # start, length, flags, mapped extents, room for extents, reserved
_EXTENT = struct.Struct("=QQQQQLLLL")  # logical, physical, length, 2 reserved, flags, 3 reserved
_ROOM = 128
_LAST = 0x1
_SHARED = 0x2000
_WHOLE_FILE = 0xFFFFFFFFFFFFFFFF

WITH_REFLINKS = frozenset({"btrfs", "xfs", "bcachefs", "ocfs2"})
"""File systems whose files can share extents."""


def shared_bytes(path: str, folder: int | None = None) -> int:
    """Return how many bytes of a regular file lie in extents that another file has too; 0 where that is unknown.

    ``path`` is relative to the open ``folder``, if one is given.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except OSError:  # not for this user to open: then all that is known is what it takes
        return 0
    try:
        return sum(length for length, flags in _extents(descriptor) if flags & _SHARED)
    except OSError:  # a file system that does not answer
        return 0
    finally:
        os.close(descriptor)


def _extents(descriptor: int) -> Iterator[tuple[int, int]]:
    """The length and flags of every extent."""
    start = 0
    while True:
        request = bytearray(_HEADER.pack(start, _WHOLE_FILE - start, 0, 0, _ROOM, 0) + bytes(_ROOM * _EXTENT.size))
        fcntl.ioctl(descriptor, _FIEMAP, request)
        mapped = _HEADER.unpack_from(request)[3]
        flags = _LAST
        for number in range(mapped):
            logical, _physical, length, *_reserved, flags, _a, _b, _c = _EXTENT.unpack_from(
                request, _HEADER.size + number * _EXTENT.size
            )
            start = logical + length
            yield length, flags
        if flags & _LAST or not mapped:
            return
