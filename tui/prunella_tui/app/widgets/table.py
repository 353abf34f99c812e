"""A table on the line API: only the rows in sight are ever drawn, so a hundred thousand mount as fast as twenty."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from prunella_tui.app.bindings import bindings
from prunella_tui.app.widgets.order import Order
from prunella_tui.app.widgets.still import StillView

Row = TypeVar("Row")
Mark = Literal["", "marked", "implied"]
_SIGNS: dict[Mark, str] = {"": "  ", "marked": "✓ ", "implied": "▪ "}
_GAP = 2


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
    """The key that sorts by it."""
    tone: Callable[[Row], str] | None = None
    """Names the component class (without its prefix) that colours the cell."""


class RowTable(StillView, Generic[Row], can_focus=True):
    """Rows of one kind with a cursor, marks, a sort column and a filter. Rows are known by their key."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--header",
        "table--sorted",
        "table--row",
        "table--cursor",
        "table--marked",
        "table--implied",
        "table--muted",
        "table--warning",
        "table--error",
        "table--empty",
        "table--bar",
    }
    DEFAULT_CSS = """
    RowTable {
        & > .table--header { color: $text-muted; text-style: bold; background: $panel; }
        & > .table--sorted { color: $text; text-style: bold; background: $panel; }
        & > .table--row { color: $foreground; }
        & > .table--cursor { background: $block-cursor-blurred-background; color: $block-cursor-blurred-foreground; }
        &:focus > .table--cursor { background: $block-cursor-background; color: $block-cursor-foreground; }
        & > .table--marked { color: $text-error; text-style: bold; }
        & > .table--implied { color: $text-error; }
        & > .table--muted { color: $text-muted; }
        & > .table--warning { color: $text-warning; }
        & > .table--error { color: $text-error; }
        & > .table--bar { color: $primary; }
        & > .table--empty { color: $text-muted; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = bindings("table")

    cursor: reactive[int] = reactive(0, repaint=False)

    class Highlighted(Message):
        """The cursor came to a row; ``key`` is ``None`` when there is none."""

        def __init__(self, table: "RowTable[Any]", key: str | None) -> None:
            super().__init__()
            self.table = table
            self.key = key

    class Toggled(Message):
        """A row is to be marked or unmarked."""

        def __init__(self, table: "RowTable[Any]", key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

    class Opened(Message):
        """A row is to be shown in full."""

        def __init__(self, table: "RowTable[Any]", key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

    def __init__(
        self,
        *,
        empty: str,
        below: Callable[[Row], str] | None = None,
        id: str | None = None,  # noqa: A002 -- Textual's word
    ) -> None:
        super().__init__(id=id)
        self.empty = empty
        self._below = below
        """What the second line of each row says, where rows have two."""
        self._height = 2 if below else 1
        self.columns: Sequence[Column[Row]] = ()
        self.rows: Sequence[Row] = ()
        self.sort_key = ""
        self.reverse = False
        self.filter_text = ""
        self.filter_error = ""
        """Why the filter is not understood; then no row is shown."""
        self._key_of: Callable[[Row], str] = str
        self._mark_of: Callable[[str], Mark] = lambda _key: ""
        self._rows_in_order = Order[Row]((), str)
        self._layout: list[tuple[Column[Row], int]] = []

    # What it shows

    def show(
        self,
        columns: Sequence[Column[Row]],
        rows: Sequence[Row],
        key_of: Callable[[Row], str],
        words_of: Callable[[Row], str],
        texts: list[str] | None = None,
    ) -> None:
        """Show other rows; ``texts`` is what ``words_of`` returns for them, in lower case, when that is known.

        The cursor stays on the row with the same key, else at the same height."""
        before = self.key
        self.columns, self.rows, self._key_of = columns, rows, key_of
        self.sort_key = self.sort_key or next((column.key for column in columns if column.largest_first), "")
        self._rows_in_order = Order(rows, words_of, texts)
        self._sort()
        self._lay_out()
        self._arranged(self._number(before))

    def show_marks(self, mark_of: Callable[[str], Mark]) -> None:
        """Draw the marks that ``mark_of`` returns for each key."""
        self._mark_of = mark_of
        self.refresh()

    @property
    def key(self) -> str | None:
        """The key of the row under the cursor."""
        row = self.row
        return None if row is None else self._key_of(row)

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return self._rows_in_order.shown(self.cursor)

    @property
    def shown_keys(self) -> list[str]:
        """The keys of the rows that the filter lets through, in their order."""
        return [self._key_of(row) for row in self._rows_in_order]

    @property
    def count(self) -> str:
        """How many rows there are: ``26``, or ``3/26`` with a filter."""
        shown = f"{len(self._rows_in_order):,}/" if self.filter_text else ""
        return f"{shown}{len(self.rows):,}"

    def sort_by(self, key: str) -> None:
        """Sort by a column; by the same once more turns the order around."""
        before = self._rows_in_order.number(self.cursor)
        if key == self.sort_key:
            self.reverse = not self.reverse
        else:
            self.sort_key, self.reverse = key, False
        self._sort()
        self._arranged(before)

    def sort_by_next(self) -> None:
        """Sort by the next column, those without room too."""
        keys = [column.key for column in self.columns if column.title.strip()]
        at = keys.index(self.sort_key) if self.sort_key in keys else -1
        self.sort_by(keys[(at + 1) % len(keys)])

    def sort_by_letter(self, letter: str) -> None:
        """Sort by the column that has this letter."""
        for column in self.columns:
            if column.letter == letter:
                self.sort_by(column.key)

    def filter(
        self, text: str, words: Sequence[str] = (), passes: Callable[[Row], bool] | None = None, error: str = ""
    ) -> None:
        """Show only rows in which every one of ``words`` occurs and that ``passes`` lets through.

        ``text`` is what was typed for it; with an ``error`` in it no row is shown.
        """
        before = self._rows_in_order.number(self.cursor)
        self.filter_text = text.strip()
        self.filter_error = error
        self._rows_in_order.filter(words, _nothing if error else passes)
        self._arranged(before)

    def _sort(self) -> None:
        column = next((column for column in self.columns if column.key == self.sort_key), None)
        if column:
            self._rows_in_order.sort(column.key, column.sort, column.largest_first != self.reverse)

    def _arranged(self, stay_on: int | None) -> None:
        self._resize_rows()
        self._go_to_number(stay_on)
        self.refresh()

    def _resize_rows(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._rows_in_order) * self._height + 1)

    @property
    def _page(self) -> int:
        """How many rows are in sight."""
        return max((self.size.height - 1) // self._height, 1)

    def _number(self, key: str | None) -> int | None:
        """Which of all rows has this key."""
        return next((number for number, known in enumerate(map(self._key_of, self.rows)) if known == key), None)

    def _go_to_number(self, number: int | None) -> None:
        at = self._rows_in_order.place(number)
        landing = self.cursor if at is None else at
        self.set_reactive(RowTable.cursor, max(0, min(landing, len(self._rows_in_order) - 1)))
        self._follow_cursor()

    def go_to(self, key: str) -> None:
        """Put the cursor on the row with ``key``, when it is shown."""
        self._go_to_number(self._number(key))
        self.refresh()

    # The cursor

    def watch_cursor(self) -> None:
        self._follow_cursor()
        self.refresh()

    def _follow_cursor(self) -> None:
        top, height = round(self.scroll_target_y), self._height
        first, last = self.cursor * height, self.cursor * height + height
        if first < top:
            self.scroll_to(y=first, animate=False, force=True, immediate=True)
        elif last > top + max(self.size.height - 1, height):
            self.scroll_to(y=last - self.size.height + 1, animate=False, force=True, immediate=True)
        self.post_message(self.Highlighted(self, self.key))

    def _move(self, by: int) -> None:
        self.cursor = max(0, min(self.cursor + by, len(self._rows_in_order) - 1))

    def action_cursor_up(self) -> None:
        self._move(-1)

    def action_cursor_down(self) -> None:
        self._move(1)

    def action_page_up(self) -> None:
        self._move(min(1 - self._page, -1))

    def action_page_down(self) -> None:
        self._move(max(self._page - 1, 1))

    def action_first(self) -> None:
        self._move(-len(self._rows_in_order))

    def action_last(self) -> None:
        self._move(len(self._rows_in_order))

    # The mouse

    def on_click(self, event: events.Click) -> None:
        """A click on the header sorts, one on the mark marks, a second one opens."""
        if event.y == 0:
            self._click_header(event.x)
            return
        index = (event.y - 1 + round(self.scroll_y)) // self._height
        row = self._rows_in_order.shown(index)
        if row is None:
            return
        self.cursor = index
        key = self._key_of(row)
        if event.x < len(_SIGNS[""]) + 1:
            self.post_message(self.Toggled(self, key))
        elif event.chain == 2:
            self.post_message(self.Opened(self, key))

    def _click_header(self, x: int) -> None:
        at = len(_SIGNS[""]) + 1
        for column, width in self._layout:
            if at <= x < at + width + _GAP:
                self.sort_by(column.key)
                return
            at += width + _GAP

    # Drawing

    def on_resize(self) -> None:
        self._lay_out()
        self._resize_rows()
        self._follow_cursor()

    def _lay_out(self) -> None:
        columns = list(self.columns)
        room = self.size.width - len(_SIGNS[""]) - 1
        least = max((column.least for column in columns if not column.width), default=0)
        while room - _fixed(columns) < least and any(column.rank for column in columns):
            columns.remove(max(columns, key=lambda column: column.rank))
        rest = max(room - _fixed(columns), 1)
        self._layout = [(column, column.width or rest) for column in columns]

    def render_line(self, y: int) -> Strip:
        """Draw one line: the header, a row, or nothing."""
        width = self.size.width
        if y == 0:
            return self._header().adjust_cell_length(width, self.get_component_rich_style("table--header"))
        index, line = divmod(round(self.scroll_y) + y - 1, self._height)
        if (row := self._rows_in_order.shown(index)) is not None:
            strip = self._second_line(row, index) if line else self._row(row, index)
            return strip.adjust_cell_length(width, self._base(index))
        if not len(self._rows_in_order) and y == 2:
            text = "Nothing matches the filter." if self.filter_text and self.rows else self.empty
            style = self.get_component_rich_style("table--empty")
            return Strip([Segment("   " + text, style)]).adjust_cell_length(width, self.rich_style)
        return Strip.blank(width, self.rich_style)

    def _header(self) -> Strip:
        segments = [Segment("   ", self.get_component_rich_style("table--header"))]
        for column, width in self._layout:
            is_sorted = column.key == self.sort_key
            more = self._arrow(column) if is_sorted else self._letter(column, width)
            style = self.get_component_rich_style("table--sorted" if is_sorted else "table--header")
            segments.append(Segment(_fit(column.title + more, width, column.right) + " " * _GAP, style))
        return Strip(segments)

    def _letter(self, column: Column[Row], width: int) -> str:
        """The key that sorts by a column, where it has room; in the widest, what the rows are sorted by instead."""
        if not column.width and (elsewhere := self._sorted_elsewhere()):
            return elsewhere
        return f" {column.letter}" if column.letter and len(column.title) + 2 <= width else ""

    def _arrow(self, column: Column[Row]) -> str:
        return "▼" if column.largest_first != self.reverse else "▲"

    def _sorted_elsewhere(self) -> str:
        """What the widest column says when the rows are sorted by one that has no room."""
        column = next((column for column in self.columns if column.key == self.sort_key), None)
        if column is None or any(shown is column for shown, _width in self._layout):
            return ""
        return f" (by {column.title}{self._arrow(column)})"

    def _base(self, index: int) -> Style:
        style = self.rich_style + self.get_component_rich_style("table--row", partial=True)
        if index == self.cursor:
            style += self.get_component_rich_style("table--cursor", partial=True)
        return style

    def _row(self, row: Row, index: int) -> Strip:
        mark = self._mark_of(self._key_of(row))
        is_current = index == self.cursor
        base = self._base(index) + Style(bold=mark == "marked")
        if mark and not is_current:
            base += self._color(mark)
        segments = [Segment(("▶" if is_current and self.has_focus else " ") + _SIGNS[mark], base)]
        for column, width in self._layout:
            tone = column.tone(row) if column.tone and not (mark or is_current) else ""
            style = base + self._color(tone) if tone else base
            segments.append(Segment(_fit(column.cell(row), width, column.right) + " " * _GAP, style))
        return Strip(segments)

    def _second_line(self, row: Row, index: int) -> Strip:
        style = self._base(index)
        if index != self.cursor:
            style += self._color("muted")
        text = self._below(row) if self._below else ""
        return Strip([Segment("     " + _fit(text, max(self.size.width - 5, 1), right=False), style)])

    def _color(self, component: str) -> Style:
        """The colour alone of a component class: its background would hide the cursor's."""
        return Style(color=self.get_component_rich_style(f"table--{component}").color)


def _nothing(_row: object) -> bool:
    return False


def _fixed(columns: Sequence[Column[Any]]) -> int:
    return sum(column.width + _GAP for column in columns)


def _fit(text: str, width: int, right: bool) -> str:
    """Fit text into ``width`` cells; what is too long ends in an ellipsis."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, max(width - 1, 0)) + "…"
    return " " * (width - length) + text if right else set_cell_size(text, width)
