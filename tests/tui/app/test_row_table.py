"""The table by itself."""

from pathlib import Path

from textual.app import App, ComposeResult

from prunella_tui.app import app
from prunella_tui.app.widgets.table import Column, RowTable


class Numbers(App[None]):
    """A table of a hundred numbers."""

    CSS_PATH = Path(app.__file__).with_name("app.tcss")

    def compose(self) -> ComposeResult:
        yield RowTable[int](empty="nothing")

    def on_mount(self) -> None:
        self.query_one(RowTable).show([Column("n", "Number", 0, str, int)], range(100))


async def test_fewer_rows_leave_no_blank_lines() -> None:
    numbers = Numbers()
    async with numbers.run_test(size=(60, 24)) as pilot:
        table = numbers.query_one(RowTable)
        await pilot.press("end")
        table.filter("", [], lambda number: number < 82)
        await pilot.pause()
        lines = [table.render_line(y).text.split() for y in range(1, table.size.height)]
        assert [line[-1] for line in lines if line] == [str(number) for number in range(59, 82)]


async def test_a_table_out_of_sight_does_not_scroll() -> None:
    numbers = Numbers()
    async with numbers.run_test(size=(60, 24)) as pilot:
        table = numbers.query_one(RowTable)
        table.display = False
        await pilot.pause()
        table.go_to("1")
        table.display = True
        await pilot.pause()
        assert table.render_line(1).text.split()[-1] == "0"


async def test_the_cursor_pales_when_the_focus_leaves() -> None:
    numbers = Numbers()
    async with numbers.run_test(size=(60, 24)) as pilot:
        table = numbers.query_one(RowTable)
        backgrounds = []
        for focused in (table, None, table):
            numbers.set_focus(focused)
            await pilot.pause()
            style = next(iter(table.render_line(1))).style
            backgrounds.append(style and style.bgcolor)
        assert backgrounds[0] == backgrounds[2] != backgrounds[1]
