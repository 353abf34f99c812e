"""Brings the mirror up to date, and moves what Ollama deleted from it to the trash.

It writes only below ``.prunella/``. Every step is whole by itself: after a kill the next sync goes on from there.
"""

import errno
import os
from collections.abc import Iterable
from contextlib import closing, suppress
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from prunella_core.apply import has_left
from prunella_core.apply.moves import drop_empty_folders, is_same
from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.fs.disk import Disk
from prunella_core.fs.files import File, read_small
from prunella_core.guard.status import SETTINGS, Changes, Comparison, Rescue, Settings, read_settings
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.log import LogLine, models_in, write_line
from prunella_core.ollama.names import place_of
from prunella_core.plan.records import Receipt
from prunella_core.scan import scan
from prunella_core.scan.own import RECORD, new_id
from prunella_core.store import Store
from prunella_core.store.access import lock

_GUARD = ".prunella/guard"
_LARGEST_COPY = 64 * 1024 * 1024
_CANNOT = {
    errno.EPERM: "this system lets only the owner of a file link to it, or the file system has no hard links",
    errno.EXDEV: "the blobs lie on another device than the store",
    errno.ENOTSUP: "the file system has no hard links",
    errno.ENOSYS: "the file system has no hard links",
    errno.EMLINK: "a file has as many hard links as the file system allows",
}


class Synced(NamedTuple):
    """What a sync did."""

    rescued: tuple[Rescue, ...] = ()
    waits: str | None = None
    """Why what vanished was not looked for this time."""
    inventory: Inventory | None = None
    """The store as it is, where nothing had to be done."""


class GuardRun(Struct, frozen=True, kw_only=True):
    """What a run of the guard did."""

    synced: Synced
    emptied: Receipt | None
    """What it deleted for good of what it had rescued, because that took too much."""
    inventory: Inventory
    """The store afterwards."""


def turn_on(store: Store, settings: Settings, now: float, disk: Disk | None = None) -> Synced:
    """Guard ``store`` from now (seconds, UTC) on. Raises Refused, with nothing half on, where no links can be made."""
    was_on = os.path.lexists(store.path(SETTINGS))
    with lock(store), closing(disk or Disk()) as disk:
        if has_left(store):
            raise Refused("an interrupted operation has to be finished first: the next rm or restore does it")
        try:
            disk.make_folder(store.path(_GUARD))
            disk.write(store.path(SETTINGS), msgspec.json.encode(settings))
            return _sync(store, settings, now, disk)
        except OSError as error:
            if not was_on:
                _remove_mirror(store, disk)
            why = _CANNOT.get(error.errno or 0, f"{error.filename or store.own}: {error.strerror}")
            raise Refused(f"the guard cannot work here: {clean(why)}; nothing is on") from error


def turn_off(store: Store) -> None:
    """Drop the mirror; what was rescued stays in the trash until its time is over. Raises Refused."""
    store.check_changeable()
    with lock(store), closing(Disk()) as disk:
        try:
            _remove_mirror(store, disk)
        except OSError as error:
            where = clean(str(error.filename or store.own))
            raise Refused(f"cannot remove the guard's links: {where}: {error.strerror}") from error


def sync(store: Store, now: float, disk: Disk | None = None) -> Synced | None:
    """Bring the mirror of ``store`` up to date at ``now`` (seconds, UTC); ``None`` where the guard is off.

    Raises Refused, also when another Prunella is working on the store, and OSError.
    """
    settings = read_settings(store)
    if settings is None:
        return None
    store.check_changeable()
    with lock(store), closing(disk or Disk()) as disk:
        if has_left(store):
            return Synced(waits="an interrupted operation has to be finished first")
        return _sync(store, settings, now, disk)


def _sync(store: Store, settings: Settings, now: float, disk: Disk) -> Synced:
    inventory = scan(store, now)
    found = Comparison(inventory, now).changes()
    if found == Changes(waits=found.waits):
        return Synced(waits=found.waits, inventory=inventory)
    mirror = _Mirror(store, inventory, disk)
    for file in found.links:
        mirror.link(file)
    rescued = tuple(mirror.rescue(rescue, settings, now) for rescue in found.rescued)
    for file in found.copies:
        mirror.copy(file)
    mirror.drop(found)
    return Synced(rescued, found.waits)


class _Mirror:
    def __init__(self, store: Store, inventory: Inventory, disk: Disk) -> None:
        self.store = store
        self.disk = disk
        self.there = inventory.mirror

    def link(self, file: File) -> None:
        """Link to a file, unless it vanished since the scan."""
        place = self._place(file.path)
        if file.path in self.there:
            self.disk.unlink(place)
        with suppress(FileNotFoundError):
            self.disk.link(self.store.path(file.path), place)

    def copy(self, file: File) -> None:
        """Copy a small file as it was scanned, with its time; one that is being written now is for the next sync."""
        if file.target is not None:
            self.link(file)
            return
        try:
            data = read_small(self.store.path(file.path), _LARGEST_COPY)
        except FileNotFoundError:
            return
        if data is not None and is_same(self.disk.status(self.store.path(file.path)), file):
            # not written in place: its own name with .new may be that of another model
            place, copy = self._place(file.path), self.store.path(f"{_GUARD}/copying")
            self.disk.write(copy, data, file.mtime_ns)
            if self.disk.status(place):
                self.disk.unlink(place)
            self.disk.move(copy, place)

    def rescue(self, rescue: Rescue, settings: Settings, now: float) -> Rescue:
        """Move what vanished to an entry of the trash: its manifest first, whose needs the next sync would complete."""
        identity = new_id(self.store, now, rescue.files)
        happened_at = self._happened_at(rescue, now)
        record = {
            "files": [clean(path) for path in rescue.files],
            "action": "guard",
            "cause": rescue.cause,
            "happened_at": happened_at,
            "keep": settings.keep,
        }
        entry = f".prunella/trash/{identity}"
        self.disk.make_folder(self.store.path(entry))
        self.disk.write(self.store.path(f"{entry}/{RECORD}"), msgspec.json.encode(record))
        self._move(rescue.files, entry)
        models, size = models_in(rescue.files, identity), sum(self.there[path].allocated for path in rescue.files)
        line = LogLine(
            id=identity, at=happened_at, action="guard", mode="trash", models=models, files=len(rescue.files), size=size
        )
        write_line(self.store, line)
        return replace(rescue, id=identity)

    def _happened_at(self, rescue: Rescue, now: float) -> float:
        """When Ollama took the name of a blob away: that changed the inode, which still has ours.

        A manifest without blobs of its own went when its folder changed.
        """
        path = rescue.files[-1]
        if not place_of(path).is_manifest:
            status = self.disk.status(self.store.path(f"{_GUARD}/{path}"))
            return min(now, status.st_ctime) if status else now
        while not os.path.isdir(self.store.path(path)):
            path = os.path.dirname(path)
        return min(now, os.stat(self.store.path(path)).st_mtime)

    def drop(self, found: Changes) -> None:
        """Take out of the mirror what nothing needs there, or what an entry of the trash has to have."""
        for path, entry in found.returned:
            self._move([path], f".prunella/trash/{entry}")
        for path in found.dropped:
            self.disk.unlink(self.store.path(f"{_GUARD}/{path}"))
        drop_empty_folders(self.store, [f"{_GUARD}/{path}" for path in found.dropped], self.disk)

    def _move(self, paths: Iterable[str], entry: str) -> None:
        for path in paths:
            target = self.store.path(f"{entry}/{path}")
            self.disk.make_folder(os.path.dirname(target))
            self.disk.move(self.store.path(f"{_GUARD}/{path}"), target)
        drop_empty_folders(self.store, [f"{_GUARD}/{path}" for path in paths], self.disk)

    def _place(self, path: str) -> str:
        place = self.store.path(f"{_GUARD}/{path}")
        self.disk.make_folder(os.path.dirname(place))
        return place


def _remove_mirror(store: Store, disk: Disk) -> None:
    folder = store.path(_GUARD)
    if os.path.islink(folder):
        raise Refused(f"{clean(folder)} is a link, and Prunella follows none; remove it first")
    for where, _folders, files in os.walk(folder, topdown=False):
        for name in files:
            disk.unlink(os.path.join(where, name))
        disk.remove_if_empty(where)
