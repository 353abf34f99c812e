"""What a scan asks of the system, what it tells its caller while it runs, and what else lies in a store's root."""

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from glob import iglob
from itertools import pairwise
from typing import Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import astuple, replace

from prunella_core.base.errors import Cancelled
from prunella_core.base.text import clean
from prunella_core.fs.caller import for_caller
from prunella_core.fs.files import BLOCK, File, read_small
from prunella_core.fs.mounts import mount_of
from prunella_core.inventory.records import WEIGHTS, Details, Inventory, Model
from prunella_core.ollama.manifest import Layer

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
        self._read = Progress(0, 0)

    def each(self, kind: Literal["models", "blobs"], entries: Sequence[_Entry]) -> Iterator[Sequence[_Entry]]:
        """Yield ``entries`` part by part, and count them as read. Raises Cancelled."""
        for at in range(0, len(entries), _REPORT_EVERY):
            some = entries[at : at + _REPORT_EVERY]
            yield some
            self._read = self._read._replace(**{kind: getattr(self._read, kind) + len(some)})
            if self._cancelled():
                raise Cancelled("the scan was cancelled")
            self._report(self._read)


@for_caller
def opened_below(folder: str) -> list[tuple[int, int]]:
    """Device and inode of every file below ``folder`` that a process has open. Other users' are often not shown."""
    own, opened = f"/proc/{os.getpid()}/", []
    for link in iglob("/proc/[0-9]*/fd/*"):
        with suppress(OSError):  # closed meanwhile
            if not link.startswith(own) and os.readlink(link).startswith(folder + os.sep):
                status = os.stat(link)
                opened.append((status.st_dev, status.st_ino))
    return opened


def keeps_atime(path: str) -> bool:
    """Whether reading a file below ``path`` leaves its time: then the atime of weights is their last use."""
    mount = mount_of(path)
    return bool(mount.kind) and "noatime" not in mount.options


SWEEP = 120.0
"""Seconds within which something that reads all weights, such as a start of Ollama or a backup, has read several."""


def weights_in(layers: Iterable[Layer]) -> Layer | None:
    """Return the first of ``layers`` that is read when the model is loaded: all such are read together."""
    return next((layer for layer in layers if layer.kind in WEIGHTS), None)


def without_sweep(model: Model, is_swept: Callable[[float], bool]) -> Model:
    """Return ``model``; where ``is_swept`` says so of the atime of its weights, that may not be a use."""
    at = model.weights_read_at
    return replace(model, weights_read_at=None, swept_at=at) if at and is_swept(at) else model


def without_sweeps(models: Iterable[Model], times: Iterable[float | None]) -> tuple[Model, ...]:
    """Return ``models``; where the atimes of several weights are near each other they may not be uses."""
    swept = {at for two in pairwise(sorted(filter(None, times))) if two[1] - two[0] <= SWEEP for at in two}
    return tuple([without_sweep(model, swept.__contains__) if swept else model for model in models])


_LARGEST_CONFIG = 1024 * 1024


class _Config(Struct):
    """The fields of Details, by their names in a config."""

    model_family: str | None = None
    model_type: str | None = None
    file_type: str | None = None
    remote_host: str | None = None
    remote_model: str | None = None


_DECODER = msgspec.json.Decoder(_Config)


def read_config(path: str) -> Details:
    """Return what the config at ``path`` says; one that is missing or no config says nothing."""
    try:
        config = _DECODER.decode(read_small(path, _LARGEST_CONFIG) or b"{}")
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Details()
    said = (value or None for value in astuple(config))
    return Details(**dict(zip(Details.__struct_fields__, said, strict=True)))


class OtherFiles(Struct, frozen=True, kw_only=True):
    """Bytes on the disk of all files that an inventory does not name, our own notes among them."""

    entries: tuple[tuple[str, int], ...]
    """The entries of the root that hold them, and how many bytes each, the largest first."""
    notes: tuple[str, ...]
    """What could not be read, a sentence each."""

    @property
    def allocated(self) -> int:
        return sum(count for _name, count in self.entries)


def other_files(inventory: Inventory, cancelled: Callable[[], bool] = never) -> OtherFiles:
    """Walk the store of ``inventory`` on one device, each inode once; no link is followed. Raises Cancelled."""
    root, notes = inventory.store.root, list[str]()
    device, waiting, sums = os.lstat(root).st_dev, [""], Counter[str]()
    counted = {(file.device, file.inode) for file in _known(inventory)}
    while waiting:
        if cancelled():
            raise Cancelled("the walk was cancelled")
        for path, status in _entries(root, waiting.pop(), notes):
            if stat.S_ISDIR(status.st_mode):
                if status.st_dev == device and path != "blobs":  # of those every file is in the inventory
                    waiting.append(path)
            elif (identity := (status.st_dev, status.st_ino)) not in counted:
                counted.add(identity)
                sums[path.split("/", 1)[0]] += status.st_blocks * BLOCK
    largest = sorted((+sums).items(), key=lambda entry: (-entry[1], entry[0]))
    return OtherFiles(entries=tuple(largest), notes=tuple(notes))


def _known(inventory: Inventory) -> Iterator[File]:
    yield from (model.manifest for model in inventory.models)
    yield from (file for blob in inventory.blobs for file in blob.files)
    yield from (file for entry in inventory.trash for file in entry.files)
    yield from (problem.file for problem in inventory.broken_by_path.values() if problem.file)


def _entries(root: str, folder: str, notes: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    try:
        with os.scandir(os.path.join(root, folder)) as entries:
            for entry in entries:
                yield os.path.join(folder, entry.name), entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # gone since it was listed
        return
    except OSError as error:
        notes.append(f"cannot read {clean(folder or root)}: {error.strerror}; it is not counted")
