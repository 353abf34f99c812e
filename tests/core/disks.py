"""Disks that fail, that are killed, and on which others write at the same time."""

import errno
import os
from collections.abc import Callable

from prunella_core.apply import Disk


class Killed(BaseException):
    """The process is gone: from here on nothing of it changes the disk any more."""


class WatchedDisk(Disk):
    """The real disk; before every change ``watch`` is told its name and path."""

    def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
        """Do ``change``, or something else."""
        change()

    def make_folder(self, path: str) -> None:
        self.watch("make_folder", path, lambda: Disk.make_folder(self, path))

    def move(self, source: str, target: str) -> None:
        self.watch("move", source, lambda: Disk.move(self, source, target))

    def unlink(self, path: str) -> None:
        self.watch("unlink", path, lambda: Disk.unlink(self, path))

    def remove_folder(self, path: str) -> None:
        self.watch("remove_folder", path, lambda: Disk.remove_folder(self, path))

    def write(self, path: str, data: bytes) -> None:
        self.watch("write", path, lambda: Disk.write(self, path, data))

    def settle(self, folder: str) -> None:
        self.watch("settle", folder, lambda: Disk.settle(self, folder))


class KilledDisk(WatchedDisk):
    """Is killed at its change number ``at``: before it, or right ``after`` it. A file being written is half there."""

    def __init__(self, at: int, after: bool) -> None:
        self.at = at
        self.after = after
        self.changes = 0

    def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
        self.changes += 1
        if self.changes < self.at:
            change()
            return
        if self.changes == self.at:
            if self.after:
                change()
            elif name == "write":
                with open(f"{path}.new", "wb") as file:
                    file.write(b'{"half')
        raise Killed


class FailingDisk(WatchedDisk):
    """Fails with ``code`` at every change called ``name`` whose path ends with ``ending``, from the ``start``-th on."""

    def __init__(self, name: str, ending: str = "", code: int = errno.EACCES, start: int = 1) -> None:
        self.name = name
        self.ending = ending
        self.code = code
        self.start = start
        self.met = 0

    def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
        if name == self.name and path.endswith(self.ending):
            self.met += 1
            if self.met >= self.start:
                raise OSError(self.code, os.strerror(self.code), path)
        change()


class MeanwhileDisk(WatchedDisk):
    """Somebody else does ``event`` once, right after the first move of a file whose path contains ``part``."""

    def __init__(self, part: str, event: Callable[[], object]) -> None:
        self.part = part
        self.event: Callable[[], object] | None = event

    def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
        change()
        if name == "move" and self.part in path and self.event:
            event, self.event = self.event, None
            event()
