"""What the system knows of a store beyond its files: open downloads, and whether reading leaves a trace."""

import os
from collections.abc import Iterator
from contextlib import suppress

from prunella_core.fs.caller import for_caller
from prunella_core.fs.mounts import mount_of
from prunella_core.ollama.digests import FileKind
from prunella_core.scan.blobs import BlobReading
from prunella_core.store.locate import Store

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
