"""Rows in the order of a column, of which a filter lets some through: each change costs only what it changes."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

Row = TypeVar("Row")


class Order(Generic[Row]):
    """Numbers of rows, sorted and filtered. ``texts`` are what a filter searches in each row, in lower case."""

    def __init__(self, rows: Sequence[Row], texts: Sequence[str]) -> None:
        self._rows = rows
        self._texts = texts
        self._words: tuple[str, ...] = ()
        self._passes: Callable[[Row], bool] | None = None
        self._sorted: list[int] = list(range(len(rows)))
        self._shown = self._sorted
        self._by: tuple[str, bool] | None = None

    def __len__(self) -> int:
        return len(self._shown)

    def __iter__(self) -> Iterator[Row]:
        return map(self._rows.__getitem__, self._shown)

    def number(self, index: int) -> int | None:
        """The number among all rows of the one at a place of what is shown; ``None`` beyond its end."""
        return self._shown[index] if 0 <= index < len(self._shown) else None

    def shown(self, index: int) -> Row | None:
        """The row at a place of what is shown; ``None`` beyond its end."""
        number = self.number(index)
        return None if number is None else self._rows[number]

    def place(self, number: int | None) -> int | None:
        """Where the row with this number is shown, if it is."""
        try:
            return None if number is None else self._shown.index(number)
        except ValueError:
            return None

    def sort(self, name: str, key: Callable[[Row], Any], reverse: bool) -> None:
        """Sort by ``key``, which goes by ``name``. Rows of the same key keep the order that they had."""
        if self._by == (name, not reverse):
            self._sorted.reverse()
        else:
            keys = [key(row) for row in self._rows]
            self._sorted.sort(key=keys.__getitem__, reverse=reverse)
        self._by = name, reverse
        if self._words or self._passes:
            shown = set(self._shown)
            self._shown = [number for number in self._sorted if number in shown]
        else:
            self._shown = self._sorted

    def filter(self, words: Sequence[str], passes: Callable[[Row], bool] | None = None) -> None:
        """Show the rows in which every one of ``words`` occurs and that ``passes`` lets through.

        A word that only grew goes through what is shown.
        """
        is_narrower = self._passes is None and all(any(old in new for new in words) for old in self._words)
        numbers = self._shown if self._words and is_narrower else self._sorted
        self._words, self._passes = tuple(words), passes
        for word in words:
            numbers = [number for number in numbers if word in self._texts[number]]
        if passes:
            numbers = [number for number in numbers if passes(self._rows[number])]
        self._shown = numbers
