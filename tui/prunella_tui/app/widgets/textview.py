"""A text next to the table that changes with every row: it is wrapped and drawn by the line, without a new layout."""

from textual.content import Content
from textual.geometry import Size
from textual.strip import Strip
from textual.visual import Visual

from prunella_tui.app.widgets.still import StillView


class TextView(StillView, can_focus=False):
    """Shows a text as wide as there is room, and lets it scroll."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 -- Textual's word
        super().__init__(id=id)
        self.content: Visual = Content("")
        self._lines: list[Strip] = []

    def show(self, content: Visual) -> None:
        """Show another text, from its beginning."""
        if content != self.content:
            self.content = content
            self.scroll_to(y=0, animate=False, force=True)
            self._wrap()

    def render(self) -> Visual:  # type: ignore[override]  # as widgets do
        """What it shows, for whoever asks for it as a whole; it is drawn by ``render_line``."""
        return self.content

    def on_resize(self) -> None:
        self._wrap()

    def notify_style_update(self) -> None:
        """Draw in the colours of another theme."""
        super().notify_style_update()
        self._wrap()

    def _wrap(self) -> None:
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
