"""``v``: verifies what is marked or the row, says what is bad, and the tables show it from then on."""

import asyncio
from pathlib import Path

import pytest

from journeys import NOW, Open
from prunella_core.sample import StoreBuilder
from prunella_tui.app.columns import NEXT_START
from prunella_tui.app.screens.working import Verified, Working
from prunella_tui.report import format as show
from stores import facts

_DAY = 86_400
_TERABYTE = 1_000_000_000_000


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """Two models that share weights, one apart, an unreferenced blob and a download that never ended."""
    builder = StoreBuilder(str(tmp_path / "store"), NOW)
    weights = builder.layer("weights", "shared" * 1_000, age=_DAY)
    builder.model("base", weights, age=_DAY)
    builder.model("derived", weights, builder.layer("system", "Be brief.", age=_DAY), age=_DAY)
    builder.model("apart", builder.layer("weights", "apart" * 1_000, age=_DAY), age=_DAY)
    builder.layer("weights", "nobody needs this", age=_DAY)
    builder.partial("gone", size=5_000, done=100, age=_DAY)
    return builder


def damage(builder: StoreBuilder, content: str) -> str:
    """Change a byte of the blob with this content, and return its digest."""
    digest = builder.layer("weights", content).digest
    with open(builder.blob_path(digest), "r+b") as file:
        file.write(b"X")
    return digest


async def test_a_bad_blob_is_told_with_its_models_and_marked_from_then_on(
    builder: StoreBuilder, open_app: Open
) -> None:
    digest = damage(builder, "shared" * 1_000)
    before = facts(builder.root)
    async with open_app(Path(builder.root), is_sample=False) as journey:
        await journey.point_at("base:latest")
        await journey.press("v")
        found = journey.app.screen
        assert isinstance(found, Verified)
        words = journey.text("Static")
        assert "1 damaged blob" in words
        assert show.short_digest(digest) in words
        assert "breaks base:latest, derived:latest" in words
        await journey.press("enter")
        assert journey.app.screen is journey.main
        shown = {line for y in range(1, 4) if (line := journey.table.render_line(y).text) and "!" in line}
        assert {line.split()[0].strip("▶") or line.split()[1] for line in shown} == {"base:latest", "derived:latest"}
        await journey.press("4")
        assert [problem.kind for problem in journey.table.rows if problem.kind != NEXT_START] == ["wrong-hash"] * 2
        assert "mv " in journey.details
    assert facts(builder.root) == before


async def test_marks_count_before_the_row(builder: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(builder.root), is_sample=False) as journey:
        for name in ("base:latest", "derived:latest"):
            await journey.point_at(name)
            await journey.press("space")
        await journey.point_at("apart:latest")
        await journey.press("v")
        found = journey.app.screen
        assert isinstance(found, Verified)
        assert (found.result.checked, found.result.bad) == (3, ())
        assert "No damage found" in journey.text("Static")
        await journey.press("escape")
        assert journey.session.marks.models == {"base:latest", "derived:latest"}


async def test_what_is_known_is_not_read_again_unless_asked(builder: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(builder.root), is_sample=False) as journey:
        await journey.point_at("apart:latest")
        await journey.press("v", "enter", "v")
        second = journey.app.screen
        assert isinstance(second, Verified)
        assert (second.result.checked, second.result.remembered) == (0, 2)
        await journey.press("right", "enter")
        third = journey.app.screen
        assert isinstance(third, Verified)
        assert (third.result.checked, third.result.remembered) == (2, 0)


async def test_a_blob_and_a_problem_can_be_verified(builder: StoreBuilder, open_app: Open) -> None:
    digest = damage(builder, "nobody needs this")
    async with open_app(Path(builder.root), is_sample=False) as journey:
        await journey.press("2")
        await journey.point_at(digest)
        await journey.press("v")
        assert "no model uses it" in journey.text("Static")
        await journey.press("enter", "4")
        Path(builder.blob_path(digest)).write_bytes(b"nobody needs this")
        await journey.press("v")
        assert "No damage found" in journey.text("Static")
        await journey.press("enter")
        assert [problem.kind for problem in journey.table.rows] == [NEXT_START]


async def test_rows_without_a_hash_are_refused(builder: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(builder.root), is_sample=False) as journey:
        await journey.press("2")
        await journey.point_at(next(key for key in journey.table.shown_keys if key.endswith("-partial")))
        await journey.press("v", "3", "v")
        assert journey.app.screen is journey.main


@pytest.mark.parametrize("key", ["escape", "enter"])
async def test_it_can_be_stopped_and_keeps_what_was_verified(builder: StoreBuilder, open_app: Open, key: str) -> None:
    builder.model("huge", builder.layer("weights", "huge", size=_TERABYTE, age=_DAY), age=_DAY)
    async with open_app(Path(builder.root), is_sample=False) as journey:
        await journey.press("a")
        await journey.pilot.press("v")
        async with asyncio.timeout(20):
            while "4 of 5 files · " not in journey.text("#step"):
                await journey.pilot.pause()
        await journey.press(key)
        stopped = journey.app.screen
        assert isinstance(stopped, Verified)
        assert (stopped.result.checked, stopped.result.cancelled) == (4, True)
        assert "Stopped" in journey.text("Static")
        await journey.press("enter", "escape")
        await journey.point_at("base:latest")
        await journey.press("v")
        again = journey.app.screen
        assert isinstance(again, Verified)
        assert (again.result.checked, again.result.remembered) == (0, 2)


async def test_leaving_does_not_wait_for_the_disk(builder: StoreBuilder, open_app: Open) -> None:
    builder.model("huge", builder.layer("weights", "huge", size=_TERABYTE, age=_DAY), age=_DAY)
    async with open_app(Path(builder.root), is_sample=False) as journey:
        await journey.point_at("huge:latest")
        await journey.pilot.press("v")
        await journey.pilot.pause()
        assert isinstance(journey.app.screen, Working)
