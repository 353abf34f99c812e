"""Reads what is text: safetensors headers, the JSON that comes with a model, templates, licences, prompts."""

import codecs
import re
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from msgspec import Struct

from prunella_core.base.text import clean

_LONGEST = 60
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
"""What a model's parameters can be called (Ollama's ``api.Options``, older names too)."""
_PARAMETERS = frozenset(_OPTIONS.split())
_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Tensor(Struct):
    dtype: str = ""
    shape: list[int] = []


def short(text: str) -> str:
    """Return ``text`` on one line, clean, and cut with an ellipsis when it is longer than 60 characters."""
    line = clean(" ".join(text[: _LONGEST * 8].split()))
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1].rstrip() + "…"


def quoted(text: str) -> str:
    """Return ``text`` in quotation marks, made short."""
    return f"“{short(text)}”"


def describe_tensors(head: bytes, size: int) -> str | None:
    """Describe a safetensors file of ``size`` bytes by its head, which is a length and JSON; ``None`` for others."""
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
        return f"safetensors, {short(' '.join(('tensor', tensor.dtype, shape)))} {quoted(name)}"
    types = _types(tensor.dtype for tensor in tensors.values())
    return f"safetensors, {len(tensors):,} tensors" + (f", {types}" if types else "")


def _types(dtypes: Iterable[str]) -> str:
    return short(" ".join(dtype for dtype, _count in Counter(dtypes).most_common(3)))


def describe_text(head: bytes, size: int) -> str | None:
    """Describe a text of ``size`` bytes by its head; ``None`` for what is not text."""
    text = _decode(head)
    if text is None:
        return None
    is_json = text.lstrip().startswith(("{", "["))
    return (is_json and _describe_json(head, size)) or _describe_prose(text[:_LOOKED_AT])


def _decode(head: bytes) -> str | None:
    """Return the text of the head, whose last character may be cut; ``None`` when it is binary or blank."""
    if b"\0" in head[:_LOOKED_AT]:
        return None
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        return None
    start = text[:_LOOKED_AT]
    is_text = start.strip() and all(char.isprintable() or char.isspace() for char in start)
    return text if is_text else None


def _describe_prose(text: str) -> str:
    if "{{" in text or "{%" in text:
        return f"template {quoted(text)}"
    stripped = (line.strip(" \t*#=-") for line in text.splitlines())
    lines = [line for line in stripped if line][:6] or [""]
    title = next(filter(_TITLE.search, lines), None)
    if len(text) >= _SHORTEST_LICENCE and (title or _RIGHTS.search(text)):
        return f"licence {quoted(title or lines[0])}"
    return f"text {quoted(text)}"


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
    return f"{what} {short(details)}".rstrip()
