"""A sheet of character cells to draw on: rectangles, their edges, and words."""

from itertools import groupby

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from prunella_core.space.treemap import Rect


class Canvas:
    """Cells with a character and a style each; a wide character is followed by an empty one."""

    def __init__(self, width: int, height: int) -> None:
        self._rows = [[(" ", Style.null())] * width for _row in range(height)]

    def fill(self, rect: Rect, style: Style) -> None:
        """Fill a rectangle with blanks."""
        for y in range(rect.y, rect.y + rect.height):
            self._rows[y][rect.x : rect.x + rect.width] = [(" ", style)] * rect.width

    def frame(self, rect: Rect, style: Style, *, is_heavy: bool) -> None:
        """Draw the edges of a rectangle; the right and the lower ones, which are its neighbours', only heavily."""
        across, down, corners = ("━", "┃", "┏┓┗┛") if is_heavy else ("─", "│", "┌┐└┘")
        end, bottom = rect.x + rect.width - 1, rect.y + rect.height - 1
        for y in range(rect.y, bottom + 1):
            self.write(rect.x, y, down, style)
        if rect.height > 1:
            self.write(rect.x, rect.y, corners[0] + across * (rect.width - 1), style)
        if is_heavy and rect.height > 2 and rect.width > 1:
            for y in range(rect.y, bottom):
                self.write(end, y, down, style)
            self.write(end, rect.y, corners[1], style)
            self.write(rect.x, bottom, corners[2] + across * (rect.width - 2) + corners[3], style)

    def write(self, x: int, y: int, text: str, style: Style) -> None:
        """Write ``text`` into a line; what reaches over its end is cut."""
        row = self._rows[y]
        for char in text:
            width = cell_len(char)
            if width and x + width <= len(row):
                row[x] = (char, style)
                row[x + 1 : x + width] = [("", style)] * (width - 1)
                x += width

    def strips(self) -> list[Strip]:
        """Return the lines, with runs of one style put together."""
        lines = ([(style, list(run)) for style, run in groupby(row, lambda cell: cell[1])] for row in self._rows)
        return [Strip([Segment("".join(char for char, _style in run), style) for style, run in line]) for line in lines]
