"""Text from disk, made harmless before it reaches a terminal; ages and sizes as people write them."""

import os
import re
import shlex
from collections.abc import Sequence

from prunella_core.base.errors import InvalidInput


def clean(text: str) -> str:
    r"""Return ``text`` with everything that is not a printable character written out as an escape.

    Control characters, bidirectional overrides and undecodable bytes (surrogates, as ``os.fsdecode`` makes them) become
    visible: ``\x1b``, ``\u202e``, ``\xff``. Ordinary text comes back unchanged.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def for_a_shell(path: str) -> str:
    """Write a path so that it can be pasted into a shell, whatever its bytes."""
    if path.isprintable():
        return shlex.quote(path)
    escaped = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\x{byte:02x}" for byte in os.fsencode(path)
    )
    return f"$'{escaped}'"


def few(names: Sequence[str], most: int = 3) -> str:
    """Write names for a sentence: a blob may be shared by thousands of models."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_AGE = re.compile(r"(?:[0-9]+[wdhms])+\Z")
_TERM = re.compile(r"([0-9]+)([wdhms])")
_LONGEST = 1_000 * 365 * 86_400

SETTLING_SECONDS = 600
"""What was written in the last ten minutes may belong to a pull or create that is still running."""

DEFAULT_RETENTION = "7d"
"""How long the trash keeps things by default."""


def parse_age(text: str) -> int:
    """Return the seconds in ``7d``, ``12h``, ``2w``, ``1d12h`` or ``0``.

    Raises InvalidInput for anything else, so that a typing error never means "now".
    """
    wanted = text.strip().lower()
    if wanted == "0":
        return 0
    seconds = sum(int(count) * _UNITS[unit] for count, unit in _TERM.findall(wanted)) if len(wanted) < 40 else -1
    if not _AGE.match(wanted) or not 0 <= seconds <= _LONGEST:
        raise InvalidInput(f"invalid age “{clean(text)}”: use 7d, 12h, 2w, 1d12h or 0")
    return seconds


_AMOUNT = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,20})?) ?(%|b|[kmgtp](?:ib|i|b)?|)\Z")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_LARGEST = 2**63 - 1
"""Bytes; no file system counts further."""
_SMALLEST = 1_000_000


def parse_size(text: str, percent_of: int | None = None) -> int:
    """Return the bytes in ``50GB``, ``50G``, ``1.5TB``, ``500MB``, ``50GiB`` or ``50000000``, rounded up.

    ``GB`` and ``G`` are decimal, as Prunella and Ollama print sizes; ``GiB`` is 1024³. ``20%`` is taken where it has a
    meaning: then ``percent_of`` says of how many bytes.

    Raises InvalidInput for anything else, and for a small number without a unit: 50 hardly means bytes.
    """
    match = _AMOUNT.match(text.strip().lower())
    if match is None or (match[2] == "%" and percent_of is None):
        raise _refusal(text, percent_of)
    whole, _point, part = match[1].partition(".")
    count, of = int(whole + part), int(10 ** len(part))
    if match[2] != "%":
        count *= (1024 if "i" in match[2] else 1000) ** _POWERS[match[2].rstrip("ib")]
    elif count <= 100 * of:
        count, of = count * (percent_of or 0), of * 100
    else:
        raise _refusal(text, percent_of)
    if count > _LARGEST * of:
        raise _refusal(text, percent_of)
    if not match[2] and 0 < count < _SMALLEST * of:
        uses = f"{match[1]}GB or {match[1]}MB" if percent_of is None else f"{match[1]}GB, {match[1]}MB or {match[1]}%"
        raise InvalidInput(f"“{match[1]}” has no unit: use {uses}")
    return -(-count // of)


def _refusal(text: str, percent_of: int | None) -> InvalidInput:
    takes = "50GB, 1.5TB, 500MB, 50GiB or plain bytes" + ("" if percent_of is None else ", or 20%")
    return InvalidInput(f"invalid size “{clean(text)}”: use {takes}")
