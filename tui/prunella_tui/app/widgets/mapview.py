"""The treemap as a widget: tiles of whole cells, with lines, words and signs as well as colour."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import ClassVar, NamedTuple

from msgspec import Struct
from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from prunella_core.space.totals import Area

CELL_HEIGHT = 2
"""How much taller than wide a character cell is: a tile looks square with twice as many columns as rows."""


class Rect(Struct, frozen=True):
    """Cells: ``x`` and ``y`` of the top left corner, ``width`` and ``height``."""

    x: int
    y: int
    width: int
    height: int

    @property
    def cells(self) -> int:
        return self.width * self.height

    def has(self, x: int, y: int) -> bool:
        return self.x <= x < self.x + self.width and self.y <= y < self.y + self.height


class Tile(Struct, frozen=True):
    """A rectangle and the items that it stands for, by their index: one, or all that have no room of their own."""

    rect: Rect
    items: tuple[int, ...]


def treemap(sizes: Sequence[int], rect: Rect, least: float = 0) -> list[Tile]:
    """Cut ``rect`` into one tile for every size above 0, the largest first.

    Without room for all, the smallest get one tile together, the last; so do those that deserve fewer than ``least``
    cells. The tiles cover ``rect`` exactly and do not overlap.
    """
    groups = _groups(sizes, rect.cells, least)
    weights = [sum(sizes[item] for item in group) for group in groups]
    return [Tile(part, group) for part, group in zip(_cut(weights, rect), groups, strict=True)]


def _groups(sizes: Sequence[int], cells: int, least: float) -> list[tuple[int, ...]]:
    """The items of each tile, the largest first; the rest that shares a tile comes last, whatever it adds up to."""
    if not cells:
        return []
    order = sorted((item for item, size in enumerate(sizes) if size > 0), key=lambda item: -sizes[item])
    whole = sum(sizes[item] for item in order)
    own = sum(1 for item in order if sizes[item] * cells >= least * whole)
    if own > cells or own < len(order):
        own = min(own, cells - 1)
    groups: list[tuple[int, ...]] = [(item,) for item in order[:own]]
    return [*groups, tuple(order[own:])] if order[own:] else groups


def _cut(weights: Sequence[int], rect: Rect) -> Iterator[Rect]:
    rest = sum(weights)
    while weights:
        is_wide = rect.width >= rect.height * CELL_HEIGHT
        length, side = (rect.width, rect.height) if is_wide else (rect.height, rect.width)
        count = _row(weights, rest, length, side, CELL_HEIGHT if is_wide else 1 / CELL_HEIGHT)
        row, weights = weights[:count], weights[count:]
        most = length + -len(weights) // side  # every other tile needs a cell
        thickness = _clip(round(length * sum(row) / rest), 1, most) if weights else length
        yield from _slice(row, rect, is_wide, thickness)
        rest -= sum(row)
        if is_wide:
            rect = Rect(rect.x + thickness, rect.y, rect.width - thickness, rect.height)
        else:
            rect = Rect(rect.x, rect.y + thickness, rect.width, rect.height - thickness)


def _row(weights: Sequence[int], rest: int, length: int, side: int, stretch: float) -> int:
    """How many of ``weights`` the next row takes: while the worst of its tiles gets no worse, and what is left fits."""

    def worst(row: Sequence[int]) -> float:
        """The least square of a row's tiles: its longer edge by its shorter one."""
        whole = sum(row)
        thickness = length * whole / rest
        edges = [side * stretch * weight / whole for weight in (max(row), min(row))]
        return max(max(edge / thickness, thickness / edge) for edge in edges)

    count = max(len(weights) - (length - 1) * side, 1)
    while count < min(len(weights), side) and worst(weights[: count + 1]) <= worst(weights[:count]):
        count += 1
    return count


def _slice(row: Sequence[int], rect: Rect, is_wide: bool, thickness: int) -> Iterator[Rect]:
    """Cut a row of ``thickness`` off ``rect`` into its tiles, each at least one cell long."""
    at, end, rest = 0, rect.height if is_wide else rect.width, sum(row)
    for left, weight in zip(range(len(row) - 1, -1, -1), row, strict=True):
        size = _clip(round((end - at) * weight / rest), 1, end - at - left) if left else end - at
        yield Rect(rect.x, rect.y + at, thickness, size) if is_wide else Rect(rect.x + at, rect.y, size, thickness)
        at, rest = at + size, rest - weight


def _clip(value: int, least: int, most: int) -> int:
    return max(least, min(value, most))


LEAST_CELLS = 18
"""Fewer cells than these have no room for a word; what deserves fewer is summed up."""

_BETWEEN = " · "


class Canvas:
    """Cells with a character and a style each; a wide character is followed by an empty one."""

    def __init__(self, width: int, height: int) -> None:
        self._rows = [[(" ", Style.null())] * width for _row in range(height)]

    def box(self, rect: Rect, fill: Style, style: Style, *, is_heavy: bool) -> None:
        """Fill a rectangle and draw its edges; the right and lower ones, which are its neighbours', only heavily."""
        across, down, corners = ("━", "┃", "┏┓┗┛") if is_heavy else ("─", "│", "┌┐└┘")
        end, bottom = rect.x + rect.width - 1, rect.y + rect.height - 1
        for y in range(rect.y, bottom + 1):
            self._rows[y][rect.x : rect.x + rect.width] = [(down, style)] + [(" ", fill)] * (rect.width - 1)
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


class Label(NamedTuple):
    """What is written on a tile: a sign where there is room for nothing else, or lines; and its colour."""

    sign: str
    lines: tuple[str, ...]
    tone: str
    is_marked: bool


class Spot(NamedTuple):
    """A tile on the screen and the areas that it stands for: one, or all that are too small for a tile."""

    rect: Rect
    areas: tuple[Area, ...]

    @property
    def area(self) -> Area | None:
        """The area that it stands for, when it is one."""
        return self.areas[0] if len(self.areas) == 1 else None

    @property
    def allocated(self) -> int:
        return sum(area.allocated for area in self.areas)


class MapView(Widget, can_focus=True):
    """Shows areas as tiles, and has a cursor that goes from tile to tile."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"map--{part}" for part in ("model", "shared", "unneeded", "rest", "marked", "cursor", "empty")
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(0, -1)", "Up", show=False),
        Binding("down,j", "move(0, 1)", "Down", show=False),
        Binding("left,h", "move(-1, 0)", "Left", show=False),
        Binding("right,l", "move(1, 0)", "Right", show=False),
    ]

    class Highlighted(Message):
        """Another tile is under the cursor, or its mark changed."""

    class Opened(Message):
        """The tile under the cursor is to be opened."""

    def __init__(self, label: Callable[[Spot], Label]) -> None:
        super().__init__()
        self.label = label
        self.spots: list[Spot] = []
        self._main: Sequence[Area] = ()
        self._apart: Sequence[Area] = ()
        self._anchor = (0, 0)
        self._lines: list[Strip] = []

    # What it shows

    def show(self, main: Sequence[Area], apart: Sequence[Area] = (), cursor: Area | None = None) -> None:
        """Lay out ``main``, and ``apart`` in a strip of its own below it; put the cursor on ``cursor``."""
        self._main, self._apart = main, apart
        self._lay_out(cursor)

    def on_resize(self) -> None:
        self._lay_out(self.spot.areas[0] if self.spot else None)

    def _lay_out(self, cursor: Area | None) -> None:
        """Give what lies apart its share of the rows, and one at least."""
        width, height = self.size
        below, whole = (sum(area.allocated for area in areas) for areas in (self._apart, [*self._main, *self._apart]))
        strip = 0
        if below and height:
            strip = max(1, min(round(height * below / whole), height - 1 if self._main else height))
        parts = (
            (self._main, Rect(0, 0, width, height - strip), LEAST_CELLS),
            (self._apart, Rect(0, height - strip, width, strip), 0),
        )
        self.spots = [
            Spot(tile.rect, tuple(areas[item] for item in tile.items))
            for areas, rect, least in parts
            for tile in treemap([area.allocated for area in areas], rect, least)
        ]
        if under := [spot for spot in self.spots if cursor in spot.areas] or self.spots:
            self._anchor = _middle(under[0])
        self.redraw()

    @property
    def spot(self) -> Spot | None:
        return self._spot_at(*self._anchor)

    def _spot_at(self, x: int, y: int) -> Spot | None:
        return next((spot for spot in self.spots if spot.rect.has(x, y)), None)

    # The cursor

    def action_move(self, right: int, down: int) -> None:
        """Go to the tile that lies next to this one in a direction: the one that the cursor's row or column meets."""
        if not self.spot:
            return
        rect, (x, y) = self.spot.rect, self._anchor
        x = rect.x + rect.width if right > 0 else rect.x - 1 if right else x
        y = rect.y + rect.height if down > 0 else rect.y - 1 if down else y
        if found := self._spot_at(x, y):
            across, along = _middle(found)
            self._anchor = (across, y) if right else (x, along)
            self.redraw()

    def on_click(self, event: events.Click) -> None:
        """A click goes to a tile, a second one opens it."""
        if self._spot_at(event.x, event.y):
            self._anchor = event.x, event.y
            self.redraw()
            if event.chain == 2:
                self.post_message(self.Opened())

    # Drawing

    def redraw(self) -> None:
        """Draw everything again, since the cursor or what is marked changed."""
        canvas = Canvas(self.size.width, self.size.height)
        for spot in self.spots:
            self._draw(canvas, spot)
        self._lines = canvas.strips()
        self.post_message(self.Highlighted())
        self.refresh()

    def _draw(self, canvas: Canvas, spot: Spot) -> None:
        label, is_current = self.label(spot), spot == self.spot
        style = self.get_component_rich_style(f"map--{label.tone}")
        edge, words = style + Style(dim=True), style
        if is_current:
            edge = words = self.get_component_rich_style("map--cursor")
        elif label.is_marked:
            marked = self.get_component_rich_style("map--marked")
            words += Style(color=marked.color, bold=marked.bold)
        canvas.box(spot.rect, style, edge, is_heavy=is_current)
        _write(canvas, spot.rect, label, words, is_current)

    def render_line(self, y: int) -> Strip:
        if y < len(self._lines) and self.spots:
            return self._lines[y]
        if y == 1 and not self.spots:
            empty = Segment("   Nothing on disk: no tile to show.", self.get_component_rich_style("map--empty"))
            return Strip([empty]).adjust_cell_length(self.size.width, self.rich_style)
        return Strip.blank(self.size.width, self.rich_style)


def _middle(spot: Spot) -> tuple[int, int]:
    return spot.rect.x + spot.rect.width // 2, spot.rect.y + spot.rect.height // 2


def _write(canvas: Canvas, rect: Rect, label: Label, style: Style, is_current: bool) -> None:
    """Write as much of a label as has room: in the upper edge its first line, the others below."""
    signs = ("▶" if is_current else "") + ("✓" if label.is_marked else "")
    room = rect.width - (3 if is_current and rect.height > 1 else 2)
    if room < 4:
        canvas.write(rect.x, rect.y, signs[:1] or label.sign, style)
        return
    lines = [f"{signs} {label.lines[0]}" if signs else label.lines[0], *label.lines[1:]]
    if rect.height == 1:
        lines = ["  ".join(lines)]
    rows = rect.height - (1 if is_current and rect.height > 2 else 0)
    for row, line in enumerate(lines[:rows]):
        canvas.write(rect.x + 1, rect.y + row, f" {_fit(line, room - 1)} ", style)


def _fit(text: str, width: int) -> str:
    """Leave out the last of several facts before anything is cut."""
    while cell_len(text) > width and _BETWEEN in text:
        text = text.rpartition(_BETWEEN)[0]
    return text if cell_len(text) <= width else set_cell_size(text, max(width - 1, 0)) + "…"
