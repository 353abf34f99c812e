"""Reads the header at the beginning of a safetensors file: eight bytes of length, then JSON."""

import re
from collections import Counter
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
        found = [match.decode() for match in _DTYPE.findall(header)]
        return f"safetensors, {_types(found)}" if found else None
    tensors.pop("__metadata__", None)
    return _sentence(tensors)


def _sentence(tensors: dict[str, _Tensor]) -> str:
    if len(tensors) == 1:
        ((name, tensor),) = tensors.items()
        shape = "×".join(map(str, tensor.shape[:_MOST_DIMENSIONS]))
        return f"safetensors, {short(' '.join(('tensor', tensor.dtype, shape)))} {quoted(name)}"
    types = _types(tensor.dtype for tensor in tensors.values())
    return f"safetensors, {len(tensors):,} tensors" + (f", {types}" if types else "")


def _types(dtypes: Iterable[str]) -> str:
    return short(" ".join(dtype for dtype, _count in Counter(dtypes).most_common(3)))
