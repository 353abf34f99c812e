"""Text from disk is hostile until cleaned: names and strings in manifests reach the terminal only through here."""

import os
import shlex
from collections.abc import Sequence


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
