"""Digests, and what the name of a file in ``blobs/`` says about it."""

import re
from enum import StrEnum
from typing import NamedTuple

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import clean

_DIGEST = re.compile(r"sha256[:-]([0-9a-fA-F]{64})\Z")
_PREFIX = re.compile(r"(?:sha256[:-])?([0-9a-fA-F]{1,64})\Z")
_MENTION = re.compile(rb"sha256[:-]([0-9a-fA-F]{64})(?![0-9a-fA-F])")
is_digest = re.compile(r"sha256:[0-9a-f]{64}\Z").match
"""Matches a digest in the form that Ollama writes, and that all are kept in here."""

is_whole_name = re.compile(r"sha256-[0-9a-f]{64}\Z").match
"""Matches the name of a whole blob as today's server writes it; ``read_blob_name`` knows all forms, and is slower."""

_BLOB = re.compile(r"sha256[:-]([0-9a-fA-F]{64})(-partial(?:-[0-9]+)?|\.tmp)?\Z")
_LEFTOVER = re.compile(
    r"(?:(?:sha256-|COPY|split-gguf-)[0-9]+|(?:split-copy|projector-metadata|compat-tensors).*)\Z", re.S
)
"""Temporary files of a create or upload: Go appends digits to a name."""

_QUANTIZED = re.compile(r"(?:BF16|F16|F32|MXFP[48]|NVFP4|FP8|INT[48]|[IT]?Q[0-9](?:_[0-9A-Z]+)+)[0-9]+\Z")
"""Such as, in any case, that of the quantization asked for."""


class FileKind(StrEnum):
    """What a file in ``blobs/`` is by its name."""

    WHOLE = "whole"
    PARTIAL = "partial"
    LEFTOVER = "leftover"
    STRAY = "stray"


class BlobName(NamedTuple):
    """The reading of a file name: its kind, and its digest where the name holds one."""

    kind: FileKind
    digest: str | None


def parse_digest(text: str) -> str | None:
    """Return ``sha256:<64 lower-case hex>`` or ``None``. ``sha256-…`` and upper case are the same digest.

    Only what passes here may become a path, so ``sha256:../../x`` cannot.
    """
    if is_digest(text):
        return text
    match = _DIGEST.match(text)
    return f"sha256:{match[1].lower()}" if match else None


def digests_mentioned(data: bytes) -> frozenset[str]:
    """Return every digest that stands anywhere in ``data``, whatever the document around it means."""
    return frozenset(f"sha256:{match.decode().lower()}" for match in _MENTION.findall(data))


def parse_digest_prefix(text: str) -> str:
    """Return ``sha256:<hex prefix>`` for what a person typed, with or without ``sha256:``.

    Raises InvalidInput when it is no hexadecimal prefix.
    """
    match = _PREFIX.match(text)
    if not match:
        raise InvalidInput(f"invalid digest “{clean(text)}”: use sha256: and up to 64 hexadecimal digits")
    return f"sha256:{match[1].lower()}"


def read_blob_name(name: str) -> BlobName:
    """Say what a file in ``blobs/`` is by its name (the forms that Ollama's server writes)."""
    match = _BLOB.match(name)
    if match:
        kind = FileKind.PARTIAL if match[2] else FileKind.WHOLE
        return BlobName(kind, f"sha256:{match[1].lower()}")
    is_leftover = _LEFTOVER.match(name) or (name.isascii() and _QUANTIZED.match(name.upper()))
    return BlobName(FileKind.LEFTOVER if is_leftover else FileKind.STRAY, None)
