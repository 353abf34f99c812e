"""Draws lines on a terminal."""

from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style

from prunella_tui.report.lines import Block, lay_out

_STYLES = {
    "plain": None,
    "head": Style(bold=True),
    "strong": Style(bold=True),
    "quiet": Style(dim=True),
    "good": Style(color="green"),
    "warning": Style(color="yellow"),
    "bad": Style(color="red"),
    "info": Style(color="cyan"),
    "accent": Style(color="magenta"),
}


def drawn(blocks: Iterable[Block], stream: TextIO) -> str:
    """Return what to write to ``stream``. Colours follow the terminal, ``NO_COLOR`` and ``TERM``; so does the width."""
    console = Console(file=stream)
    pieces: list[Segment] = []
    for spans in lay_out(blocks, console.width):
        pieces += (*(Segment(text, _STYLES[tone]) for text, tone in spans), Segment.line())
    with console.capture() as captured:
        console.print(Segments(pieces), crop=False, end="")
    return captured.get()
