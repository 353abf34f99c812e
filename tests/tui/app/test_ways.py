"""More ways to look at a store, and the proposal to free space: by the keys of the application."""

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from journeys import NOW, Journey, Open, app_over
from prunella_core.sample import StoreBuilder
from prunella_tui.app.columns import NEXT_START
from prunella_tui.app.screens.asking import FreeDialog
from prunella_tui.app.screens.dialog import Reading
from prunella_tui.app.screens.map import MapScreen
from prunella_tui.app.screens.review import Review
from prunella_tui.app.screens.working import Result
from stores import disk_use, look, remove, tree


def top(journey: Journey) -> object:
    """The screen in sight."""
    return journey.app.screen


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """Two models that share weights, one alone, a partial and a blob that nothing needs."""
    builder = StoreBuilder(str(tmp_path / "store"), NOW)
    weights = builder.layer("weights", "shared", size=900_000, written=800_000, age=90_000)
    builder.model("base", weights, age=90_000)
    builder.model("derived", weights, builder.layer("system", "You are derived.", age=90_000), age=90_000)
    builder.model("apart:7b", builder.layer("weights", "alone", size=400_000, written=300_000, age=90_000), age=90_000)
    builder.layer("weights", "nobody's", size=60_000, written=50_000, age=90_000)
    builder.partial("a pull", size=100_000, done=9_000, age=90_000)
    return builder


async def test_f_marks_a_proposal_and_d_frees_what_it_promised(builder: StoreBuilder, open_app: Open) -> None:
    before = disk_use(builder.root)
    async with open_app(Path(builder.root)) as journey:
        await journey.press("f")
        assert isinstance(top(journey), FreeDialog)
        await journey.type("55kB")
        await journey.press("enter")
        assert top(journey) is journey.main
        assert journey.session.marks.blobs
        assert not journey.session.marks.models
        assert "marked · frees" in journey.status
        await journey.press("d", "right", "enter")
        result = journey.app.screen
        assert isinstance(result, Result)
        assert result.receipt.freed >= 55_000
    assert before - disk_use(builder.root) == result.receipt.freed


async def test_u_puts_back_what_a_proposal_replaced(builder: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(builder.root)) as journey:
        await journey.point_at("apart:7b")
        await journey.press("space", "f")
        await journey.type("55kB")
        await journey.press("enter")
        assert not journey.session.marks.models
        assert "Undo marks" in journey.text("#keys")
        await journey.press("u")
        assert journey.session.marks.models == {"apart:7b"}


async def test_a_proposal_that_empties_the_trash_goes_for_good_as_a_whole(
    builder: StoreBuilder, open_app: Open
) -> None:
    remove(builder.root, "apart:7b", now=NOW)
    async with open_app(Path(builder.root)) as journey:
        await journey.press("f")
        await journey.type("340kB")
        await journey.press("enter")
        assert journey.session.marks.trash
        assert "permanently" in journey.status
        await journey.press("d")
        review = journey.app.screen
        assert isinstance(review, Review)
        assert list(review.plans) == ["delete"]
        await journey.press("right", "enter")
        result = journey.app.screen
        assert isinstance(result, Result)
        assert result.receipt.freed == review.plan.reclaims >= 340_000
    assert not os.path.exists(os.path.join(builder.root, ".prunella", "trash"))


async def test_a_proposal_can_be_left_and_marks_nothing(builder: StoreBuilder, open_app: Open) -> None:
    before = tree(builder.root)
    async with open_app(Path(builder.root)) as journey:
        await journey.press("f")
        await journey.type("55kB")
        await journey.press("escape")
        assert "Nothing marked" in journey.status
    assert tree(builder.root) == before


async def test_m_opens_the_map_whose_marks_are_those_of_the_tables(builder: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(builder.root)) as journey:
        await journey.press("m")
        assert isinstance(top(journey), MapScreen)
        await journey.press("space", "m")
        assert top(journey) is journey.main
        assert journey.session.marks.models == {"base:latest", "derived:latest"}
        assert journey.status.startswith("2 marked · frees 8")


async def test_w_tells_with_whom_a_model_shares(builder: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(builder.root)) as journey:
        await journey.point_at("base:latest")
        await journey.press("w")
        assert isinstance(top(journey), Reading)
        assert "derived:latest" in journey.text("Static")
        await journey.press("escape", "3", "w")
        assert top(journey) is journey.main


@pytest.mark.parametrize(
    ("tab", "typed", "rows"),
    [
        ("1", "size>500kB", 2),
        ("1", "size>", 0),
        ("1", "size>500kB der", 1),
        ("2", "state:partial", 1),
        ("2", "state:unreferenced disk>1GB", 0),
    ],
)
async def test_terms_filter_and_half_a_term_shows_nothing(
    builder: StoreBuilder, open_app: Open, tab: str, typed: str, rows: int
) -> None:
    async with open_app(Path(builder.root)) as journey:
        await journey.press(tab, "slash")
        await journey.type(typed)
        assert len(journey.table.shown_keys) == rows
        await journey.press("enter", "r")
        assert len(journey.table.shown_keys) == rows
        await journey.press("escape")
        assert len(journey.table.shown_keys) == len(journey.table.rows)


async def test_what_ollama_removes_next_is_a_row_of_problems_that_takes_no_mark(
    builder: StoreBuilder, open_app: Open
) -> None:
    async with open_app(Path(builder.root)) as journey:
        await journey.press("4")
        assert [problem.kind for problem in journey.table.rows] == [NEXT_START]
        assert "would delete 3 files" in journey.details
        await journey.press("space")
        assert "Nothing marked" in journey.status


async def test_a_nameless_blob_says_what_it_is(builder: StoreBuilder, open_app: Open) -> None:
    licence = builder.layer("license", "MIT License\n\nPermission is hereby granted, free of charge,", age=90_000)
    async with open_app(Path(builder.root)) as journey:
        await journey.press("2")
        await journey.point_at(licence.digest)
        assert "licen" in journey.details.lower()


@pytest.mark.parametrize("collects", [True, False])
async def test_what_expired_stays_where_somebody_wants_no_collection(builder: StoreBuilder, collects: bool) -> None:
    remove(builder.root, "apart:7b", now=NOW - 90 * 86_400)
    app = app_over(Path(builder.root))
    app.session.setup = replace(app.session.setup, collects=collects)
    async with app.run_test(size=(120, 40)) as pilot:
        journey = Journey(pilot)
        await journey.rest()
        await journey.press("2", "p", "d", "right", "enter")
        assert isinstance(top(journey), Result)
    assert os.path.exists(os.path.join(builder.root, ".prunella", "trash")) is True
    expired = [entry for entry in look(builder.root).trash if entry.models]
    assert bool(expired) is not collects
