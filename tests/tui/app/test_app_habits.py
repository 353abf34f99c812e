"""Keys as people know them, and a filter, footer and help that say what works here."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.widgets import Input

from journeys import Journey, Open, app_over
from prunella_core.sample import StoreBuilder
from prunella_tui.app.bindings import KEYS, SORTS, shown
from prunella_tui.app.screens.dialog import Help, Reading
from prunella_tui.app.screens.review import Review
from prunella_tui.app.screens.working import Result
from prunella_tui.cli.options import Config, read_config, remember
from stores import tree


def footer(journey: Journey) -> str:
    return str(journey.main.query_one("#keys").render())


def tabs(journey: Journey) -> str:
    return str(journey.main.query_one("#tabs").render())


def header(journey: Journey) -> str:
    return journey.table.render_line(0).text


async def test_a_filter_that_is_not_understood_shows_no_row_and_says_why(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.press("slash")
        await journey.type("size>x")
        assert journey.table.shown_keys == []
        assert "size" in journey.status
        assert "Nothing marked" not in journey.status
        assert journey.main.field.has_class("-wrong")
        await journey.press("a")  # a letter of the field: nothing is marked by a key meanwhile
        await journey.press(*["backspace"] * 2, "5", "0", "0", "k", "B")
        assert not journey.main.field.has_class("-wrong")
        assert set(journey.table.shown_keys) == {"base:latest", "derived:latest"}
        assert "2 of 3 shown" in journey.status
        assert "1 Models 2/3" in tabs(journey)


@pytest.mark.parametrize(("tab", "typed"), [("1", "unused>1h"), ("2", "state:partial"), ("3", "age>2d"), ("4", "list")])
async def test_each_tab_has_a_placeholder_that_works_there(
    family: StoreBuilder, open_app: Open, tab: str, typed: str
) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.press(tab, "slash")
        placeholder = journey.main.query_one("#filter", Input).placeholder
        await journey.type(typed)
        for term in placeholder.removeprefix("words").removeprefix(", or terms such as").split():
            journey.main.tables.filter(term)
            assert not journey.table.filter_error


async def test_letters_sort_and_twice_reverses(demo: Path, open_app: Open) -> None:
    async with open_app(demo) as journey:
        assert "Model n" in header(journey)
        await journey.press("n")
        by_name = journey.table.shown_keys
        assert by_name == sorted(by_name, key=str.casefold)
        assert "Model▲" in header(journey)
        await journey.press("n")
        assert journey.table.shown_keys == by_name[::-1]
        await journey.press("z")
        assert "Size▼" in header(journey)
        largest = journey.table.shown_keys[0]
        await journey.press("S")
        assert journey.table.shown_keys[-1] == largest


async def test_tab_goes_round_and_arrows_go_in_and_out(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        seen = []
        for _turn in range(4):
            await journey.press("tab")
            seen.append(journey.main.tables.tab.id)
        assert seen == ["blobs", "trash", "problems", "models"]
        await journey.press("shift+tab")
        assert journey.main.tables.tab.id == "problems"
        await journey.press("1", "right")
        assert isinstance(journey.top, Reading)
        await journey.press("escape", "space", "left")
        assert "Nothing marked" in journey.status


async def test_undo_puts_dropped_marks_back_before_it_restores(family: StoreBuilder, open_app: Open) -> None:
    before = tree(family.root)
    async with open_app(Path(family.root)) as journey:
        await journey.point_at("apart:7b")
        await journey.press("d", "t", "enter", "enter")
        assert "u Undo removal" in footer(journey)
        await journey.press("space", "escape")
        assert "u Undo marks" in footer(journey)
        await journey.press("u")
        assert "1 marked" in journey.status
        await journey.press("u")
        assert isinstance(journey.top, Result)
    assert tree(family.root) == before


async def test_the_footer_shows_what_works_here(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        assert "Undo" not in footer(journey)
        assert "Empty" not in footer(journey)
        await journey.press("3")
        assert "Delete" not in footer(journey)
    async with open_app(Path(family.root), size=(30, 20)) as journey:
        assert footer(journey).endswith("? Help  q Quit")
        assert len(footer(journey)) <= 28


def documented() -> set[str]:
    """The keys of the README's table, as they are shown there."""
    table = (Path(__file__).parents[3] / "README.md").read_text().split("## Keys")[1].split("\n\n")[1]
    cells = [row.split("|")[1] for row in table.splitlines()[2:]]
    return {key for cell in cells for key in cell.replace("`1`–`4`", "`1` `2` `3` `4`").split("`")[1::2]}


def test_the_readme_lists_the_keys_that_there_are() -> None:
    known = [set(shown(key.keys).split()) for key in KEYS if key.home != "map"]
    assert documented() <= set().union(*known)
    rare = {"pgup", "pgdn", *SORTS}  # a page at a time and the letters that sort are in the help
    assert [keys for keys in known if not keys & (documented() | rare)] == []


async def test_at_80_columns_the_footer_has_what_deletes_and_takes_back(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root), size=(80, 24)) as journey:
        await journey.point_at("apart:7b")
        await journey.press("d", "t", "enter", "enter")
        keys = [label.split()[0] for label in footer(journey).split("  ")]
        assert keys == ["space", *"dfue/?q"]
        await journey.press("e")
        assert isinstance(journey.top, Review)


async def test_the_help_names_every_key(demo: Path, open_app: Open) -> None:
    async with open_app(demo, size=(120, 60)) as journey:
        await journey.press("question_mark")
        assert isinstance(journey.top, Help)
        drawn = "\n".join(strip.text for strip in journey.app.screen._compositor.render_strips())
        await journey.press("pagedown", "pagedown", "pagedown")
        drawn += "\n".join(strip.text for strip in journey.app.screen._compositor.render_strips())
        for key in KEYS:
            assert shown(key.keys) in drawn


async def test_toasts_say_what_a_key_needs_and_do_not_stay_behind_a_dialog(family: StoreBuilder) -> None:
    async with app_over(Path(family.root)).run_test(size=(120, 40), notifications=True) as pilot:
        journey = Journey(pilot)
        await journey.rest()
        await journey.press("2", "P")
        assert "Put the cursor on a model" in journey.text("Toast")
        await journey.press("d")
        assert isinstance(journey.top, Review)
        assert not journey.main.query("Toast")


async def test_the_problem_of_a_marked_model_is_marked(demo: Path, open_app: Open) -> None:
    async with open_app(demo) as journey:
        await journey.press("4", "space")
        assert "✓" in journey.table.render_line(1).text
        assert "1 Models 25 ✓1" in tabs(journey)


async def test_the_second_line_of_a_problem_ends_in_an_ellipsis(demo: Path, open_app: Open) -> None:
    async with open_app(demo, size=(60, 20)) as journey:
        await journey.press("4")
        assert journey.table.render_line(2).text[: journey.table.scrollable_content_region.width].rstrip().endswith("…")


async def test_the_palette_has_every_command_with_its_key(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        titles = {command.title for command in journey.app.get_system_commands(journey.app.screen)}
        for key in KEYS:
            if key.group not in ("Move", "Map") and not key.action.startswith("app."):
                assert f"{key.label}  ({shown(key.keys)})" in titles
        await journey.press("ctrl+p", *"mark all", "enter")
        assert "3 marked" in journey.status


async def test_the_palette_over_the_map_has_the_keys_of_the_map(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.press("m")
        titles = {command.title for command in journey.app.get_system_commands(journey.app.screen)}
        assert {"Look inside  (enter)", "Mark  (space)"} <= titles
        assert "Rescan  (r)" not in titles
        await journey.press("ctrl+p", *"leave", "enter")
        assert journey.app.screen is journey.main


async def test_y_copies_the_name(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.point_at("apart:7b")
        await journey.press("y")
        assert journey.app.clipboard == "apart:7b"


async def test_p_says_where_the_marks_are(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.press("p")
        assert "2 Blobs 7 ✓2" in tabs(journey)


async def test_letters_move_the_focus_in_a_review_and_enter_presses(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.point_at("apart:7b")
        await journey.press("d")
        review = journey.top
        assert isinstance(review, Review)
        for letter, button in (("x", "delete"), ("t", "trash")):
            await journey.press(letter)
            assert journey.focused == button
        assert journey.app.screen == review


async def test_after_a_proposal_deleting_now_is_offered_first(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.press("f")
        await journey.type("150kB")
        await journey.press("enter", "d")
        review = journey.top
        assert isinstance(review, Review)
        assert list(review.plans) == ["delete", "trash"]
        assert journey.focused == "cancel"
        assert "frees nothing until emptied" in journey.text(".meaning")


async def test_i_opens_the_details_where_the_pane_has_no_room(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root), size=(80, 24)) as journey:
        await journey.press("i")
        assert isinstance(journey.top, Reading)
    async with open_app(Path(family.root), size=(120, 24)) as journey:
        shown = [bool(journey.main.details.display)]
        await journey.press("i")
        assert [*shown, bool(journey.main.details.display)] == [True, False]
        for column in ("Frees", "Idle"):
            assert column in header(journey)


async def test_the_palette_remembers_the_theme(family: StoreBuilder, tmp_path: Path) -> None:
    path = tmp_path / "config" / "config.toml"
    path.parent.mkdir()
    path.write_text('retention = "3d"\ntheme = "nord"\n')
    app = app_over(Path(family.root))
    app.session.setup = replace(app.session.setup, remember_theme=lambda name: remember(str(path), "theme", name))
    async with app.run_test() as pilot:
        await pilot.pause()
        app.theme = "dracula"
        await pilot.pause()
    assert read_config(str(path)) == Config(retention="3d", theme="dracula")
    assert [file.name for file in path.parent.iterdir()] == ["config.toml"]


async def test_a_review_of_the_trash_names_the_models(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.point_at("apart:7b")
        await journey.press("d", "t", "enter", "enter", "e")
        assert isinstance(journey.top, Review)
        assert "Delete from the trash permanently?" in journey.text("Static")
        assert "apart:7b" in journey.text("#text")
        assert journey.focused == "word"


async def test_pinned_models_stand_first_in_a_review(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.point_at("apart:7b")
        await journey.press("P", "d")
        assert journey.text("#text").startswith("⚑ Pinned: apart:7b")


async def test_a_cursor_at_the_top_stays_there_when_the_order_changes(demo: Path, open_app: Open) -> None:
    async with open_app(demo) as journey:
        await journey.press("n")
        assert journey.table.cursor == 0
        await journey.press("down")
        row = journey.table.key
        await journey.press("n")
        assert journey.table.key == row
        assert journey.table.cursor == len(journey.table.shown_keys) - 2


async def test_while_a_filter_is_typed_the_keys_are_those_of_its_field(demo: Path, open_app: Open) -> None:
    async with open_app(demo) as journey:
        await journey.press("slash")
        await journey.type("qwen")
        assert footer(journey) == "enter Keep the filter  esc Clear it"
        await journey.press("enter")
        assert "d Delete" in footer(journey)
        await journey.press("slash", "escape")
        assert "d Delete" in footer(journey)
        assert journey.table.filter_text == ""


async def test_one_toast_at_a_time(demo: Path, open_app: Open) -> None:
    async with open_app(demo) as journey:
        await journey.press("y", "down", "y")
        assert len(journey.main.app._notifications) == 1


async def test_emptying_names_as_many_files_as_the_trash_lists(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.press("d", "t", "enter")
        await journey.rest()
        await journey.press("escape", "3")
        listed = journey.details.partition("Files")[2].split()
        await journey.press("e")
        assert f"{len(listed)} files" in journey.text()
