"""A scan as a document to view on another machine: what ``export`` writes and ``--import`` reads.

It is plain JSON in ASCII: ``{"prunella_export": 1, "host": …, "inventory": …}``, the inventory by the names of its
fields. A path that is not UTF-8 keeps its bytes as lone surrogates (``\\udcff``), as Python itself reads it.
"""

import gzip
import io
import json
import re
import zlib
from contextlib import suppress
from typing import BinaryIO, NoReturn

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import clean
from prunella_core.export.documents.fields import timestamp
from prunella_core.export.validate import validate
from prunella_core.inventory.records import Inventory
from prunella_core.store import Store

VERSION = 1
"""Rises when a program that knows only the version before would misread it."""

LARGEST_EXPORT = 192 * 1024 * 1024
"""Bytes, unpacked: three times the export of a store of 75,000 blobs."""

MOST_VALUES = 6_000_000
"""Four times those of that store. Small values take many times their bytes in memory, and pack to nearly nothing."""

_GZIP = b"\x1f\x8b"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)


class _Header(Struct):
    prunella_export: int


class _Export(_Header):
    host: str
    inventory: Inventory


_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER = msgspec.json.Decoder(_Export)


def dump(inventory: Inventory, host: str) -> bytes:
    """Return the export of ``inventory``, scanned on ``host``; an imported one keeps its own host."""
    export = _Export(VERSION, inventory.store.exported_from or host, inventory)
    with suppress(UnicodeEncodeError):  # bytes that are not UTF-8
        data = _ENCODER.encode(export)
        if data.isascii():
            return data + b"\n"
    return json.dumps(msgspec.to_builtins(export, order="deterministic"), separators=(",", ":")).encode() + b"\n"


def read(source: BinaryIO) -> bytes:
    """Return all bytes of ``source``. Raises InvalidInput when it is larger than any export, and OSError."""
    data = source.read(LARGEST_EXPORT + 1)
    if len(data) > LARGEST_EXPORT:
        _refuse(f"it has more than {LARGEST_EXPORT:,} bytes")
    return data


def load(data: bytes) -> Inventory:
    """Return the inventory in an export, plain or gzipped; its store is read-only.

    Raises InvalidInput for anything else, for an export of a newer version, and for one that no scan could have found.
    """
    export = _decode(_unpacked(data))
    inventory, host = export.inventory, clean(export.host)
    validate(inventory)
    store = Store(
        root=inventory.store.root,
        why=f"an export of {host}, scanned {timestamp(inventory.scanned_at) or 'at no known time'}",
        owner=clean(inventory.store.owner),
        writable=False,
        other_stores=inventory.store.other_stores,
        exported_from=host,
    )
    return replace(inventory, store=store)


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(_GZIP):
        return data
    try:
        with gzip.open(io.BytesIO(data)) as packed:
            return read(packed)  # type: ignore[arg-type]
    except (OSError, EOFError, zlib.error) as error:
        _refuse(f"it is gzipped, and damaged ({error})")


def _decode(data: bytes) -> _Export:
    if not data.strip():
        _refuse("it is empty; did the export fail?")
    if data.count(b",") > MOST_VALUES:
        _refuse(f"it has more than {MOST_VALUES:,} values")
    with suppress(*_ERRORS):  # whatever else is wrong with it
        version = msgspec.json.decode(data, type=_Header).prunella_export
        if version > VERSION:
            raise InvalidInput(f"a newer Prunella wrote this export (version {version}; this one reads {VERSION})")
    try:
        return _with_surrogates(data) if _SURROGATE.search(data) else _DECODER.decode(data)
    except _ERRORS as error:
        _refuse(str(error))


def _with_surrogates(data: bytes) -> _Export:
    document = json.loads(data, parse_constant=_no_number)
    json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogateescape")  # no surrogates but those of bytes
    return msgspec.convert(document, _Export)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number")


def _refuse(why: str) -> NoReturn:
    raise InvalidInput(f"not an export of Prunella: {clean(why)}")
