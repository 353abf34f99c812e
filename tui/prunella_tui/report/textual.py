"""Draws lines in the application, as wide as the widget is that shows them."""

from collections.abc import Iterable
from functools import lru_cache

from rich.segment import Segment
from textual.css.styles import RulesMap
from textual.strip import Strip
from textual.style import Style
from textual.visual import RenderOptions, Visual

from prunella_tui.report.lines import Block, lay_out, plain

STYLES = {
    "plain": "",
    "head": "bold $text-primary",
    "strong": "bold",
    "quiet": "$text-muted",
    "good": "bold $text-success",
    "warning": "bold $text-warning",
    "bad": "bold $text-error",
    "info": "$text-secondary",
    "accent": "$text-accent",
}


class Drawing(Visual):
    """Lines as a widget can show them: ``Static(Drawing(lines))``, or a widget's ``render``."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self.blocks = shown = tuple(blocks)
        self._lines = lru_cache(1)(lambda width: [*lay_out(shown, width, chops=True)])

    def __str__(self) -> str:
        return plain(self.blocks)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Drawing) and self.blocks == other.blocks

    __hash__ = None  # type: ignore[assignment]  # tables hold lists

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        return container_width

    def get_height(self, rules: RulesMap, width: int) -> int:
        return len(self._lines(width))

    def render_strips(self, width: int, height: int | None, style: Style, options: RenderOptions) -> list[Strip]:
        styles = {tone: (style + options.get_style(name)).rich_style for tone, name in STYLES.items()}
        lines = self._lines(width)[:height]
        return [Strip([Segment(text, styles[tone]) for text, tone in spans]) for spans in lines]
