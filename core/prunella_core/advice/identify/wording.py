"""Words from a blob, made fit for a line: clean, and never long."""

from prunella_core.base.text import clean

_LONGEST = 60


def short(text: str) -> str:
    """Return ``text`` on one line, clean, and cut with an ellipsis when it is longer than 60 characters."""
    line = clean(" ".join(text[: _LONGEST * 8].split()))
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1].rstrip() + "…"


def quoted(text: str) -> str:
    """Return ``text`` in quotation marks, made short."""
    return f"“{short(text)}”"
