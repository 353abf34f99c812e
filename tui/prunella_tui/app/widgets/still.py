"""Widgets that grow, shrink and change without a new layout of what is around them."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import ClassVar

from rich.segment import Segment
from textual.content import Content
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual
from textual.widgets import Input


class StillView(ScrollView):
    """A scroll view that keeps the room of its bar. Where all is in sight, the bar looks like the background."""

    virtual_size: reactive[Size] = reactive(Size(0, 0))
    """As in every widget, but that a change draws and does not lay out."""

    def watch_virtual_size(self, size: Size) -> None:
        """Update the bar, and stay within the text, as a layout would."""
        self.vertical_scrollbar.window_virtual_size = size.height
        if self.scroll_target_y > self.max_scroll_y:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw lines as they are: without borders, and a line that was drawn before is not copied."""
        strips = [self.render_line(y) for y in crop.line_range]
        background = self.background_colors[1]
        for each in self.get_line_filters():
            strips = [strip.apply_filter(each, background) for strip in strips]
        return [strip.crop(*crop.column_span) for strip in strips]


_EDGE = "▏ "


class TextView(StillView, can_focus=False):
    """A text that changes with every row, wrapped and drawn by the line behind an edge; it scrolls."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"text--edge"}

    content: Visual = Content("")
    _lines: Sequence[Strip] = ()
    _blank = Strip(())

    def on_mount(self) -> None:
        self.auto_links = False  # there are none

    def show(self, content: Visual) -> None:
        """Show another text, from its beginning."""
        if content != self.content:
            self.content = content
            self.scroll_to(y=0, animate=False, force=True)
            self._draw()

    def render(self) -> Visual:  # type: ignore[override]  # as widgets do
        """What it shows as a whole; it is drawn by ``render_line``."""
        return self.content

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        """Wrap the text, and draw the lines that differ from those before."""
        width = self.scrollable_content_region.width
        room = width - len(_EDGE)
        if room < 1:
            return
        texts = Visual.to_strips(self, self.content, room, None, self.visual_style)
        edge, style = Segment(_EDGE, self.get_component_rich_style("text--edge")), self.rich_style
        lines = [Strip([edge, *text, Segment(" " * (room - text.cell_length), style)], width) for text in texts]
        self._blank = Strip([edge, Segment(" " * room, style)], width)
        before, self._lines = self._lines, lines
        self.virtual_size = Size(width, len(lines))
        top = round(self.scroll_y)
        changed = [y for y, (old, new) in enumerate(zip_longest(before, lines)) if old != new]
        self.refresh(*(Region(0, y - top, width, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        line = round(self.scroll_y) + y
        return self._lines[line] if line < len(self._lines) else self._blank


class FilterField(Input):
    """The field in which a filter is typed, as wide as it is whatever stands in it; open only meanwhile."""

    virtual_size: reactive[Size] = reactive(Size(0, 0))

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    def open(self, text: str, placeholder: str) -> None:
        self.add_class("-open")
        self.placeholder = placeholder
        self.value = text
        self.focus()
