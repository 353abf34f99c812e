"""A treemap for character cells: a rectangle cut into whole-cell rectangles whose areas follow given sizes.

Squarified (Bruls, Huizing, van Wijk, 2000): rows are filled as long as their tiles become squarer. Edges are rounded to
cells as each row is cut off, so what one row gets too much or too little the rest makes good.
"""

from collections.abc import Sequence

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


def _cut(weights: Sequence[int], rect: Rect) -> list[Rect]:
    parts: list[Rect] = []
    start, rest = 0, sum(weights)
    while start < len(weights):
        is_wide = rect.width >= rect.height * CELL_HEIGHT
        length, side = (rect.width, rect.height) if is_wide else (rect.height, rect.width)
        count = _row(weights[start:], rest, rect, is_wide)
        row = weights[start : start + count]
        left = len(weights) - start - count
        thickness = length if not left else _clip(round(length * sum(row) / rest), 1, length - -(-left // side))
        parts += _slice(row, rect, is_wide, thickness)
        rect = _without(rect, is_wide, thickness)
        start, rest = start + count, rest - sum(row)
    return parts


def _row(weights: Sequence[int], rest: int, rect: Rect, is_wide: bool) -> int:
    """How many of ``weights`` the next row takes: while the worst of its tiles gets no worse, and what is left fits."""
    length, side = (rect.width, rect.height) if is_wide else (rect.height, rect.width)
    count = max(len(weights) - (length - 1) * side, 1)
    real_length, real_side = (length, side * CELL_HEIGHT) if is_wide else (length * CELL_HEIGHT, side)
    worst = _worst(weights[:count], rest, real_length, real_side)
    while count < min(len(weights), side):
        longer = _worst(weights[: count + 1], rest, real_length, real_side)
        if longer > worst:
            break
        count, worst = count + 1, longer
    return count


def _worst(row: Sequence[int], rest: int, length: int, side: int) -> float:
    """The least square of a row's tiles: its longer edge by its shorter one."""
    whole = sum(row)
    thickness = length * whole / rest
    edges = [side * weight / whole for weight in (max(row), min(row))]
    return max(max(edge / thickness, thickness / edge) for edge in edges)


def _slice(row: Sequence[int], rect: Rect, is_wide: bool, thickness: int) -> list[Rect]:
    """Cut a row of ``thickness`` off ``rect`` into its tiles, each at least one cell long."""
    parts = []
    at, end, rest = 0, rect.height if is_wide else rect.width, sum(row)
    for number, weight in enumerate(row):
        left = len(row) - number - 1
        size = end - at if not left else _clip(round((end - at) * weight / rest), 1, end - at - left)
        across = (rect.x, rect.y + at, thickness, size) if is_wide else (rect.x + at, rect.y, size, thickness)
        parts.append(Rect(*across))
        at, rest = at + size, rest - weight
    return parts


def _without(rect: Rect, is_wide: bool, thickness: int) -> Rect:
    if is_wide:
        return Rect(rect.x + thickness, rect.y, rect.width - thickness, rect.height)
    return Rect(rect.x, rect.y + thickness, rect.width, rect.height - thickness)


def _clip(value: int, least: int, most: int) -> int:
    return max(least, min(value, most))
