"""What Ollama's next start does, in words. Plain strings, already clean, for Rich and Textual alike."""

from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

from prunella_core.advice.forecast import NextStart
from prunella_core.base.text import clean
from prunella_tui.presentation import counted, number, short_digest, size

_FEW = 20


class Tone(Enum):
    """How a line is meant."""

    HEAD = auto()
    PLAIN = auto()
    QUIET = auto()
    WARNING = auto()
    BAD = auto()


class Line(NamedTuple):
    """A line of the preview."""

    text: str
    tone: Tone = Tone.PLAIN


def next_start_summary(coming: NextStart) -> str:
    """Return the whole preview in one line."""
    if coming.skipped:
        return "Ollama's next start removes nothing: " + _why(coming)
    if not _removed(coming):
        return "Ollama's next start removes nothing"
    broken = f", breaks {counted(len(coming.would_break), 'model')}" if coming.would_break else ""
    lost = f", loses {counted(len(coming.downloads), 'download')}" if coming.downloads else ""
    return f"Ollama's next start removes {counted(len(_removed(coming)), 'file')}{broken}{lost}"


def next_start_lines(coming: NextStart) -> Iterator[Line]:
    """Return what a server that starts now does to the store, and what could not be told."""
    yield Line(_headline(coming), Tone.HEAD)
    if coming.skipped:
        yield from _skipped(coming)
    else:
        yield Line("Its start-up prune takes what is over an hour old and what no manifest names, without asking.")
        yield Line("It is skipped where OLLAMA_NOPRUNE is set: the server's own environment decides.", Tone.QUIET)
    yield from _section("Models that it would break", coming.would_break, Tone.BAD)
    held = [f"{short_digest(lost.digest)}  holds {size(lost.held)} of {size(lost.size)}" for lost in coming.downloads]
    yield from _section("Downloads that would have to begin again", held, Tone.WARNING)
    yield from _section("Files that it does not look at, so what only they name goes", coming.overlooked, Tone.WARNING)
    of_downloads = {path for lost in coming.downloads for path in lost.files}
    others = [path for path in _removed(coming) if path not in of_downloads]
    yield from _section("Other files that would go" if of_downloads else "Files that would go", others, Tone.PLAIN)
    renamed = [f"{old}  →  {new}" for old, new in coming.renamed]
    yield from _section("Files that would get the name that blobs have today", renamed, Tone.PLAIN)
    unsure = [f"{problem.path}: {problem.message}" for problem in coming.unsure]
    yield from _section("Not certain, since the server may read this in another way", unsure, Tone.WARNING)


def _headline(coming: NextStart) -> str:
    if coming.skipped or not _removed(coming):
        return "If Ollama's server started now, it would remove nothing."
    gone = counted(len(_removed(coming)), "file")
    return f"If Ollama's server started now, it would remove {gone} and free {size(coming.reclaims)}."


def _removed(coming: NextStart) -> list[str]:
    renamed = {old for old, _new in coming.renamed}
    return [path for path in coming.files if path not in renamed]


def _why(coming: NextStart) -> str:
    return clean(coming.why or "")


def _skipped(coming: NextStart) -> Iterator[Line]:
    if coming.noprune:
        yield Line("OLLAMA_NOPRUNE is set here. Whether the server's own environment has it decides.")
    if coming.stops:
        yield Line("Its start-up prune is skipped wholesale while it cannot read all of manifests/.")
    stops = [f"{stop.path}: {stop.message}" for stop in coming.stops]
    yield from _section("What it cannot read", stops, Tone.WARNING)


def _section(title: str, rows: tuple[str, ...] | list[str], tone: Tone) -> Iterator[Line]:
    if not rows:
        return
    yield Line("")
    yield Line(f"{title}:", Tone.HEAD if tone is Tone.PLAIN else tone)
    for row in rows[:_FEW]:
        yield Line(f"  {clean(row)}")
    if len(rows) > _FEW:
        yield Line(f"  and {number(len(rows) - _FEW)} more (--json names all)", Tone.QUIET)
