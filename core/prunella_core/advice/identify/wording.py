"""Words from a blob, made fit for a line: clean, and never long."""

from prunella_core.base.text import clean

_LONGEST = 60


def short(text: str, most: int = _LONGEST) -> str:
    """Return ``text`` on one line, clean, and cut with an ellipsis when it is longer than ``most`` characters."""
    line = clean(" ".join(text[: most * 8].split()))
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def quoted(text: str) -> str:
    """Return ``text`` in quotation marks, made short."""
    return f"“{short(text)}”"
