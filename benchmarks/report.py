"""What was measured, as a person reads it: the same tables on the terminal and in RESULTS.md."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from timing import Measured


class Line(NamedTuple):
    """One promise: a figure and its limit. ``limit`` is the most it may be; with ``at_least``, the least."""

    what: str
    figure: float
    unit: str
    limit: float
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the promise is kept."""
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit

    @property
    def cells(self) -> list[str]:
        """The line as a row of a table."""
        sign = "≥" if self.at_least else "≤"
        limit, figure = (_amount(each, self.unit) for each in (self.limit, self.figure))
        return [self.what, figure, f"{sign} {limit}", "met" if self.is_met else "MISSED"]


def _amount(figure: float, unit: str) -> str:
    return f"{figure:.2f} {unit}" if unit == "×" else f"{figure:.0f} {unit}"


def ratio(what: str, measured: Measured, against: Measured, limit: float) -> Line:
    """Return the line of one time as a multiple of another."""
    return Line(what, measured.seconds / against.seconds, "×", limit)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table that reads well as text and as Markdown: the first column to the left, the others to the right."""
    cells = [list(head), *(list(row) for row in rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [_row(each, widths) for each in (cells[0], rule, *cells[1:])]
    return "\n".join(lines)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.ljust(width) if not column else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join([first, *others])} |"


def lines_table(lines: Iterable[Line]) -> str:
    """Return the promises and what became of them."""
    return table(("what", "measured", "target", ""), [line.cells for line in lines])


def times_table(measured: Mapping[str, Measured], floor: int) -> str:
    """Return medians and peaks. Peaks up to ``floor`` bytes look the same."""
    rows = [
        (name, f"{each.seconds:.3f} s", f"{each.least:.3f} s", _peak(each.peak, floor))
        for name, each in measured.items()
    ]
    return table(("program", "median", "least", "peak memory"), rows)


def _peak(peak: int, floor: int) -> str:
    if not peak:
        return "–"
    return f"{peak / 1e6:.0f} MB" if peak > floor else f"< {floor / 1e6:.0f} MB"


def facts(pairs: Mapping[str, str]) -> str:
    """Return names and values as a list."""
    return "\n".join(f"- {name}: {value}" for name, value in pairs.items())
