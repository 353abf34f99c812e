"""How sizes, ages, names and digests look, and how a reader does what is suggested: plain strings, already clean."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from prunella_core.base.text import clean
from prunella_core.inventory.records import Blob, Model, State, TrashEntry
from prunella_tui.report.lines import Span, Tone

STATES: dict[State, tuple[str, Tone, str]] = {
    State.REFERENCED: ("●", "good", "in use"),
    State.UNREFERENCED: ("○", "warning", "no model uses it; prune deletes it"),
    State.PARTIAL: ("◔", "warning", "an interrupted download; pulling the model again resumes it"),
    State.LEFTOVER: ("◌", "warning", "a temporary file of an interrupted create or upload"),
    State.STRAY: ("?", "quiet", "not a file of Ollama; only deleted when you name it"),
    State.MISSING: ("✗", "bad", "not on disk; models that use it cannot run"),
    State.TRASHED: ("⌫", "quiet", "in the trash, can be restored"),
}
"""Of every state a sign, so that no colour carries meaning alone, its tone, and what it means."""
BY_OLLAMA = {"deleted": "deleted by Ollama", "replaced": "replaced by a pull", "dropped": "download dropped by Ollama"}
"""How something came into the trash by the guard."""
_UNITS = (
    ("year", "y", 31_557_600),
    ("month", "mo", 2_629_800),
    ("day", "d", 86_400),
    ("hour", "h", 3_600),
    ("minute", "m", 60),
    ("second", "", 1),
)
"""Units of time: the word, its short form in a column, and its seconds."""


class Ways(NamedTuple):
    """How a reader does what a report suggests: phrases in a sentence; ``{}`` is the ID of a trash entry."""

    fix: str = "prunella doctor"
    include: str = "--force includes them"
    now: str = ", or at once with --now"
    unload: str = "space returns when it is unloaded: --unload"
    empty: str = "prunella empty"
    restore: str = "prunella restore {}"
    repair: str = "prunella doctor --repair"
    again: str = " (--again reads all)"


COMMANDS = Ways()
KEYS = Ways(
    fix="Problems (4)",
    include="“Include recent files” includes them",
    now="",
    unload="it is unloaded first",
    empty="e",
    restore="u, or prunella restore {}",
    repair="R",
    again="",
)


def size(count: int) -> str:
    """Return bytes in decimal units as Ollama shows them: ``4.9 GB``."""
    if count < 0:
        return f"-{size(-count)}"
    if count < 1000:
        return f"{count} B"
    import humanize

    return humanize.naturalsize(count, format="%.1f" if count < 99_950_000_000_000 else "%.0f")


def counted(count: int, one: str, many: str = "") -> str:
    """Return ``1 model`` or ``3,000 models``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """Return a span of time in one unit, rounded down as in ``age``: ``3 days``, ``5 months``."""
    spans = (counted(int(seconds // length), word) for word, _short, length in _UNITS if seconds >= length)
    return next(spans, "a moment")


def age(seconds: float | None) -> str:
    """Return how long ago, short enough for a column: ``now``, ``5m``, ``3h``, ``12d``, ``7mo``, ``2y``."""
    if seconds is None:
        return "–"
    return next((f"{int(seconds // length)}{unit}" for _, unit, length in _UNITS if unit and seconds >= length), "now")


def left(seconds: float) -> str:
    """Return the time left, short enough for a column and rounded up: a week that has just begun is ``7d``."""
    count, unit = _left(seconds)
    return f"{count}{unit[0]}" if seconds > 0 else "expired"


def time_left(seconds: float) -> str:
    """Return the time left in words, rounded as in ``left``: ``7 days``."""
    return counted(*_left(seconds))


def _left(seconds: float) -> tuple[int, str]:
    units = (("day", 86_400), ("hour", 3_600), ("minute", 60))
    return next(((round(-(-seconds // length)), unit) for unit, length in units if seconds > length), (1, "minute"))


def rate(count: int, seconds: float) -> str:
    """Return bytes per second, ``1.2 GB/s``; nothing while no time has passed."""
    return f"{size(round(count / seconds))}/s" if seconds > 0 else ""


def rest(share: float, seconds: float) -> str:
    """Return the time left when ``share`` (0 to 1) took ``seconds``: ``2 minutes left``."""
    return f"{duration(seconds * (1 - share) / share)} left" if 0 < share < 1 and seconds > 0 else ""


def stepping(done: int, total: int, seconds: float) -> str:
    """Return the progress of a removal after ``seconds``: steps, steps per second and the time left."""
    parts = [f"{done:,} of {counted(total, 'step')}"]
    if seconds >= 1 and done:
        parts += [f"{round(done / seconds):,} a second", rest(done / total, seconds)]
    return " · ".join(filter(None, parts))


def date(seconds: float) -> str:
    """Return a time as a date and minute in UTC."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):  # a file can carry a time that no calendar has
        return "a time beyond the calendar"


def when(seconds: float, now: float) -> str:
    """Return a time and how long ago it is: ``2026-01-02 03:04 UTC, 5 days ago``."""
    return f"{date(seconds)}, {duration(now - seconds)} ago"


def day(seconds: float, now: float) -> str:
    """Return a time as people say it after “last”: ``3 hours ago``, ``Tuesday``, ``on 2026-05-01``; in UTC."""
    if now - seconds < 86_400:
        return f"{duration(now - seconds)} ago"
    return f"{datetime.fromtimestamp(seconds, UTC):%A}" if now - seconds < 6 * 86_400 else f"on {date(seconds)[:10]}"


def names(known: Sequence[str], most: int = 3, count: int | None = None) -> str:
    """Return a short list of names: ``a, b, c and 4 more``; ``count`` is how many there are if not all are known."""
    shown = ", ".join(map(clean, known[:most]))
    more = (len(known) if count is None else count) - most
    return f"{shown} and {more:,} more" if more > 0 else shown


def only_here(kinds: Sequence[str]) -> str:
    """Return which kinds of layers exist nowhere else: ``weights exist only here``, ``system exists only here``."""
    is_many = len(kinds) > 1 or kinds[0].endswith("s")  # weights, params, messages
    return f"{clean(', '.join(kinds))} {'exist' if is_many else 'exists'} only here"


def failure(error: OSError, path: str = "") -> str:
    """Return what the system said and of which file, ``path`` if it named none."""
    return f"{clean(str(error.filename or path))}: {error.strerror}"


def short_digest(digest: str | None) -> str:
    """Return the first 12 digits of a digest, without ``sha256:``."""
    return digest.removeprefix("sha256:")[:12] if digest else ""


def state_text(state: State) -> Span:
    """Return a state's sign and word, with its tone."""
    sign, tone, _meaning = STATES[state]
    return f"{sign} {state.value}", tone


def blob_title(blob: Blob) -> str:
    """Return what a row of ``blobs/`` is called: its short digest, or its file name."""
    return short_digest(blob.digest) or clean(blob.key.removeprefix("blobs/"))


def is_ours(path: str) -> bool:
    """Whether a file of the trash is our own note about it: no file that a person deleted."""
    return path.endswith("/record.json")


def files_of(paths: Iterable[str]) -> str:
    """Return how many files there are, without our own notes: ``4 files``."""
    return counted(sum(not is_ours(path) for path in paths), "file")


def trash_title(entry: TrashEntry) -> str:
    """Return what an entry of the trash holds, in a line, and how it came there if Prunella did not delete it."""
    what = names([model.name for model in entry.models]) or files_of(file.path for file in entry.files)
    return f"{what} ({BY_OLLAMA[entry.cause]})" if entry.cause in BY_OLLAMA else what


def details(model: Model) -> str:
    """Return family, parameters and quantization in one line, where known."""
    known = (model.details.family, model.details.parameters, model.details.quantization)
    return clean(" · ".join(filter(None, known)))


def share_bar(share: float, width: int) -> str:
    """Return a bar of ``width`` cells, filled to ``share`` (0 to 1) in eighths of a cell."""
    full, part = divmod(round(max(0.0, min(share, 1.0)) * width * 8), 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[part] if part else "")).ljust(width)
