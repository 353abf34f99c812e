"""A treemap for character cells: a rectangle cut into whole-cell rectangles whose areas follow given sizes.

Squarified (Bruls, Huizing, van Wijk, 2000): rows are filled as long as their tiles become squarer. Edges are rounded to
cells as each row is cut off, so what one row gets too much or too little the rest makes good.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

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
        """How many cells it has."""
        return self.width * self.height


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
