"""Reads the header at the beginning of a safetensors file: eight bytes of length, then JSON."""

import re
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from prunella_core.advice.identify.wording import quoted, short

_LARGEST_HEADER = 100_000_000
"""Bytes; the format allows no more."""
_DTYPE = re.compile(rb'"dtype"\s*:\s*"([A-Z][A-Z0-9_]{0,11})"')
_MOST_DIMENSIONS = 6


class _Tensor(Struct):
    dtype: str = ""
    shape: list[int] = []


_DECODER = msgspec.json.Decoder(dict[str, _Tensor])


def describe_tensors(head: bytes, size: int) -> str | None:
    """Describe a safetensors file of ``size`` bytes by its head; ``None`` for anything else."""
    length = int.from_bytes(head[:8], "little")
    if head[8:9] != b"{" or not 2 <= length <= min(size - 8, _LARGEST_HEADER):
        return None
    header = head[8 : 8 + length]
    try:
        tensors = _DECODER.decode(header)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):  # longer than the head, or not quite the format
        found = (match.decode() for match in _DTYPE.findall(header))
        return _join("safetensors", _types(found)) if _DTYPE.search(header) else None
    tensors.pop("__metadata__", None)
    return _sentence(tensors)


def _sentence(tensors: dict[str, _Tensor]) -> str:
    if len(tensors) == 1:
        ((name, tensor),) = tensors.items()
        shape = "×".join(map(str, tensor.shape[:_MOST_DIMENSIONS]))
        return f"safetensors, {short(' '.join(('tensor', tensor.dtype, shape)))} {quoted(name)}"
    return _join(f"safetensors, {len(tensors):,} tensors", _types(tensor.dtype for tensor in tensors.values()))


def _types(dtypes: Iterable[str]) -> str:
    """The types of the tensors, the most frequent first."""
    counts: dict[str, int] = {}
    for dtype in dtypes:
        counts[dtype] = counts.get(dtype, 0) + 1
    return short(" ".join(sorted(counts, key=lambda dtype: -counts[dtype])[:3]))


def _join(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
