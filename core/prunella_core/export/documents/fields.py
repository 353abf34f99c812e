"""What several documents contain: clean text, times, problems."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from prunella_core.base.text import clean
from prunella_core.inventory.records import Problem

Document = dict[str, Any]


def timestamp(seconds: float | None) -> str | None:
    """Return an RFC 3339 time in UTC, as Ollama's API writes it."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):  # a file can have a time that no calendar has
        return None


def picked(record: object, *fields: str) -> Document:
    """Return fields of a record, with clean text."""
    return {field: shown(getattr(record, field)) for field in fields}


def shown(value: Any) -> Any:
    """Text from the disk, alone or in tuples, as it may be shown; other values unchanged."""
    if isinstance(value, str):
        return clean(value)
    return [shown(each) for each in value] if isinstance(value, tuple) else value


def problem_rows(problems: Iterable[Problem]) -> list[Document]:
    """Return problems as every document lists them."""
    return [picked(problem, "path", "kind", "message", "blocks_prune") for problem in problems]
