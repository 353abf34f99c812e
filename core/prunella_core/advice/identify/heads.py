"""Reads the first bytes of what no model names. Never part of a scan: only what is shown is opened."""

import os
import stat

from prunella_core.advice.identify.describe import identify
from prunella_core.fs.sizes import File
from prunella_core.inventory.records import Blob, State
from prunella_core.store.locate import Store

HEAD = 64 * 1024
"""Bytes; they hold what a file says of itself, and cost a page or two of reading."""

THOROUGH = 16 * 1024 * 1024
"""Bytes; enough for a GGUF that tells its quantization only after its vocabulary, as ``llama-quantize`` writes them."""

_NAMELESS = (State.UNREFERENCED, State.PARTIAL, State.LEFTOVER, State.TRASHED)


def described(store: Store, blob: Blob, limit: int = HEAD) -> str | None:
    """Say in a clean line what a row is that no model needs, by up to ``limit`` bytes of its file.

    ``None`` for every other row, and where the bytes tell nothing, are elsewhere or are not ours to read. Links are not
    followed.
    """
    file = _file_of(blob)
    if file is None or store.read_only:  # the bytes of an export are somewhere else
        return None
    try:
        head, size = _read_head(store.path(file.path), limit)
    except OSError:  # gone since the scan, or not ours to read: then nobody knows
        return None
    return identify(head, size)


def _file_of(blob: Blob) -> File | None:
    if blob.models or blob.state not in _NAMELESS:
        return None
    regular = (file for file in blob.content if file.is_regular)
    return max(regular, key=lambda file: file.size, default=None)  # of a download: the data, not its part files


def _read_head(path: str, limit: int) -> tuple[bytes, int]:
    """Return the first bytes of a regular file, and its size. Raises OSError."""
    descriptor = _open(path)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(22, "not a regular file", path)
        return os.pread(descriptor, limit, 0), status.st_size
    finally:
        os.close(descriptor)


def _open(path: str) -> int:
    """Open for reading: no pipe makes us wait, no link leads away, and where the system allows it no atime is left."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:  # only the owner may leave no atime
        return os.open(path, flags)
