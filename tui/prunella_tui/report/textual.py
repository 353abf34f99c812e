"""Draws lines in the application, as wide as the widget is that shows them."""

from collections.abc import Iterable

from textual.content import Content
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
        self.blocks = tuple(blocks)
        self._laid_out: tuple[int, Content] | None = None

    def __str__(self) -> str:
        return plain(self.blocks)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Drawing) and self.blocks == other.blocks

    __hash__ = None  # type: ignore[assignment]  # tables hold lists

    def content(self, width: int) -> Content:
        """The text as it is shown in ``width`` cells."""
        if self._laid_out is None or self._laid_out[0] != width:
            lines = lay_out(self.blocks, width, chops=True)
            styled = (Content.assemble(*((text, STYLES[tone]) for text, tone in spans)) for spans in lines)
            self._laid_out = (width, Content("\n").join(styled))
        return self._laid_out[1]

    def get_optimal_width(self, rules: RulesMap, container_width: int) -> int:
        """As wide as there is room."""
        return container_width

    def get_height(self, rules: RulesMap, width: int) -> int:
        """Return how many lines it has in ``width`` cells."""
        return self.content(width).get_height(rules, width)

    def render_strips(self, width: int, height: int | None, style: Style, options: RenderOptions) -> list[Strip]:
        """Return the lines in ``width`` cells."""
        return self.content(width).render_strips(width, height, style, options)
