"""JSON for scripts and people: indented, but of a long list every row on a line of its own, written as it is made."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()
_AT_ONCE = 256
"""Rows that are encoded together: a store of a hundred thousand blobs is never in memory as text."""


class Rows:
    """A long list, as a value of a document: its rows are made when they are written, and only once."""

    def __init__(self, rows: Iterable[object]) -> None:
        self.rows = iter(rows)


def encode(document: Mapping[str, Any]) -> Iterator[bytes]:
    """Return the pieces of one JSON document."""
    lead = b"{\n  "
    for key, value in document.items():
        yield lead + _ENCODER.encode(key) + b": "
        lead = b",\n  "
        if isinstance(value, Rows):
            yield from _rows(value)
        else:
            yield msgspec.json.format(_ENCODER.encode(value), indent=2).replace(b"\n", b"\n  ")
    yield b"\n}\n" if document else b"{}\n"


def _rows(rows: Rows) -> Iterator[bytes]:
    lead = b"[\n    "
    while some := list(islice(rows.rows, _AT_ONCE)):
        # One row a line, and no line break within a row: in JSON text those of a string are escaped.
        yield lead + _ENCODER.encode_lines(some).rstrip().replace(b"\n", b",\n    ")
        lead = b",\n    "
    yield b"[]" if lead.startswith(b"[") else b"\n  ]"
