"""A table on the line API: only the rows in sight are ever drawn, so a hundred thousand mount as fast as twenty."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from prunella_tui.app.bindings import bindings
from prunella_tui.app.widgets.still import StillView

Row = TypeVar("Row")
Mark = Literal["", "marked", "implied"]
_SIGNS: dict[Mark, str] = {"": "  ", "marked": "✓ ", "implied": "▪ "}
_LEAD = 3
"""Cells before the first column: the cursor and the mark."""
_GAP = 2
_PARTS = ("header", "sorted", "row", "cursor", "empty", "marked", "implied", "muted", "warning", "error", "bar")
_MOST_STRIPS = 200
"""Lines that are kept as they were drawn: some screens of them."""


class Column(NamedTuple, Generic[Row]):
    """One column. ``width`` 0 takes what is left; a column of a higher ``rank`` gives way first when it gets narrow."""

    key: str
    title: str
    width: int
    cell: Callable[[Row], str]
    sort: Callable[[Row], Any]
    right: bool = False
    largest_first: bool = False
    rank: int = 0
    least: int = 24
    """How narrow a column of width 0 may get before others give way."""
    letter: str = ""
    tone: Callable[[Row], str] | None = None
    """Names what colours the cell: muted, warning, error or bar; or nothing."""


class RowTable(StillView, Generic[Row], can_focus=True):
    """Rows of one kind with a cursor, marks, a sort column and a filter. Rows are known by their key.

    ``below`` is what the second line of each row says, where rows have two. ``moved`` is called at once when the
    cursor is on another row, so that what it draws comes in the same frame.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"table--{part}" for part in _PARTS}
    BINDINGS: ClassVar[list[BindingType]] = bindings("table")

    class Toggled(Message):
        """The mark of the row under the cursor was clicked."""

    class Opened(Message):
        """The row under the cursor was clicked twice."""

    def __init__(
        self,
        *,
        empty: str,
        key_of: Callable[[Row], str] = str,
        below: Callable[[Row], str] | None = None,
        moved: Callable[[], None] = lambda: None,
        mark_of: Callable[[str], Mark] = lambda _key: "",
        id: str | None = None,  # noqa: A002 -- Textual's word
    ) -> None:
        super().__init__(id=id)
        self.empty = empty
        self.columns: Sequence[Column[Row]] = ()
        self.rows: Sequence[Row] = ()
        self.cursor = 0
        self.sort_key = ""
        self.reverse = False
        self.filter_text = ""
        self.filter_error = ""
        """Why the filter is not understood; then no row is shown."""
        self._key_of, self._below, self._moved, self._mark_of = key_of, below, moved, mark_of
        self._height = 2 if below else 1
        self._texts: Sequence[str] = ()
        self._sorted: list[int] = []
        """The numbers of all rows, in their order."""
        self._shown = self._sorted
        """The same list, or those of the rows that the filter lets through."""
        self._order: tuple[str, bool] | None = None
        """The column and the direction that they are sorted by."""
        self._filter: tuple[Sequence[str], bool] = ((), False)
        self._layout: list[tuple[Column[Row], int]] = []
        self._styles: dict[str, Style] = {}
        self._strips: dict[Hashable, Strip] = {}

    # What it shows

    def show(self, columns: Sequence[Column[Row]], rows: Sequence[Row], texts: Sequence[str] = ()) -> None:
        """Show other rows; a filter searches ``texts``. The cursor stays on its key, else at its height."""
        before = self.key
        self.columns, self.rows, self._texts = columns, rows, texts
        self.sort_key = self.sort_key or next((column.key for column in columns if column.largest_first), "")
        self._sorted = self._shown = list(range(len(rows)))
        self._order, self._filter = None, ((), False)
        self._lay_out()
        self._sort(self._number(before))

    def _number(self, key: str | None) -> int | None:
        return next((number for number, known in enumerate(map(self._key_of, self.rows)) if known == key), None)

    @property
    def row(self) -> Row | None:
        return self.rows[self._shown[self.cursor]] if self._shown else None

    @property
    def key(self) -> str | None:
        return self._key_of(self.rows[self._shown[self.cursor]]) if self._shown else None

    @property
    def shown_keys(self) -> list[str]:
        """The keys of the rows that the filter lets through, in their order."""
        return [self._key_of(self.rows[number]) for number in self._shown]

    @property
    def count(self) -> str:
        """How many rows there are: ``26``, or ``3/26`` with a filter."""
        return f"{len(self._shown):,}/{len(self.rows):,}" if self.filter_text else f"{len(self.rows):,}"

    def sort_by(self, key: str) -> None:
        """Sort by a column; by the same once more reverses the order. The cursor stays on its row, or at the top."""
        self.reverse = key == self.sort_key and not self.reverse
        self.sort_key = key
        self._sort(self._shown[self.cursor] if self.cursor else None)

    def _sort(self, stay_on: int | None) -> None:
        """Sort by what is chosen. Rows of the same value keep the order that they had."""
        if by := self._sorted_by():
            reverse = by.largest_first != self.reverse
            if self._order == (by.key, not reverse):
                self._sorted.reverse()
            else:
                values = list(map(by.sort, self.rows))
                self._sorted.sort(key=values.__getitem__, reverse=reverse)
            self._order = by.key, reverse
            if self._shown is not self._sorted:
                shown = set(self._shown)
                self._shown = [number for number in self._sorted if number in shown]
        self._arranged(stay_on)

    def _sorted_by(self) -> Column[Row] | None:
        return next((column for column in self.columns if column.key == self.sort_key), None)

    def action_sort(self) -> None:
        """Sort by the next column, those without room too."""
        keys = [column.key for column in self.columns if column.title.strip()]
        at = keys.index(self.sort_key) if self.sort_key in keys else -1
        self.sort_by(keys[(at + 1) % len(keys)])

    def action_reverse(self) -> None:
        self.sort_by(self.sort_key)

    def action_sort_by(self, letter: str) -> None:
        for column in self.columns:
            if column.letter == letter:
                self.sort_by(column.key)

    def filter(
        self, text: str, words: Sequence[str] = (), passes: Callable[[Row], bool] | None = None, error: str = ""
    ) -> None:
        """Show only rows in which every one of ``words`` occurs and that ``passes`` lets through.

        ``text`` is what was typed for it; with an ``error`` in it no row is shown. Words that only grew go through
        what is shown.
        """
        stay_on = self._shown[self.cursor] if self._shown else None
        self.filter_text, self.filter_error = text.strip(), error
        (old_words, had_terms), self._filter = self._filter, (words, bool(passes or error))
        is_narrower = not had_terms and all(any(old in new for new in words) for old in old_words)
        numbers = self._shown if is_narrower else self._sorted
        for word in words:
            numbers = [number for number in numbers if word in self._texts[number]]
        if passes:
            numbers = [number for number in numbers if passes(self.rows[number])]
        self._shown = [] if error else numbers
        self._arranged(stay_on)

    def _arranged(self, stay_on: int | None) -> None:
        self.virtual_size = Size(self.size.width, len(self._shown) * self._height + 1)
        self._go_to(stay_on)
        self.refresh()

    # The cursor

    def go_to(self, key: str) -> None:
        self._go_to(self._number(key))

    def _go_to(self, number: int | None) -> None:
        self._put_cursor(self._shown.index(number) if number in self._shown else self.cursor)

    def _put_cursor(self, at: int) -> None:
        before, self.cursor = self.cursor, max(0, min(at, len(self._shown) - 1))
        top, height = round(self.scroll_target_y), self._height
        first, last = self.cursor * height, self.cursor * height + height
        if first < top:
            self.scroll_to(y=first, animate=False, force=True, immediate=True)
        elif self.size.height and last > top + max(self.size.height - 1, height):  # none while another tab is open
            self.scroll_to(y=last - self.size.height + 1, animate=False, force=True, immediate=True)
        self._moved()
        top = round(self.scroll_target_y) - 1
        rows = (before, self.cursor)
        self.refresh(*(Region(0, row * height - top, self.size.width, height) for row in rows))

    def action_move(self, rows: int) -> None:
        self._put_cursor(self.cursor + rows)

    def action_page(self, way: int) -> None:
        self.action_move(way * max((self.size.height - 1) // self._height - 1, 1))

    def action_first(self) -> None:
        self._put_cursor(0)

    def action_last(self) -> None:
        self._put_cursor(len(self._shown))

    # The mouse

    def on_click(self, event: events.Click) -> None:
        """A click on the header sorts, one on the mark marks, a second one opens."""
        index = (event.y - 1 + round(self.scroll_y)) // self._height
        if event.y == 0:
            at = _LEAD
            for column, width in self._layout:
                if at <= event.x < at + width + _GAP:
                    self.sort_by(column.key)
                at += width + _GAP
        elif index < len(self._shown):
            self._put_cursor(index)
            if event.x < _LEAD:
                self.post_message(self.Toggled())
            elif event.chain == 2:
                self.post_message(self.Opened())

    # Drawing

    def on_resize(self) -> None:
        self._lay_out()
        self._arranged(None)

    def _lay_out(self) -> None:
        columns = list(self.columns)
        room = self.size.width - _LEAD
        least = max((column.least for column in columns if not column.width), default=0)
        while room - _fixed(columns) < least and any(column.rank for column in columns):
            columns.remove(max(columns, key=lambda column: column.rank))
        rest = max(room - _fixed(columns), 1)
        self._layout = [(column, column.width or rest) for column in columns]
        self._strips.clear()

    def render_line(self, y: int) -> Strip:
        if y == 0:
            return self._drawn((self.sort_key, self.reverse), self._header, "header")
        index, line = divmod(round(self.scroll_y) + y - 1, self._height)
        if index < len(self._shown):
            row = self.rows[number := self._shown[index]]
            mark, draw = self._mark_of(self._key_of(row)), self._second_line if line else self._row
            if index == self.cursor:  # its colours change with the focus, and the table hears nothing of that
                return Strip(draw(row, mark, self._cursor())).adjust_cell_length(self.size.width, self._cursor())
            return self._drawn((number, line, mark), lambda: draw(row, mark), "base")
        if y == 2 and not self._shown:
            text = "Nothing matches the filter." if self.filter_text and self.rows else self.empty
            return self._drawn(text, lambda: [Segment(" " * _LEAD + text, self._style("empty"))], "blank")
        return Strip.blank(self.size.width, self._style("blank"))

    def _drawn(self, key: Hashable, draw: Callable[[], Iterable[Segment]], style: str) -> Strip:
        """Draw a line, or return it as it was drawn before."""
        if key not in self._strips:
            if len(self._strips) > _MOST_STRIPS:
                self._strips.clear()
            self._strips[key] = Strip(draw()).adjust_cell_length(self.size.width, self._style(style))
        return self._strips[key]

    def _header(self) -> Iterator[Segment]:
        by = self._sorted_by()
        arrow = "▼" if by and by.largest_first != self.reverse else "▲"
        is_out_of_sight = by is not None and all(column is not by for column, _width in self._layout)
        yield Segment(" " * _LEAD, self._style("header"))
        for column, width in self._layout:
            more = f" {column.letter}" if column.letter and len(column.title) + 2 <= width else ""
            if column is by:
                more = arrow
            elif by and is_out_of_sight and not column.width:  # the widest says what the rows are sorted by
                more = f" (by {by.title}{arrow})"
            style = self._style("sorted" if column is by else "header")
            yield Segment(_fit(column.title + more, width, column.right) + " " * _GAP, style)

    def _row(self, row: Row, mark: Mark, cursor: Style | None = None) -> Iterator[Segment]:
        base = (cursor or self._style("base")) + Style(bold=mark == "marked")
        if mark and not cursor:
            base += self._color(mark)
        yield Segment(("▶" if cursor and self.has_focus else " ") + _SIGNS[mark], base)
        for column, width in self._layout:
            tone = column.tone(row) if column.tone and not (mark or cursor) else ""
            style = base + self._color(tone) if tone else base
            yield Segment(_fit(column.cell(row), width, column.right) + " " * _GAP, style)

    def _second_line(self, row: Row, _mark: Mark, cursor: Style | None = None) -> Iterator[Segment]:
        style = cursor or self._style("base") + self._color("muted")
        text = self._below(row) if self._below else ""
        yield Segment("     " + _fit(text, max(self.size.width - 5 - _GAP, 1), right=False), style)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles.clear()
        self._strips.clear()

    def _style(self, part: str) -> Style:
        if not self._styles:
            self._styles = {part: self.get_component_rich_style(f"table--{part}") for part in _PARTS}
            row = self.get_component_rich_style("table--row", partial=True)
            self._styles |= {"blank": self.rich_style, "base": self.rich_style + row}
        return self._styles[part]

    def _cursor(self) -> Style:
        """As bright as the theme has it, on a background that may let the table's shine through."""
        text, whole = (self.get_component_rich_style("table--cursor", partial=partial) for partial in (True, False))
        return self._style("base") + text + Style(bgcolor=whole.bgcolor)

    def _color(self, part: str) -> Style:
        """The colour alone: its background would hide the cursor's."""
        return Style(color=self._style(part).color)


def _fixed(columns: Sequence[Column[Any]]) -> int:
    return sum(column.width + _GAP for column in columns)


def _fit(text: str, width: int, right: bool) -> str:
    """Fit text into ``width`` cells; what is too long ends in an ellipsis."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, max(width - 1, 0)) + "…"
    return " " * (width - length) + text if right else set_cell_size(text, width)
