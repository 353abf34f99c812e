"""What files take and what leaves the disk when a set of them goes. All sizes are bytes."""

import stat
from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

BLOCK = 512
"""Bytes that ``st_blocks`` counts in, whatever the file system's own blocks are."""


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
