"""What else a scan asks: which downloads are open, whether reading leaves a trace, what a model's config says."""

import os
from collections.abc import Iterator
from contextlib import suppress

import msgspec
from msgspec import Struct

from prunella_core.fs.caller import for_caller
from prunella_core.fs.files import read_small
from prunella_core.fs.mounts import mount_of
from prunella_core.inventory.records import Details
from prunella_core.ollama.names import FileKind
from prunella_core.scan.blobs import BlobReading
from prunella_core.store import Store

_PROCESSES = "/proc"


def held_open(store: Store, on_disk: BlobReading) -> frozenset[str]:
    """The keys of downloads that a process has open, as far as ``/proc`` may be read by this user."""
    partials = [key for key, kind in on_disk.kinds.items() if kind is FileKind.PARTIAL]
    if not partials:
        return frozenset()
    identities = {(file.device, file.inode): key for key in partials for file in on_disk.rows[key]}
    opened = {(device, inode) for device, inode in opened_below(os.path.realpath(store.blobs))}
    return frozenset(key for identity, key in identities.items() if identity in opened)


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
