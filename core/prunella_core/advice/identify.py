"""What a blob that no model names is, from its first bytes. Never part of a scan: only what is shown is opened."""

import codecs
import os
import re
import stat
import struct
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from typing import Any

import msgspec

from prunella_core.base.text import clean
from prunella_core.inventory.records import Blob, State
from prunella_core.ollama.names import Area, place_of
from prunella_core.store import Store

HEAD = 64 * 1024
"""Bytes; enough for what most files say of themselves, at the cost of a page or two of reading."""

THOROUGH = 16 * 1024 * 1024
"""Bytes; enough for a GGUF that names its quantization only after its vocabulary, as ``llama-quantize`` writes it."""

_NAMELESS = (State.UNREFERENCED, State.PARTIAL, State.LEFTOVER, State.TRASHED)
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_LONGEST = 60
_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


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
        if sidecar and (known := _describe_sidecar(_read_head(store.path(sidecar.path), THOROUGH)[0])):
            return known
        return identify(*_read_head(store.path(file.path), limit)) if file else None
    except OSError:  # gone since the scan, or not readable for this user
        return None


def identify(head: bytes, size: int) -> str | None:
    """Describe a blob of ``size`` bytes that begins with ``head`` in a clean line; ``None`` where nothing fits.

    It knows weights (GGUF, safetensors), configs, parameters, messages, templates, licences and other text. What cannot
    be read ends the reading; it is never an error.
    """
    return _describe_gguf(head) or _describe_tensors(head, size) or _describe_text(head, size)


def _read_head(path: str, limit: int) -> tuple[bytes, int]:
    try:
        descriptor = os.open(path, _FLAGS | getattr(os, "O_NOATIME", 0))
    except PermissionError:  # only the owner may leave no atime
        descriptor = os.open(path, _FLAGS)
    try:
        status = os.fstat(descriptor)
        return (os.pread(descriptor, limit, 0), status.st_size) if stat.S_ISREG(status.st_mode) else (b"", 0)
    finally:
        os.close(descriptor)


def _short(text: str) -> str:
    """Text on one line, clean, and cut with an ellipsis when it is too long."""
    line = clean(" ".join(text[: _LONGEST * 8].split()))
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1].rstrip() + "…"


def _quoted(text: str) -> str:
    return f"“{_short(text)}”"


# GGUF: the metadata at the beginning of a file (``ggml/docs/gguf.md``)

_MOST_PAIRS = 4_096
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
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


def _describe_gguf(head: bytes) -> str | None:
    if not head.startswith(b"GGUF"):
        return None
    known: dict[str, Any] = {}
    try:
        reader = _Reader(head)
        with suppress(struct.error):  # the head ends, or goes on with what cannot be read
            for key, value in reader.pairs():
                known.setdefault(key, value)
    except struct.error:
        return "GGUF, of an unknown version"
    return _sentence(known)


def _describe_sidecar(data: bytes) -> str | None:
    """By the sidecar with its GGUF keys that a newer Ollama keeps; ``None`` where that says nothing."""
    with suppress(*_BROKEN):
        keys = msgspec.json.decode(data, type=_Sidecar).kv
        known = {key: msgspec.json.decode(keys[key]) for key in keys if key.startswith(_GENERAL)}
        return _sentence(known) if known else None
    return None


def _sentence(known: dict[str, Any]) -> str:
    known = {key.removeprefix(_GENERAL): known[key] for key in known if key.startswith(_GENERAL)}
    texts = {key: _short(value) for key, value in known.items() if isinstance(value, str)}
    architecture, kind = texts.get("architecture", ""), texts.get("type", "")
    what = "projector" if {architecture, kind} & {"clip", "mmproj"} else "adapter" if kind == "adapter" else "weights"
    count, number = known.get("parameter_count"), known.get("file_type")
    parameters = _human_count(count) if isinstance(count, int) and count > 0 else texts.get("size_label", "")
    facts = (architecture, parameters, _FILE_TYPES.get(number) if isinstance(number, int) else None)
    name = texts.get("name") or texts.get("basename")
    return ", ".join(filter(None, (f"GGUF {what}", " ".join(filter(None, facts)), name and _quoted(name))))


def _human_count(count: int) -> str:
    """As Ollama writes a number of parameters (its ``format.HumanNumber``): ``8.0B``, ``361.82M``."""
    for letter, unit, digits in (("B", 1_000_000_000, 1), ("M", 1_000_000, 2), ("K", 1_000, 0)):
        if count >= unit:
            return f"{count / unit:.{0 if count % unit == 0 else digits}f}{letter}"
    return str(count)


class _Reader:
    """Every length is checked against the head before it is believed. What ends the reading is a struct.error."""

    def __init__(self, head: bytes) -> None:
        self.head, self.at, self.order = head, 4, "<"
        version = self._number("I")
        if not version & 0xFFFF:  # a file for big-endian machines
            self.order, version = ">", int.from_bytes(version.to_bytes(4, "little"), "big")
        if not 1 <= version <= 3:
            raise struct.error
        self.length = "I" if version == 1 else "Q"

    def pairs(self) -> Iterator[tuple[str, Any]]:
        """Yield keys and values; the value of an array is ``None``."""
        self._number(self.length)  # of tensors
        for _pair in range(min(self._number(self.length), _MOST_PAIRS)):
            yield self._string(), self._value(self._number("I"))

    def _number(self, code: str) -> Any:
        (value,) = struct.unpack_from(self.order + code, self.head, self.at)
        self.at += struct.calcsize(self.order + code)
        return value

    def _skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self.head):
            raise struct.error

    def _string(self) -> str:
        length = self._number(self.length)
        self._skip(length)
        return self.head[self.at - length : self.at].decode(errors="surrogateescape")

    def _value(self, kind: int) -> Any:
        if kind == _ARRAY:
            return self._skip_array(self._number("I"), self._number(self.length))
        if kind not in _SCALARS and kind != _STRING:
            raise struct.error
        return self._string() if kind == _STRING else self._number(_SCALARS[kind])

    def _skip_array(self, kind: int, count: int) -> None:
        if kind in _SCALARS:
            self._skip(count * struct.calcsize(f"={_SCALARS[kind]}"))
        elif kind == _STRING:
            length = struct.Struct(self.order + self.length)
            if count > (len(self.head) - self.at) // length.size:  # it ends beyond the head: nothing to look for in it
                raise struct.error
            for _string in range(count):  # a vocabulary has some hundred thousand, so this loop is kept tight
                self.at += length.size + int(length.unpack_from(self.head, self.at)[0])
                if self.at > len(self.head):
                    raise struct.error
        else:  # an array of arrays, which no writer makes
            raise struct.error


# Text: safetensors headers, the JSON that comes with a model, templates, licences, prompts

_LOOKED_AT = 4_096
"""Characters; by then a text has said what it is."""
_LARGEST_HEADER = 100_000_000
"""Bytes; the format of safetensors allows no more."""
_DTYPE = re.compile(rb'"dtype"\s*:\s*"([A-Z][A-Z0-9_]{0,11})"')
_MOST_DIMENSIONS = 6
_TITLE = re.compile(r"licen[cs]e|terms of use|use policy|agreement", re.IGNORECASE)
_RIGHTS = re.compile(r"copyright|permission is hereby granted", re.IGNORECASE)
_SHORTEST_LICENCE = 120
_KEY = re.compile(r'"(\w{1,40})"\s*:')
_OPTIONS = """
    num_keep seed num_predict top_k top_p min_p typical_p repeat_last_n temperature repeat_penalty presence_penalty
    frequency_penalty penalize_newline stop num_ctx num_batch num_gpu main_gpu use_mmap num_thread draft_num_predict
    mirostat mirostat_eta mirostat_tau tfs_z numa low_vram f16_kv vocab_only use_mlock
"""
_PARAMETERS = frozenset(_OPTIONS.split())
"""What a model's parameters can be called (Ollama's ``api.Options``, older names too)."""


class _Tensor(msgspec.Struct):
    dtype: str = ""
    shape: list[int] = []


def _describe_tensors(head: bytes, size: int) -> str | None:
    """A safetensors file begins with a length and JSON."""
    length = int.from_bytes(head[:8], "little")
    if head[8:9] != b"{" or not 2 <= length <= min(size - 8, _LARGEST_HEADER):
        return None
    header = head[8 : 8 + length]
    try:
        tensors = msgspec.json.decode(header, type=dict[str, _Tensor])
    except _BROKEN:  # longer than the head, or not quite the format
        found = [match.decode() for match in _DTYPE.findall(header)]
        return f"safetensors, {_types(found)}" if found else None
    tensors.pop("__metadata__", None)
    if len(tensors) == 1:
        ((name, tensor),) = tensors.items()
        shape = "×".join(map(str, tensor.shape[:_MOST_DIMENSIONS]))
        return f"safetensors, {_short(' '.join(('tensor', tensor.dtype, shape)))} {_quoted(name)}"
    types = _types(tensor.dtype for tensor in tensors.values())
    return f"safetensors, {len(tensors):,} tensors" + (f", {types}" if types else "")


def _types(dtypes: Iterable[str]) -> str:
    return _short(" ".join(dtype for dtype, _count in Counter(dtypes).most_common(3)))


def _describe_text(head: bytes, size: int) -> str | None:
    """Describe what is neither binary nor blank; the last character of the head may be cut."""
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        return None
    start = text[:_LOOKED_AT]
    if not start.strip() or not all(char.isprintable() or char.isspace() for char in start):
        return None
    is_json = text.lstrip().startswith(("{", "["))
    return (is_json and _describe_json(head, size)) or _describe_prose(start)


def _describe_prose(text: str) -> str:
    if "{{" in text or "{%" in text:
        return f"template {_quoted(text)}"
    stripped = (line.strip(" \t*#=-") for line in text.splitlines())
    lines = [line for line in stripped if line][:6] or [""]
    title = next(filter(_TITLE.search, lines), None)
    if len(text) >= _SHORTEST_LICENCE and (title or _RIGHTS.search(text)):
        return f"licence {_quoted(title or lines[0])}"
    return f"text {_quoted(text)}"


def _describe_json(head: bytes, size: int) -> str | None:
    if size > len(head):  # it goes on beyond the head
        return _by_keys(dict.fromkeys(_KEY.findall(head[:_LOOKED_AT].decode(errors="replace"))))
    try:
        document = msgspec.json.decode(head)
    except _BROKEN:
        return None
    if isinstance(document, dict):
        return _describe_object(document)
    if document and all(isinstance(each, dict) and "role" in each for each in document):
        return f"{len(document):,} chat message{'' if len(document) == 1 else 's'}"
    return "a JSON list"


def _describe_object(document: dict[str, Any]) -> str:
    if "model_format" in document or "rootfs" in document:
        facts = (document.get(key) for key in ("model_family", "model_type", "file_type"))
        return _with("model config", " ".join(fact for fact in facts if isinstance(fact, str) and fact))
    if "schemaVersion" in document and ("layers" in document or "manifests" in document):
        return "a manifest"
    if document and document.keys() <= _PARAMETERS:
        return _with("parameters", " ".join(document))
    architectures = document.get("architectures")
    if isinstance(architectures, list) and architectures and isinstance(architectures[0], str):
        return _with("config of", architectures[0])
    return _by_keys(document)


def _by_keys(keys: Collection[str]) -> str:
    if "added_tokens" in keys or "added_tokens_decoder" in keys:
        return "JSON of a tokenizer"
    if "weight_map" in keys:
        return "JSON index of safetensors"
    return _with("JSON with", ", ".join(list(keys)[:4]) + (", …" if len(keys) > 4 else ""))


def _with(what: str, details: str) -> str:
    return f"{what} {_short(details)}".rstrip()
