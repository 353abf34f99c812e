"""Reads a manifest as Ollama's server does, which is not as strict as it should be.

Its start-up prune keeps what it reads here and nothing else. Go's ``encoding/json`` takes the first value and ignores
the rest, takes keys in any case and ``null`` for everything, and replaces broken UTF-8; a value of another type is
an error. Digests are compared as they are written (Ollama's ``manifest.Manifests`` and ``deleteUnusedLayers``).
"""

from typing import Any, NoReturn

from msgspec import Struct

_TEXTS = ("mediatype", "digest", "from", "name")
_INT64 = range(-(2**63), 2**63)


class ServerReading(Struct, frozen=True):
    """How the server reads one manifest, where it differs from how we read it."""

    path: str
    digests: tuple[str, ...] | None
    """The digests, as written; ``None`` when the server cannot read the manifest."""


def digests_for_server(data: bytes) -> tuple[str, ...] | None:
    """Return the digests as the server reads them; ``None`` when it cannot read the manifest."""
    import json  # late: most stores are read without it

    text = data.decode("utf-8", "replace").lstrip(" \t\r\n")
    decoder = json.JSONDecoder(
        object_pairs_hook=lambda pairs: {key.casefold(): value for key, value in pairs}, parse_constant=_refuse
    )
    try:
        document, _end = decoder.raw_decode(text)
        return tuple(_digests({} if document is None else document))
    except (ValueError, RecursionError):
        return None


def _digests(document: object) -> list[str]:
    fields = _fields(document)
    _require(fields.get("schemaversion"), int)
    _require(fields.get("mediatype"), str)
    layers = fields.get("layers")
    _require(layers, list)
    entries = [_fields({} if entry is None else entry) for entry in (fields.get("config"), *(layers or ()))]
    for entry in entries:
        _require(entry.get("size"), int)
        for key in _TEXTS:
            _require(entry.get(key), str)
    return [entry["digest"] for entry in entries if entry.get("digest")]


def _fields(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004 -- one kind of error for all that Go cannot decode
    return value


def _require(value: object, kind: type) -> None:
    is_right = value is None or (isinstance(value, kind) and not isinstance(value, bool))
    if not is_right or (isinstance(value, int) and value not in _INT64):
        raise ValueError("a value of another type")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
