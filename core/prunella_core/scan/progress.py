"""What a scan is given from outside, and what it reports while it runs."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from prunella_core.base.errors import Cancelled

_Entry = TypeVar("_Entry")
_REPORT_EVERY = 256


class Progress(NamedTuple):
    """How far a scan is: manifests and files of ``blobs/`` read so far."""

    models: int
    blobs: int


Report = Callable[[Progress], None]
"""Called every few hundred entries."""


class Capacity(NamedTuple):
    """The file system that holds a store, in bytes; ``free`` is what its user may still write."""

    total: int
    free: int


def capacity_of(path: str) -> Capacity:
    """Ask the system. Raises OSError."""
    status = os.statvfs(path)
    return Capacity(status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize)


def silent(_progress: Progress) -> None:
    """Report nothing."""


def never() -> bool:
    """Never cancel."""
    return False


class Count:
    """Counts what a scan has read, reports it, and ends the scan when it was cancelled."""

    def __init__(self, report: Report = silent, cancelled: Callable[[], bool] = never) -> None:
        self._report = report
        self._cancelled = cancelled
        self._models = 0

    def models(self, entries: Sequence[_Entry]) -> Iterator[Sequence[_Entry]]:
        """Yield ``entries`` part by part, and count each as a manifest that is read. Raises Cancelled."""
        for some in _parts(entries):
            yield some
            self._models += len(some)
            self._tick(0)

    def blobs(self, entries: Sequence[_Entry]) -> Iterator[Sequence[_Entry]]:
        """Yield ``entries`` part by part, and count each as a file of ``blobs/`` that is read. Raises Cancelled."""
        read = 0
        for some in _parts(entries):
            yield some
            read += len(some)
            self._tick(read)

    def _tick(self, blobs: int) -> None:
        if self._cancelled():
            raise Cancelled("the scan was cancelled")
        self._report(Progress(self._models, blobs))


def _parts(entries: Sequence[_Entry]) -> Iterator[Sequence[_Entry]]:
    return (entries[at : at + _REPORT_EVERY] for at in range(0, len(entries), _REPORT_EVERY))
