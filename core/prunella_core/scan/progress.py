"""What a scan is given from outside, and what it reports while it runs."""

import os
from collections.abc import Callable
from typing import NamedTuple

from prunella_core.inventory.records import Inventory


class Progress(NamedTuple):
    """How far a scan is: manifests and blobs read so far."""

    manifests: int
    blobs: int
    so_far: Callable[[], Inventory]
    """What is known by now, as an Inventory that says of itself that it is not whole; made when it is asked for."""


Report = Callable[[Progress], None]
"""Called every few hundred entries; what it raises ends the scan."""

REPORT_EVERY = 256
FIRST_REPORT = 32
"""Manifests that fill a screen: then there is something to show."""


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
