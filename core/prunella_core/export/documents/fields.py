"""What several documents have in them: times, origins, problems, the store."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from prunella_core.base.text import clean
from prunella_core.inventory.origin import Origin
from prunella_core.inventory.records import Problem
from prunella_core.store.locate import Store

Document = dict[str, Any]


def timestamp(seconds: float | None) -> str | None:
    """Return an RFC 3339 time in UTC, as Ollama's API writes it."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):  # a file can carry a time that no calendar has
        return None


def origin_row(origin: Origin) -> Document:
    """What would bring a model back."""
    return {
        "kind": origin.kind,
        "source": cleaned(origin.source),
        "certainty": origin.certainty,
        "evidence": [clean(sentence) for sentence in origin.evidence],
        "only_here": list(origin.only_here),
    }


def problem_rows(problems: Iterable[Problem]) -> list[Document]:
    """Problems, as every document lists them."""
    return [
        {
            "path": clean(problem.path),
            "kind": problem.kind,
            "message": clean(problem.message),
            "blocks_prune": problem.blocks_prune,
        }
        for problem in problems
    ]


def store_row(store: Store) -> Document:
    """A store, and why this one."""
    return {
        "path": clean(store.root),
        "why": store.why,
        "owner": store.owner,
        "writable": store.writable,
        "other_stores": [clean(other) for other in store.other_stores],
    }


def age_at(since: float | None, now: float) -> int | None:
    """Whole seconds from ``since`` to ``now``; none for a time in the future."""
    return None if since is None else max(int(now - since), 0)


def cleaned(text: str | None) -> str | None:
    """Text from the disk as it may be shown; ``None`` stays unknown."""
    return clean(text) if text else text
