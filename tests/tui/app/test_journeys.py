"""Journeys by keys that end in a checked file system."""

import os
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from journeys import NOW, Open
from prunella_core.inventory.records import State
from prunella_core.ollama.server import Loaded
from prunella_core.sample import StoreBuilder
from prunella_core.scan import scan
from prunella_core.store.locate import locate
from prunella_tui.app.screens.dialog import Reading
from prunella_tui.app.screens.review import Review
from prunella_tui.app.screens.working import Result
from prunella_tui.app.widgets.table import Column


def tree(root: str | Path) -> dict[str, int]:
    """Every file below ``root`` with the bytes it takes."""
    return {
        os.path.relpath(os.path.join(folder, name), root): os.lstat(os.path.join(folder, name)).st_blocks * 512
        for folder, _folders, names in os.walk(root)
        for name in names
        if not name.startswith("ledger.sqlite")
    }


async def test_a_base_and_its_derived_model_free_together_what_neither_frees_alone(
    family: StoreBuilder, open_app: Open
) -> None:
    before = tree(family.root)
    async with open_app(Path(family.root)) as journey:
        await journey.point_at("base:latest")
        await journey.press("space")
        assert "1 marked · frees 4.1 kB" in journey.status
        assert "806.9 kB stays, used by derived:latest" in journey.status
        await journey.point_at("derived:latest")
        await journey.press("space")
        assert journey.status.startswith("2 marked · frees 8")
        assert "stays" not in journey.status
        await journey.press("d")
        review = journey.app.screen
        assert isinstance(review, Review)
        assert journey.app.focused is not None
        assert journey.app.focused.id == "cancel"
        await journey.press("right", "right", "enter")
        result = journey.app.screen
        assert isinstance(result, Result)
        assert result.receipt.freed == result.receipt.plan.reclaims
    after = tree(family.root)
    gone = before.keys() - after.keys()
    assert sum(before[path] for path in gone) == result.receipt.freed
    assert gone == {item.file.path for item in review.plan.files}
    assert "manifests/registry.ollama.ai/library/apart/7b" in after
    assert os.listdir(os.path.join(family.root, ".prunella")) == ["ledger.sqlite"]


async def test_cancel_has_the_focus_and_leaves_everything_where_it_is(family: StoreBuilder, open_app: Open) -> None:
    before = tree(family.root)
    async with open_app(Path(family.root)) as journey:
        await journey.press("d", "enter")
        assert journey.app.screen is journey.main
        assert "Nothing marked" in journey.status
        await journey.press("space", "d", "escape")
        assert "1 marked" in journey.status
    assert tree(family.root) == before


async def test_marking_a_blob_marks_the_models_that_need_it(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.press("2")
        weights = next(blob for blob in journey.session.inventory.blobs if len(blob.models) == 2)  # type: ignore[union-attr]
        await journey.point_at(weights.key)
        await journey.press("space", "d")
        review = journey.app.screen
        assert isinstance(review, Review)
        assert set(review.plan.models) == set(weights.models)
        await journey.press("escape", "1")
        shown = [str(journey.table.render_line(y).text) for y in range(1, 4)]
        assert sum("▪" in line for line in shown) == 2
        await journey.point_at(weights.models[0])
        await journey.press("space")
        assert "Nothing marked" in journey.status


async def test_p_marks_what_no_model_needs_and_d_removes_just_that(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.press("p", "d", "right", "right", "enter", "enter")
        assert journey.app.screen is journey.main
        assert "Nothing marked" in journey.status
        inventory = journey.session.inventory
        assert inventory is not None
        assert {blob.state.value for blob in inventory.blobs} == {"referenced"}
        assert [model.name for model in inventory.models] == ["apart:7b", "base:latest", "derived:latest"]
    names = set(os.listdir(os.path.join(family.root, "blobs")))
    assert not [name for name in names if "partial" in name]


async def test_removing_every_model_asks_for_a_typed_word(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.press("a", "d")

        def locked() -> bool:
            return journey.app.screen.query_one("#delete").disabled

        assert locked()
        await journey.type("every")
        assert locked()
        await journey.type("thing")
        assert not locked()
        await journey.press("enter", "down", "enter")
        assert isinstance(journey.app.screen, Result)
    assert not os.listdir(os.path.join(family.root, "manifests"))


async def test_what_may_belong_to_a_running_pull_is_held_back_until_forced(
    family: StoreBuilder, open_app: Open
) -> None:
    family.partial("running", size=9_000_000, done=50_000, age=30)
    async with open_app(Path(family.root)) as journey:
        await journey.press("p", "d")
        review = journey.app.screen
        assert isinstance(review, Review)
        assert [held.reason for held in review.plan.held_back]
        assert not [item for item in review.plan.files if item.reason == "nothing references it"]
        await journey.press("right", "right", "right", "enter")
        forced = journey.app.screen
        assert isinstance(forced, Review)
        assert not forced.plan.held_back
        assert forced.plan.overridden


async def test_a_store_that_changed_meanwhile_is_left_alone(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.point_at("apart:7b")
        await journey.press("d")
        review = journey.app.screen
        assert isinstance(review, Review)
        weights = max(review.plan.blobs, key=lambda item: item.reclaims)
        layer = family.layer("weights", "others", size=400_000, written=300_000)
        assert layer.digest == weights.digest
        family.model("newcomer", layer)
        before = tree(family.root)
        await journey.press("right", "enter")
        assert isinstance(journey.app.screen, Reading)
        assert "newcomer" in journey.text("Static")
    assert tree(family.root) == before


async def test_a_broken_manifest_is_mended_from_the_problems_tab(family: StoreBuilder, open_app: Open) -> None:
    family.manifest("broken", '{"schemaVersion": 2, "layers": [')
    async with open_app(Path(family.root)) as journey:
        await journey.press("p")
        assert "because of a problem" in journey.status
        await journey.press("escape", "4", "space", "d", "right", "enter", "enter", "p")
        assert "stays" not in journey.status
        assert journey.session.inventory is not None
        assert not journey.session.inventory.problems
    assert not os.path.exists(os.path.join(family.root, family.manifest_path("broken")))


async def test_a_rescan_keeps_the_cursor_and_the_marks_on_the_same_items(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.point_at("derived:latest")
        await journey.press("space")
        await journey.point_at("base:latest")
        family.model("aaa", family.layer("weights", "new", size=99_000_000))
        await journey.press("r")
        assert journey.table.key == "base:latest"
        assert journey.session.marks.models == {"derived:latest"}
        os.unlink(os.path.join(family.root, family.manifest_path("derived")))
        await journey.press("r")
        assert journey.session.marks.count == 0


async def test_filter_and_order_follow_the_keys(demo: Path, open_app: Open) -> None:
    async with open_app(demo) as journey:
        await journey.press("slash")
        await journey.type("qwen 32b")
        await journey.press("enter")
        assert set(journey.table.shown_keys) == {"qwen2.5-coder:32b"}
        await journey.press("escape")
        assert len(journey.table.shown_keys) == 25
        by_size = journey.table.shown_keys
        await journey.press("S")
        assert journey.table.shown_keys[0] == by_size[-1]
        for column in journey.table.columns:
            journey.table.sort_by(column.key)
            assert sorted(journey.table.shown_keys) == sorted(by_size)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_header_tells_what_the_rows_are_sorted_by(demo: Path, open_app: Open, size: tuple[int, int]) -> None:
    """Also where the column itself has no room."""
    async with open_app(demo, size) as journey:
        for _column in journey.table.columns:
            await journey.press("s")
            column = next(column for column in journey.table.columns if column.key == journey.table.sort_key)
            header = journey.table.render_line(0).text
            assert f"{column.title}▼" in header or f"{column.title}▲" in header


async def test_the_mouse_moves_marks_and_sorts(demo: Path, open_app: Open) -> None:
    async with open_app(demo) as journey:
        await journey.pilot.click("#models", offset=(1, 3))
        await journey.rest()
        assert "1 marked" in journey.status
        await journey.pilot.click("#models", offset=(10, 5))
        await journey.rest()
        assert journey.table.cursor == 4
        await journey.pilot.click("#models", offset=(5, 0))
        await journey.rest()
        assert journey.table.sort_key == "name"
        await journey.pilot.click("#tabs", offset=(20, 0))
        await journey.rest()
        assert journey.main.tables.tab.id == "blobs"


async def test_what_is_marked_is_not_deleted_too(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.press("a", "2", "a")
        assert "also deletes" not in journey.status
        await journey.press("escape", "a")
        assert "also deletes apart:7b" in journey.status


async def test_a_click_on_a_key_presses_it(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.pilot.click("#keys", offset=(journey.text("#keys").index("Mark") + 1, 0))
        await journey.rest()
        assert "1 marked" in journey.status


async def test_hostile_names_are_drawn_harmlessly(tmp_path: Path, open_app: Open) -> None:
    builder = StoreBuilder(str(tmp_path / "store"), NOW)
    builder.file(os.fsdecode(b"blobs/\x1b[31mred\xff[bold]"), "x")
    builder.model("plain", config=builder.config(model_family="\x1b]0;title\x07[red]evil", model_type="[/]"))
    async with open_app(tmp_path / "store") as journey:
        for tab in ("1", "2", "3", "4"):
            await journey.press(tab, "enter", "escape")
            drawn = "".join(strip.text for strip in journey.table.render_lines(journey.table.size.region))
            assert all(char.isprintable() for char in drawn)
        await journey.press("2")
        await journey.point_at(os.fsdecode(b"blobs/\x1b[31mred\xff[bold]"))
        assert "blobs/\\x1b[31mred\\xff[bold]" in journey.details


async def test_a_hundred_thousand_rows_are_there_at_once(open_app: Open, family: StoreBuilder) -> None:
    async with open_app(Path(family.root)) as journey:
        table = journey.table
        template: Any = journey.table.row
        rows = [replace(template, name=f"row {number:06}") for number in range(100_000)]
        journey.session.snapshot = None  # rows of a test's own have no detail
        table.show([Column("row", "Row", 0, attrgetter("name"), attrgetter("name"))], rows)
        await journey.press("end")
        assert table.key == "row 099999"
        assert "row 099999" in table.render_line(table.size.height - 1).text


async def test_a_store_that_is_not_named_or_not_ours_is_only_shown(family: StoreBuilder, open_app: Open) -> None:
    before = tree(family.root)
    async with open_app(Path(family.root), is_sample=False) as journey:
        journey.become_another_user()
        await journey.press("d")
        assert isinstance(journey.app.screen, Reading)
        assert "sudo -u ollama" in journey.text("Static")
    assert tree(family.root) == before


async def test_what_went_to_the_trash_comes_back_with_u(family: StoreBuilder, open_app: Open) -> None:
    before = tree(family.root)
    async with open_app(Path(family.root)) as journey:
        await journey.point_at("apart:7b")
        await journey.press("d", "right", "enter")
        result = journey.app.screen
        assert isinstance(result, Result)
        assert result.receipt.trashed == result.receipt.plan.reclaims > 0
        assert "Nothing freed yet: e empties the trash" in journey.text()
        await journey.press("enter")
        assert "apart:7b" not in journey.table.shown_keys
        await journey.press("3")
        assert journey.table.shown_keys == [result.receipt.id]
        assert "Expires  in 7 days" in journey.details
        await journey.press("1", "u")
        assert "Restored apart:7b: " in journey.text()
        await journey.press("enter")
        assert "apart:7b" in journey.table.shown_keys
    assert tree(family.root) == before


async def test_a_name_that_exists_again_is_not_overwritten(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.point_at("apart:7b")
        await journey.press("d", "right", "enter", "enter")
        family.model("apart:7b", family.layer("weights", "another"), age=60)
        before = tree(family.root)
        await journey.press("r", "u")
        assert isinstance(journey.app.screen, Reading)
        assert "apart:7b is there again" in journey.text("Static")
    assert tree(family.root) == before


async def test_emptying_the_trash_frees_what_it_says(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.point_at("apart:7b")
        await journey.press("d", "right", "enter", "enter", "3", "space")
        assert journey.status.startswith("1 marked · frees 3")
        await journey.press("d")
        await journey.type("everything")
        await journey.press("enter", "enter")
        result = journey.app.screen
        assert isinstance(result, Result)
        assert result.receipt.freed == result.receipt.plan.reclaims > 300_000
    assert os.listdir(os.path.join(family.root, ".prunella")) == ["ledger.sqlite"]


async def test_a_pin_is_shown_and_kept_in_the_store(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.point_at("apart:7b")
        await journey.press("P")
        assert journey.session.inventory is not None
        assert [model.name for model in journey.session.inventory.models if model.is_pinned] == ["apart:7b"]
        assert any("⚑" in strip.text for strip in journey.table.render_lines(journey.table.size.region))
        await journey.press("P")
        assert not [model.name for model in journey.session.inventory.models if model.is_pinned]


class _StubServer:
    """A server that has one model loaded, and remembers what it was asked."""

    address = "http://stub"

    def __init__(self, digests: dict[str, str]) -> None:
        self.digests = digests
        self.asked: list[str] = []

    def version(self) -> str:
        return "0.33.0"

    def weights(self, name: str) -> str:
        return ""

    def loaded(self) -> list[Loaded]:
        return [Loaded("apart:7b", self.digests["apart:7b"])]

    def models(self) -> dict[str, str]:
        return self.digests

    def unload(self, name: str) -> None:
        self.asked.append(f"unload {name}")

    def delete(self, name: str) -> None:
        self.asked.append(f"delete {name}")


def _digests(root: str) -> dict[str, str]:
    store = locate(root, {}, root)
    return {model.name: model.digest for model in scan(store, NOW).models}


async def test_a_loaded_model_is_named_and_unloaded_first(family: StoreBuilder, open_app: Open) -> None:
    server = _StubServer(_digests(family.root))
    async with open_app(Path(family.root), connect=lambda: server) as journey:
        assert "1 model loaded" in journey.text("#title")
        await journey.point_at("apart:7b")
        await journey.press("d")
        assert "Loaded in Ollama: apart:7b" in journey.text("Static")
        await journey.press("right", "enter")
        assert isinstance(journey.app.screen, Result)
    assert server.asked == ["unload apart:7b"]


async def test_where_one_may_not_write_the_server_can_remove(family: StoreBuilder, open_app: Open) -> None:
    server = _StubServer(_digests(family.root))
    before = tree(family.root)
    async with open_app(Path(family.root), is_sample=False, connect=lambda: server) as journey:
        journey.become_another_user()
        await journey.point_at("apart:7b")
        await journey.press("d")
        assert "sudo -u ollama prunella" in journey.text("Static")
        await journey.press("right", "enter")
    assert server.asked == ["delete apart:7b"]
    assert tree(family.root) == before


async def test_a_blob_that_a_new_model_needs_loses_its_mark(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.press("p")
        marked = journey.session.marks.blobs
        layer = family.layer("weights", "an old tag", written=200_000)
        assert layer.digest in marked
        family.model("newcomer", layer)
        await journey.press("r")
        assert journey.session.marks.blobs == marked - {layer.digest}
        assert not journey.session.implied


async def test_an_interrupted_removal_is_told_on_the_first_screen(family: StoreBuilder, open_app: Open) -> None:
    family.file(".prunella/staging/20260101T000000-abc123/blobs/sha256-1", "x")
    async with open_app(Path(family.root), is_sample=False) as journey:
        assert "interrupted removal" in journey.text("#title")


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (40, 12)])
@pytest.mark.parametrize("marks", [("space",), ("a",)])
async def test_every_button_of_a_review_is_in_sight(
    demo: Path, open_app: Open, size: tuple[int, int], marks: tuple[str, ...]
) -> None:
    async with open_app(demo, size=size) as journey:
        await journey.press(*marks, "d")
        for button in journey.app.screen.query("Button"):
            assert journey.app.screen.region.contains_region(button.region)
            assert button.region.area > 0


async def test_a_mark_whose_blob_went_while_a_dialog_was_open_is_not_put_back(demo: Path, open_app: Open) -> None:
    async with open_app(demo) as journey:
        inventory = journey.session.inventory
        assert inventory is not None
        gone = next(blob for blob in inventory.blobs if blob.state is State.UNREFERENCED)
        await journey.press("2")
        await journey.point_at(gone.key)
        await journey.press("space", "d")
        os.unlink(demo / gone.files[0].path)
        journey.main.action_rescan()
        await journey.rest()
        await journey.press("escape")
        assert journey.session.marks.count == 0
        assert "Nothing marked" in journey.status
