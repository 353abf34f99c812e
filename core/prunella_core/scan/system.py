"""What a scan asks of the system, what it tells its caller while it runs, and what else lies in a store's root."""

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import NamedTuple, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

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


_PROCESSES = "/proc"


@for_caller
def opened_below(folder: str) -> list[tuple[int, int]]:
    """Device and inode of every file below ``folder`` that a process has open. Other users' are often not shown."""
    opened: list[tuple[int, int]] = []
    with suppress(FileNotFoundError):  # no such file system here
        for process in os.listdir(_PROCESSES):
            if process.isdigit() and process != str(os.getpid()):
                with suppress(PermissionError, FileNotFoundError, ProcessLookupError):
                    opened += _files_of(f"{_PROCESSES}/{process}/fd", folder)
    return opened


def _files_of(listing: str, folder: str) -> Iterator[tuple[int, int]]:
    for name in os.listdir(listing):
        with suppress(OSError):  # closed meanwhile
            if os.readlink(f"{listing}/{name}").startswith(folder + os.sep):
                status = os.stat(f"{listing}/{name}")
                yield status.st_dev, status.st_ino


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
    model_family: str | None = None
    model_type: str | None = None
    file_type: str | None = None
    remote_host: str | None = None
    remote_model: str | None = None


_DECODER = msgspec.json.Decoder(_Config)
UNKNOWN = Details()


def read_config(path: str) -> Details:
    """Return what the config at ``path`` says; a config that is missing or no config says nothing.

    Details only describe: whether a blob is there, and whether it is whole, is judged elsewhere.
    """
    try:
        data = read_small(path, _LARGEST_CONFIG)
        config = _DECODER.decode(data) if data else _Config()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return UNKNOWN
    return Details(
        family=config.model_family or None,
        parameters=config.model_type or None,
        quantization=config.file_type or None,
        remote_host=config.remote_host or None,
        remote_model=config.remote_model or None,
    )


class OtherFiles(Struct, frozen=True, kw_only=True):
    """Bytes on the disk of all files that an inventory does not name, our own notes among them."""

    entries: tuple[tuple[str, int], ...]
    """The entries of the root that hold them, and how many bytes each, the largest first."""
    notes: tuple[str, ...]
    """What could not be read, a sentence each."""

    @property
    def allocated(self) -> int:
        """All of it."""
        return sum(count for _name, count in self.entries)


def other_files(inventory: Inventory, cancelled: Callable[[], bool] = never) -> OtherFiles:
    """Walk the store of ``inventory`` on one device, each inode once; no link is followed. Raises Cancelled."""
    walk = _Walk(inventory.store.root, cancelled)
    counted = {(file.device, file.inode) for file in _known(inventory)}
    sums: Counter[str] = Counter()
    for path, status in walk.files():
        if (identity := (status.st_dev, status.st_ino)) not in counted:
            counted.add(identity)
            sums[path.split("/", 1)[0]] += status.st_blocks * BLOCK
    largest = sorted((+sums).items(), key=lambda entry: (-entry[1], entry[0]))
    return OtherFiles(entries=tuple(largest), notes=tuple(walk.notes))


def _known(inventory: Inventory) -> Iterator[File]:
    yield from (model.manifest for model in inventory.models)
    yield from (file for blob in inventory.blobs for file in blob.files)
    yield from (file for entry in inventory.trash for file in entry.files)
    yield from (problem.file for problem in inventory.broken_by_path.values() if problem.file)


class _Walk:
    def __init__(self, root: str, cancelled: Callable[[], bool]) -> None:
        self.root = root
        self.cancelled = cancelled
        self.notes: list[str] = []
        self._waiting = [""]

    def files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Everything that is no folder, by its path in the root."""
        device = os.lstat(self.root).st_dev
        while self._waiting:
            if self.cancelled():
                raise Cancelled("the walk was cancelled")
            for path, status in self._in(self._waiting.pop()):
                if not stat.S_ISDIR(status.st_mode):
                    yield path, status
                elif status.st_dev == device and path != "blobs":  # of those every file is in the inventory
                    self._waiting.append(path)

    def _in(self, folder: str) -> Iterator[tuple[str, os.stat_result]]:
        try:
            with os.scandir(os.path.join(self.root, folder)) as entries:
                for entry in entries:
                    yield os.path.join(folder, entry.name), entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # gone since it was listed
            return
        except OSError as error:
            self.notes.append(f"cannot read {clean(folder or self.root)}: {error.strerror}; it is not counted")
