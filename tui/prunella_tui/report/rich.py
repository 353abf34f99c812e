"""Draws lines on a terminal, or plainly into a pipe."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
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


class Drawing:
    """Something that Rich can print."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self.blocks = blocks

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines as they fit ``options``."""
        for spans in lay_out(self.blocks, options.max_width):
            for text, tone in spans:
                yield Segment(text, _STYLES[tone])
            yield Segment.line()
