"""Widgets that grow, shrink and change without a new layout of what is around them."""

from textual.content import Content
from textual.geometry import Size
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


class TextView(StillView, can_focus=False):
    """A text that changes with every row, wrapped and drawn by the line; it scrolls."""

    content: Visual = Content("")
    _lines: list[Strip] = []  # noqa: RUF012 -- replaced, never changed

    def show(self, content: Visual) -> None:
        """Show another text, from its beginning."""
        if content != self.content:
            self.content = content
            self.scroll_to(y=0, animate=False, force=True)
            self.on_resize()

    def render(self) -> Visual:  # type: ignore[override]  # as widgets do
        """What it shows as a whole; it is drawn by ``render_line``."""
        return self.content

    def notify_style_update(self) -> None:
        """Draw in the colours of another theme."""
        super().notify_style_update()
        self.on_resize()

    def on_resize(self) -> None:
        width = self.scrollable_content_region.width
        if width > 0:
            self._lines = Visual.to_strips(self, self.content, width, None, self.visual_style)
            self.virtual_size = Size(width, len(self._lines))
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line of what is in sight."""
        line = round(self.scroll_y) + y
        width = self.scrollable_content_region.width
        if line < len(self._lines):
            return self._lines[line].adjust_cell_length(width, self.rich_style)
        return Strip.blank(width, self.rich_style)


class FilterField(Input):
    """The field in which a filter is typed, as wide as it is whatever stands in it; open only meanwhile."""

    virtual_size: reactive[Size] = reactive(Size(0, 0))
    """As above."""

    @property
    def is_open(self) -> bool:
        """Whether something can be typed."""
        return self.has_class("-open")

    def open(self, text: str, placeholder: str) -> None:
        """Begin with ``text``."""
        self.add_class("-open")
        self.placeholder = placeholder
        self.value = text
        self.focus()
