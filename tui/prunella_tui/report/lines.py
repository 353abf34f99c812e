"""Neutral lines: text and tone, and how they fit a width. A tone never says what a word does not say too."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple, TypeVar

from prunella_core.base.text import clean

Tone = Literal["plain", "head", "strong", "quiet", "good", "warning", "bad", "info", "accent"]
"""How a text is meant; each renderer has a style for it."""

Span = tuple[str, Tone]
Part = str | Span
_Row = TypeVar("_Row")

_GAP = 2
_BREAK = re.compile(r" +(?![kMGTPE]?B\b)")
"""Where a line may be broken: a size keeps its unit."""
_DIGEST = re.compile(r"\b(sha256[:-][0-9a-f]{12})[0-9a-f]{52}\b")
_WITHIN = re.compile(r"(?<=[/:-])")


class Line(NamedTuple):
    """A line of text. What does not fit continues below, ``hang`` cells further in than ``indent``."""

    spans: tuple[Span, ...]
    indent: int = 0
    hang: int = 2


class Column(NamedTuple):
    """How a column of a table looks, and how it gives way where room is short."""

    title: str = ""
    right: bool = False
    rank: int = 0
    """Where room is short, columns of a high rank are left out; 0 always stays."""
    least: int | None = None
    """The cells to which it may shrink; what is too long then continues in the next line."""
    is_name: bool = False
    """Never broken: a name that is too long stands alone on its line."""


class Table(NamedTuple):
    """Rows under columns; every row has a cell for every column. Without titles it has no head."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Span, ...], ...]
    indent: int = 0


Block = Line | Table


def line(*parts: Part, indent: int = 0, hang: int = 2) -> Line:
    """Return a line of texts, some with a tone; all of them cleaned."""
    return Line(tuple(map(_span, parts)), indent, hang)


def table(columns: Iterable[Column], rows: Iterable[Iterable[Part]], indent: int = 0) -> Table:
    """Return a table of texts, some with a tone; all of them cleaned."""
    return Table(tuple(columns), tuple(tuple(map(_span, row)) for row in rows), indent)


def table_of(rows: Iterable[_Row], *columns: tuple[Column, Callable[[_Row], Part]], indent: int = 0) -> Table:
    """Return a table of ``rows``: columns, each with its cell of a row."""
    cells = ([cell(row) for _column, cell in columns] for row in rows)
    return table((column for column, _cell in columns), cells, indent)


def field(label: str, *parts: Part) -> Line:
    """Return a line that begins with a label; what follows is aligned with that of other fields."""
    return line((f"{label:<9}", "quiet"), *parts, hang=9)


def section(title: str, tone: Tone, blocks: Iterable[Block]) -> Iterator[Block]:
    """Yield ``blocks`` under a title, after an empty line; nothing when there are none."""
    listed = [block for block in blocks if isinstance(block, Line) or block.rows]
    if listed:
        yield from (line(), line((title, tone)), *listed)


def listing(title: str, tone: Tone, names: Iterable[str], most: int = 20) -> Iterator[Block]:
    """Yield a section with a line for each name, and one for those that are too many."""
    listed = list(names)
    more = [line((f"and {len(listed) - most:,} more", "quiet"), indent=2)] if len(listed) > most else []
    return section(title, tone, [*(line(name, indent=2) for name in listed[:most]), *more])


def _span(part: Part) -> Span:
    return (clean(part), "plain") if isinstance(part, str) else (clean(part[0]), part[1])


def plain(blocks: Iterable[Block], width: int = 1_000_000) -> str:
    """Return the text alone."""
    return "\n".join("".join(text for text, _tone in spans) for spans in lay_out(blocks, width))


def lay_out(blocks: Iterable[Block], width: int, *, chops: bool = False) -> Iterator[list[Span]]:
    """Yield the spans of each line on a surface of ``width`` cells.

    A word that is wider than the surface stays whole, for the terminal to wrap and to copy; where it ``chops``, a
    digest is shortened, and what is still too wide loses its middle.
    """
    for block in blocks:
        yield from _rows(block, width, chops) if isinstance(block, Table) else _wrapped(block, width, chops)


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _wrapped(block: Line, width: int, chops: bool) -> Iterator[list[Span]]:
    lead, spans = block.indent, block.spans
    first, rest = width - lead, width - lead - block.hang
    if chops and sum(_width(text) for text, _tone in spans) > first:
        spans = tuple((_shortened(text, rest), tone) for text, tone in spans)
    for start, end in _breaks("".join(text for text, _tone in spans), first, rest, chops):
        yield [(" " * lead, "plain"), *_slice(spans, start, end)] if lead else _slice(spans, start, end)
        lead = block.indent + block.hang


def _shortened(text: str, room: int) -> str:
    """Make each word of ``text`` fit ``room``: a digest loses its end, another word its middle."""
    words = text.split(" ")
    for number, word in enumerate(words):
        if len(word) > max(room, 0) and word.isascii():
            short, tail = _DIGEST.sub(r"\1…", word), max(room // 3, 0)
            words[number] = short if len(short) <= room else f"{short[: room - tail - 1]}…{short[len(short) - tail :]}"
    return " ".join(words)


def _slice(spans: Iterable[Span], start: int, end: int) -> list[Span]:
    found, at = [], 0
    for text, tone in spans:
        if part := text[max(start - at, 0) : max(end - at, 0)]:
            found.append((part, tone))
        at += len(text)
    return found


def _breaks(text: str, first: int, rest: int, chops: bool) -> Iterator[tuple[int, int]]:
    """Yield where each line begins and ends, the first in ``first`` cells and the others in ``rest``."""
    if _width(text) <= first:
        yield 0, len(text)
        return
    start = end = 0
    room = first
    for word in _words(text, max(rest, 1), chops):
        if end > start and _width(text[start : word[1]]) > room:
            yield start, end
            start, room = word[0], rest
        end = word[1]
    yield start, end


def _words(text: str, room: int, chops: bool) -> Iterator[tuple[int, int]]:
    """Yield where each word begins and ends; one longer than ``room`` in pieces where it ``chops``."""
    start = len(text) - len(text.lstrip())
    while start < len(text):
        found = _BREAK.search(text, start)
        end, after = found.span() if found else (len(text), len(text))
        if chops and _width(text[start:end]) > room:
            from rich.cells import chop_cells

            piece = chop_cells(text[start:end], room)[0]
            marks = [match.start() for match in _WITHIN.finditer(piece) if match.start() > room // 2]
            after = end = start + (marks[-1] if marks else len(piece))
        yield start, end
        start = after


def _rows(found: Table, width: int, chops: bool) -> Iterator[list[Span]]:
    widths = _fit(found, width - found.indent)
    head: tuple[Span, ...] = tuple((column.title, "head") for column in found.columns)
    for row in (head, *found.rows) if any(text for text, _tone in head) else found.rows:
        yield from _row(found, row, widths, chops)


def _fit(found: Table, room: int) -> dict[int, int]:
    """Return the widths of the columns that are shown, by their number; one without any text is left out."""
    columns = found.columns
    widest = (max((_width(row[number][0]) for row in found.rows), default=0) for number in range(len(columns)))
    widths = {number: max(cells, len(columns[number].title)) for number, cells in enumerate(widest) if cells}
    if _sum(widths) <= room:
        return widths
    least: dict[int, int] = {}
    for number in sorted(widths, key=lambda number: columns[number].rank):
        width = _least(found, number, widths[number])
        if columns[number].rank == 0 or _sum({**least, number: width}) <= room:
            least[number] = width
    widths = {number: width for number, width in widths.items() if number in least}
    excess = _sum(widths) - room
    for number in sorted(least, key=lambda number: (columns[number].is_name, -columns[number].rank, -number)):
        spared = max(min(excess, widths[number] - least[number]), 0)
        widths[number] -= spared
        excess -= spared
    return widths


def _sum(widths: dict[int, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)


def _least(found: Table, number: int, natural: int) -> int:
    """Return the cells to which a column may shrink; one that may be left out never breaks a word."""
    column = found.columns[number]
    if column.least is None:
        return natural
    words = (word for row in found.rows for word in _BREAK.split(row[number][0])) if column.rank else ()
    return min(max(column.least, max(map(_width, words), default=0)), natural)


def _row(found: Table, row: tuple[Span, ...], widths: dict[int, int], chops: bool) -> Iterator[list[Span]]:
    if chops:
        row = tuple((_shortened(text, widths.get(number, 0)), tone) for number, (text, tone) in enumerate(row))
    cells = {}
    for number, width in widths.items():
        text = row[number][0]
        if found.columns[number].is_name and not chops and _width(text) > width:
            yield _aligned(found, row, widths, {**dict.fromkeys(widths, ""), number: text})
            text = ""
        cells[number] = [text[start:end] for start, end in _breaks(text, width, width, True)] if text else []
    for depth in range(max(map(len, cells.values()), default=0)):
        yield _aligned(found, row, widths, {number: "".join(some[depth : depth + 1]) for number, some in cells.items()})


def _aligned(found: Table, row: tuple[Span, ...], widths: dict[int, int], texts: dict[int, str]) -> list[Span]:
    spans: list[Span] = []
    owed = found.indent
    for number, text in texts.items():
        pad = max(widths[number] - _width(text), 0)
        if not text:
            owed += pad + _GAP
            continue
        before, after = (pad, 0) if found.columns[number].right else (0, pad)
        if owed + before:
            spans.append((" " * (owed + before), "plain"))
        spans.append((text, row[number][1]))
        owed = _GAP + after
    return spans
