"""What a scan is given from outside, and what it reports while it runs."""

import os
from collections.abc import Callable
from typing import NamedTuple

from prunella_core.base.errors import Cancelled


class Progress(NamedTuple):
    """How far a scan is: manifests and files of ``blobs/`` read so far."""

    models: int
    blobs: int


Report = Callable[[Progress], None]
"""Called every few hundred entries."""

REPORT_EVERY = 256


class Space(NamedTuple):
    """The file system that holds a store, in bytes; ``free`` is what its user may still write."""

    total: int
    free: int


def space_of(path: str) -> Space:
    """Ask the system. Raises OSError."""
    status = os.statvfs(path)
    return Space(status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize)


def silent(_progress: Progress) -> None:
    """Report nothing."""


def never() -> bool:
    """Never cancel."""
    return False


class Count:
    """Counts what a scan has read, reports it, and ends the scan when it was cancelled."""

    def __init__(self, report: Report = silent, cancelled: Callable[[], bool] = never) -> None:
        self.models = 0
        self.blobs = 0
        self._report = report
        self._cancelled = cancelled

    def add(self, models: int = 0, blobs: int = 0) -> None:
        """Count more. Raises Cancelled."""
        self.models += models
        self.blobs += blobs
        if self._cancelled():
            raise Cancelled("the scan was cancelled")
        self._report(Progress(self.models, self.blobs))
