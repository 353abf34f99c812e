"""Reads the metadata at the beginning of a GGUF file (the format of ``ggml/docs/gguf.md``)."""

import struct
from collections.abc import Iterator
from contextlib import suppress
from math import inf
from typing import Any

import msgspec

from prunella_core.advice.identify.texts import quoted, short

_MAGIC = b"GGUF"
_MOST_PAIRS = 4_096
_MOST_STRINGS = 1_000_000
_LONGEST_KEY = 1_024
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_PROJECTORS = {"clip", "mmproj"}

_NAMES = """
    F32 F16 Q4_0 Q4_1 Q4_1_F16 Q4_2 Q4_3 Q8_0 Q5_0 Q5_1 Q2_K Q3_K_S Q3_K_M Q3_K_L Q4_K_S Q4_K_M Q5_K_S Q5_K_M Q6_K
    IQ2_XXS IQ2_XS Q2_K_S IQ3_XS IQ3_XXS IQ1_S IQ4_NL IQ3_S IQ3_M IQ2_S IQ2_M IQ4_XS IQ1_M BF16 Q4_0_4_4 Q4_0_4_8
    Q4_0_8_8 TQ1_0 TQ2_0 MXFP4 NVFP4 Q1_0
"""
_FILE_TYPES: dict[object, str] = dict(enumerate(_NAMES.split()))
"""``general.file_type`` by its number (Ollama's ``fs/ggml/type.go``)."""

_GENERAL = "general."


class _Sidecar(msgspec.Struct):
    kv: dict[str, msgspec.Raw]


_SIDECAR = msgspec.json.Decoder(_Sidecar)

_Value = str | int | float | None


class _Ends(Exception):
    """The head ends here, or goes on with what cannot be read."""


def describe_gguf(head: bytes) -> str | None:
    """Describe a GGUF file by its head; ``None`` for anything else."""
    if not head.startswith(_MAGIC):
        return None
    known: dict[str, _Value] = {}
    try:
        reader = _Reader(head)
        with suppress(_Ends):
            for key, value in reader.pairs():
                known.setdefault(key, value)
    except _Ends:
        return "GGUF, of an unknown version"
    return _sentence(known)


def describe_sidecar(data: bytes) -> str | None:
    """Describe a blob by the sidecar with its GGUF keys that a newer Ollama keeps; ``None`` where that says nothing."""
    with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        keys = _SIDECAR.decode(data).kv
        known = {key: msgspec.json.decode(keys[key]) for key in keys if key.startswith(_GENERAL)}
        return _sentence(known) if known else None
    return None


def _sentence(known: dict[str, _Value]) -> str:
    known = {key.removeprefix(_GENERAL): known[key] for key in known if key.startswith(_GENERAL)}
    texts = {key: short(value) for key, value in known.items() if isinstance(value, str)}
    architecture, kind = texts.get("architecture", ""), texts.get("type", "")
    what = "projector" if {architecture, kind} & _PROJECTORS else "adapter" if kind == "adapter" else "weights"
    count = known.get("parameter_count")
    parameters = _human_count(count) if isinstance(count, int) and count > 0 else texts.get("size_label", "")
    facts = (architecture, parameters, _file_type(known.get("file_type")))
    name = texts.get("name") or texts.get("basename")
    return ", ".join(filter(None, (f"GGUF {what}", " ".join(filter(None, facts)), name and quoted(name))))


def _file_type(number: object) -> str:
    return _FILE_TYPES.get(number, "") if isinstance(number, int) else ""


def _human_count(count: int) -> str:
    """As Ollama writes a number of parameters (its ``format.HumanNumber``): ``8.0B``, ``361.82M``."""
    for letter, unit, digits in (("B", 1_000_000_000, 1), ("M", 1_000_000, 2), ("K", 1_000, 0)):
        if count >= unit:
            return f"{count / unit:.{0 if count % unit == 0 else digits}f}{letter}"
    return str(count)


class _Reader:
    """Reads the metadata. Every length is checked against the head before it is believed."""

    def __init__(self, head: bytes) -> None:
        self.head, self.at, self.order = head, len(_MAGIC), "<"
        version = self._number("I")
        if not version & 0xFFFF:  # a file for big-endian machines
            self.order, version = ">", int.from_bytes(version.to_bytes(4, "little"), "big")
        if not 1 <= version <= 3:
            raise _Ends
        self.length = "I" if version == 1 else "Q"

    def pairs(self) -> Iterator[tuple[str, _Value]]:
        """Yield keys and values; the value of an array is ``None``."""
        self._number(self.length)  # of tensors
        for _pair in range(min(self._number(self.length), _MOST_PAIRS)):
            yield self._string(_LONGEST_KEY), self._value(self._number("I"))

    def _number(self, code: str) -> Any:
        start = self._skip(struct.calcsize(f"={code}"))
        return struct.unpack_from(self.order + code, self.head, start)[0]

    def _skip(self, count: int) -> int:
        start = self.at
        if count > len(self.head) - start:
            raise _Ends
        self.at = start + count
        return start

    def _string(self, most: float = inf) -> str:
        length = self._number(self.length)
        if length > most:
            raise _Ends
        start = self._skip(length)
        return self.head[start : self.at].decode(errors="surrogateescape")

    def _value(self, kind: int) -> _Value:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            self._skip_array(self._number("I"), self._number(self.length))
            return None
        if kind not in _SCALARS:
            raise _Ends
        return self._number(_SCALARS[kind])  # type: ignore[no-any-return]

    def _skip_array(self, kind: int, count: int) -> None:
        if kind in _SCALARS:
            self._skip(count * struct.calcsize(f"={_SCALARS[kind]}"))
        elif kind == _STRING and count <= min(_MOST_STRINGS, len(self.head) // struct.calcsize(f"={self.length}")):
            length = struct.Struct(self.order + self.length)
            for _string in range(count):  # a vocabulary has some hundred thousand, so this loop is kept tight
                if self.at + length.size > len(self.head):
                    raise _Ends
                self.at += length.size + int(length.unpack_from(self.head, self.at)[0])
        else:  # an array of arrays, which no writer makes, or more strings than there is room for
            raise _Ends
