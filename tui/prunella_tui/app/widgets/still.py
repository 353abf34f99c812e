"""Scrolling widgets that may grow and shrink without a new layout of what is around them."""

from typing import ClassVar

from textual.geometry import Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.widgets import Input


class StillView(ScrollView):
    """A scroll view that keeps the room of its bar. Where all is in sight, the bar looks like the background."""

    DEFAULT_CSS: ClassVar[str] = """
    StillView {
        overflow-x: hidden;
        overflow-y: scroll;
        scrollbar-background: $background;
        scrollbar-background-hover: $background;
        scrollbar-background-active: $background;
    }
    """

    virtual_size: reactive[Size] = reactive(Size(0, 0))
    """As in every widget, but that a change draws and does not lay out."""

    def watch_virtual_size(self, size: Size) -> None:
        """Update the bar, and stay within the text, as a layout would."""
        self.vertical_scrollbar.window_virtual_size = size.height
        if self.scroll_target_y > self.max_scroll_y:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)


class StillInput(Input):
    """A line to type in that is as wide as it is, whatever stands in it."""

    virtual_size: reactive[Size] = reactive(Size(0, 0))
    """As above."""
