"""A scan as a document to view on another machine: what ``export`` writes and ``--import`` reads.

It is plain JSON in ASCII: ``{"prunella_export": 1, "host": …, "inventory": …}``, the inventory by the names of its
fields. A path that is not UTF-8 keeps its bytes as lone surrogates (``\\udcff``), as Python itself reads it.
"""

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from math import isfinite
from typing import BinaryIO, NoReturn

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import clean
from prunella_core.export.views import timestamp
from prunella_core.inventory.problems import ADVICE
from prunella_core.inventory.records import Blob, Inventory, Model, State, TrashedModel
from prunella_core.ollama.names import Area, is_short_name, parse_digest, place_of
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


_COUNT = 1 << 200
"""Sizes and times beyond any disk and calendar, but small enough to calculate with."""

_MODE = 1 << 32
_CLOCKS = ("weights_read_at", "swept_at", "seen_loaded_at", "loaded_at", "log_since")
_NEEDED = (State.REFERENCED, State.MISSING)
_DEPTH_IN_TRASH = 3
"""Slashes in the path of a file of the trash, at least: ``.prunella/trash/<id>/…``."""


def validate(inventory: Inventory) -> None:
    """Raise InvalidInput unless names, digests, numbers and references are as a scan would have them.

    Free text (paths, messages) is not checked: it is cleaned wherever it is drawn.
    """
    for flaw in chain(_numbers(inventory), _names(inventory), _digests(inventory), _references(inventory)):
        raise InvalidInput(f"this export is damaged or does not describe a store: {flaw}")


def _models(inventory: Inventory) -> list[Model | TrashedModel]:
    return [*inventory.models, *(model for entry in inventory.trash for model in entry.models)]


def _numbers(inventory: Inventory) -> Iterator[str]:
    files = chain(
        (model.manifest for model in _models(inventory)),
        (file for blob in inventory.blobs for file in blob.files),
        (file for entry in inventory.trash for file in entry.files),
        (problem.file for problem in inventory.problems if problem.file),
    )
    for file in files:
        counts = (file.size, file.allocated, file.shared, file.links, abs(file.mtime_ns))
        if not all(0 <= count < _COUNT for count in counts) or not 0 <= file.mode < _MODE:
            yield f"impossible numbers for {clean(file.path)}"
    times = chain(
        [inventory.scanned_at, *(entry.removed_at for entry in inventory.trash)],
        (getattr(model, clock) for model in inventory.models for clock in _CLOCKS),
        (time for blob in inventory.blobs for time in (blob.seen_referenced_at, blob.removed_at)),
    )
    if not all(isfinite(time) and abs(time) < _COUNT for time in times if time is not None):
        yield "an impossible time"
    sizes = chain(
        (inventory.disk_total, inventory.disk_free),
        (model.size for model in _models(inventory)),
        (model.loads for model in inventory.models),
        (layer.size for model in inventory.models for layer in model.layers),
        (blob.declared or 0 for blob in inventory.blobs),
    )
    if not all(0 <= size < _COUNT for size in sizes):
        yield "an impossible size"


def _names(inventory: Inventory) -> Iterator[str]:
    names = {model.name for model in _models(inventory)}
    names.update(name for blob in inventory.others for name in blob.models)
    names.update(problem.model for problem in inventory.problems if problem.model is not None)
    yield from (f"“{clean(name)}” is not a model name" for name in names if not is_short_name(name))
    if len(inventory.model_by_name) < len(inventory.models):
        yield "two models have one name"
    if unknown := {problem.kind for problem in inventory.problems} - ADVICE.keys():
        yield f"a problem of a kind that this version does not know ({clean(min(unknown))})"


def _digests(inventory: Inventory) -> Iterator[str]:
    digests = {blob.digest for blob in inventory.blobs if blob.digest is not None}
    for model in inventory.models:
        digests.update(layer.digest for layer in model.layers if layer.digest)  # "" where the manifest names none
    for any_model in _models(inventory):
        digests.add(f"sha256:{any_model.digest}")
        digests.update(any_model.needs)
    yield from (f"“{clean(digest)}” is not a digest" for digest in digests if parse_digest(digest) != digest)


def _references(inventory: Inventory) -> Iterator[str]:
    blobs = inventory.blob_by_key
    if len(blobs) < len(inventory.blobs):
        yield "two blobs have one key"
    for model in inventory.models:
        if not all(digest in blobs and blobs[digest].state in _NEEDED for digest in model.needs):
            yield f"{clean(model.name)} needs a blob that is not listed"
    reached = {key for blob in inventory.blobs for key in blob.reaches}
    if not blobs.keys() >= reached:
        yield "a link leads to a blob that is not listed"
    for blob in inventory.blobs:
        yield from (f"{clean(blob.key)} {flaw}" for flaw in _states(inventory, blob, reached))
    for entry in inventory.trash:
        paths = (file.path for file in (*entry.files, *(model.manifest for model in entry.models)))
        if not all(_is_in_trash(path) for path in paths):
            yield f"the removal {clean(entry.id)} has files outside the trash"


def _is_in_trash(path: str) -> bool:
    place = place_of(path)
    return place.area is Area.TRASH and bool(place.entry) and path.count("/") >= _DEPTH_IN_TRASH


def _states(inventory: Inventory, blob: Blob, reached: set[str]) -> Iterator[str]:
    if blob.state is State.TRASHED:
        if blob.removed_at is None:
            yield "is in the trash, but not since when"
        return
    if len(set(blob.models)) < len(blob.models):
        yield "is used twice by one model"
    if not inventory.model_by_name.keys() >= set(blob.models):
        yield "is used by a model that is not listed"
    if blob.state in _NEEDED and not blob.models:
        yield "is said to be used, but by no model"
    if blob.state in _NEEDED and blob.digest != blob.key and blob.key not in reached:
        yield "is said to be used, but has another digest"
