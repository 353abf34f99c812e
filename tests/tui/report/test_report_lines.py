"""How lines fit a surface: hanging indents, sizes with their unit, names in one piece."""

import asyncio

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.widgets import Static

from prunella_tui.report.lines import Block, Column, field, line, plain, section, table
from prunella_tui.report.textual import Drawing

LONG = "hf.co/bartowski/a-model-with-a-very-long-name-GGUF:Q4_K_M"
FILE = f"blobs/sha256-{'0123456789abcdef' * 4}-partial"


def models(*names: str) -> Block:
    columns = (Column("NAME", least=12, is_name=True), Column("SIZE", right=True), Column("USED BY", rank=1, least=4))
    return table(columns, (((name, "bad"), "4.9 GB", "llama3.2:latest, qwen3:8b") for name in names))


def test_what_does_not_fit_continues_below_further_in() -> None:
    assert plain([line("one two three four", indent=2)], 12) == "  one two\n    three\n    four"
    assert plain([field("Size", "one two three")], 17) == "Size     one two\n         three"


@pytest.mark.parametrize("width", range(12, 40))
def test_a_size_keeps_its_unit(width: int) -> None:
    text = plain([line("It takes 4.9 GB now, 12 kB later and 3 B at last")], width)
    assert not any(row.strip().startswith(("GB", "kB", "B")) for row in text.splitlines())


@pytest.mark.parametrize("width", range(20, 100))
def test_a_table_fits_and_never_breaks_a_name(width: int) -> None:
    text = plain([models("qwen3:8b", LONG)], width)
    assert LONG in text
    assert all(cell_len(row) <= width or row.strip() == LONG for row in text.splitlines())
    assert ("llama3.2:latest" in text) == ("USED BY" in text)
    assert text.count("4.9 GB") == 2


def test_columns_without_room_or_text_are_left_out() -> None:
    assert "USED BY" in plain([models("a")], 60)
    assert "USED BY" not in plain([models("a")], 25)
    assert plain([table((Column("A"), Column("B")), [("x", "")])]) == "A\nx"


def test_a_section_without_rows_is_nothing() -> None:
    assert list(section("Title", "bad", [])) == []
    assert list(section("Title", "bad", [table((Column(),), ())])) == []
    assert plain(section("Title", "bad", [line("row", indent=2)])) == "\nTitle\n  row"


def test_wide_characters_and_escapes_are_counted_as_they_are_drawn() -> None:
    assert plain([line("漢字 漢字 漢字")], 10) == "漢字 漢字\n  漢字"
    assert plain([line("a\x1b[2Jb", ("\x07", "quiet"))]) == "a\\x1b[2Jb\\x07"


class _Pane(App[None]):
    def compose(self) -> ComposeResult:
        yield Static(Drawing([line((LONG, "bad"), indent=2), line(FILE), line("one two three four five")]))


def test_the_application_breaks_no_name_and_no_digest() -> None:
    async def shown() -> list[str]:
        app = _Pane()
        async with app.run_test(size=(36, 12)) as pilot:
            await pilot.pause()
            static = app.query_one(Static)
            return [static.render_line(number).text for number in range(static.size.height)]

    rows = asyncio.run(shown())
    assert [row.rstrip() for row in rows] == [
        "  hf.co/bartowski/a-mod…GUF:Q4_K_M",
        "blobs/sha256-0123456789ab…-partial",
        "one two three four five",
    ]
