"""One line of text that changes often: drawing it again lays nothing out."""

from textual.content import Content
from textual.widgets import Static


class Line(Static):
    """A line above or below the table. What does not fit ends in an ellipsis."""

    DEFAULT_CSS = """
    Line { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def say(self, *parts: Content | str, between: str = " · ") -> None:
        """Show ``parts`` that are not empty, with ``between`` between them."""
        shown = [Content(part) if isinstance(part, str) else part for part in parts if part]
        self.update(Content(between).join(shown), layout=False)


def muted(text: str) -> Content:
    """Return text of less weight."""
    return Content.styled(text, "$text-muted")
