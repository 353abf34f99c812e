"""What a blob that no model names is, from its first bytes. Never part of a scan: only what is shown is opened."""

import os
import stat

from prunella_core.advice.identify.gguf import describe_gguf, describe_sidecar
from prunella_core.advice.identify.texts import describe_tensors, describe_text
from prunella_core.inventory.records import Blob, State
from prunella_core.ollama.names import Area, place_of
from prunella_core.store import Store

HEAD = 64 * 1024
"""Bytes; enough for what most files say of themselves, at the cost of a page or two of reading."""

THOROUGH = 16 * 1024 * 1024
"""Bytes; enough for a GGUF that names its quantization only after its vocabulary, as ``llama-quantize`` writes it."""

_NAMELESS = (State.UNREFERENCED, State.PARTIAL, State.LEFTOVER, State.TRASHED)


def described(store: Store, blob: Blob, limit: int = HEAD) -> str | None:
    """Describe a row that no model needs in a clean line, by up to ``limit`` bytes of its file; follow no link.

    ``None`` for every other row, and where the bytes say nothing, are elsewhere or may not be read.
    """
    if blob.models or blob.state not in _NAMELESS or store.read_only:
        return None
    regular = (file for file in blob.content if file.is_regular)
    file = max(regular, key=lambda file: file.size, default=None)  # of a download: the data, not its part files
    sidecar = next((file for file in blob.files if file.is_regular and place_of(file.path).area is Area.METADATA), None)
    try:
        if sidecar and (known := describe_sidecar(_read_head(store.path(sidecar.path), THOROUGH)[0])):
            return known
        return identify(*_read_head(store.path(file.path), limit)) if file else None
    except OSError:  # gone since the scan, or not readable for this user
        return None


def identify(head: bytes, size: int) -> str | None:
    """Describe a blob of ``size`` bytes that begins with ``head`` in a clean line; ``None`` where nothing fits.

    It knows weights (GGUF, safetensors), configs, parameters, messages, templates, licences and other text. What cannot
    be read ends the reading; it is never an error.
    """
    return describe_gguf(head) or describe_tensors(head, size) or describe_text(head, size)


def _read_head(path: str, limit: int) -> tuple[bytes, int]:
    descriptor = _open(path)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(22, "not a regular file", path)
        return os.pread(descriptor, limit, 0), status.st_size
    finally:
        os.close(descriptor)


def _open(path: str) -> int:
    """Open for reading: no waiting at a pipe, no link followed, and no atime left where the system allows it."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:  # only the owner may leave no atime
        return os.open(path, flags)
