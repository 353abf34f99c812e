"""File contents that look like a model's: a real header, then noise that no file system compresses away."""

import hashlib
import json
import random
import struct

_STRING, _UINT32 = 8, 4
_FILE_TYPES = {"F16": 1, "Q4_0": 2, "Q8_0": 7, "Q4_K_M": 15, "MXFP4": 38}
_NOISE_BYTES = 128 * 1024


def gguf(
    size: int, name: str, *, architecture: str, parameters: str = "", quantization: str = "", kind: str = "model"
) -> bytes:
    """Return ``size`` bytes that begin as a GGUF file of that model does."""
    pairs: dict[str, str | int] = {
        "general.architecture": architecture,
        "general.type": kind,
        "general.name": name,
        "general.size_label": parameters,
    }
    if quantization in _FILE_TYPES:
        pairs["general.file_type"] = _FILE_TYPES[quantization]
    header = b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs))
    return fill(header + b"".join(_pair(key, value) for key, value in pairs.items()), size, name)


def _pair(key: str, value: str | int) -> bytes:
    if isinstance(value, int):
        return _text(key) + struct.pack("<II", _UINT32, value)
    return _text(key) + struct.pack("<I", _STRING) + _text(value)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def tensor(size: int, name: str) -> bytes:
    """Return ``size`` bytes that begin as a safetensors file with the one tensor ``name`` does."""
    header = json.dumps({name: {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return fill(len(header).to_bytes(8, "little") + header, size, name)


def fill(header: bytes, size: int, seed: str) -> bytes:
    """Return ``header`` followed by noise, ``size`` bytes in all; the same for the same ``seed``."""
    noise = random.Random(hashlib.sha256(seed.encode()).digest()).randbytes(min(size, _NOISE_BYTES))  # noqa: S311 -- sample data
    repeated = noise * (size // max(len(noise), 1) + 1)
    return (header + repeated)[: max(size, len(header))]
