"""The map by keys and mouse: where one comes, what is marked, what it says; and how it looks."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from rich.cells import cell_len

from journeys import NOW, Journey, Open
from prunella_core.ledger.memory import scan_store
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Removal
from prunella_core.sample import StoreBuilder
from prunella_core.space.totals import AreaKind
from prunella_tui.app.screens.dialog import Reading
from prunella_tui.app.screens.map import MapScreen, Place
from prunella_tui.app.session import Marks
from prunella_tui.app.widgets.mapview import Spot
from prunella_tui.report.format import size as shown_size
from stores import open_store


class MapJourney:
    """A person in front of the map, what it showed, and where it ended."""

    def __init__(self, journey: Journey) -> None:
        self.journey = journey
        self.inventory = journey.session.inventory
        self.ended: list[Place | None] = []
        assert self.inventory is not None
        self.screen = MapScreen(journey.session, self.inventory)

    async def open(self) -> None:
        """Put the map over the application."""
        self.journey.app.push_screen(self.screen, self.ended.append)
        await self.journey.rest()

    async def press(self, *keys: str) -> None:
        await self.journey.press(*keys)

    @property
    def spot(self) -> Spot:
        """The tile under the cursor."""
        spot = self.screen.view.spot
        assert spot is not None
        return spot

    @property
    def marks(self) -> Marks:
        """What is marked in the whole application."""
        return self.journey.session.marks

    @property
    def status(self) -> str:
        """The line about the tile under the cursor."""
        return self.journey.text("#map-status")

    def lines(self) -> list[str]:
        """What the tiles show, line by line."""
        view = self.screen.view
        return [view.render_line(y).text for y in range(view.size.height)]

    async def go_to(self, kind: AreaKind, name: str = "") -> None:
        """Click on the first tile of a kind, or the one of a model."""
        spots = (spot for spot in self.screen.view.spots if spot.area and spot.area.kind is kind)
        rect = next(spot.rect for spot in spots if not name or (spot.area and name in spot.area.models))
        await self.journey.pilot.click(self.screen.view, offset=(rect.x, rect.y))
        await self.journey.rest()


OpenMap = Callable[..., AbstractAsyncContextManager[MapJourney]]


@pytest.fixture
def open_map(open_app: Open) -> OpenMap:
    """Open the map of a store and hand out the journey over it."""

    @asynccontextmanager
    async def opened(root: str | Path, size: tuple[int, int] = (80, 24)) -> AsyncIterator[MapJourney]:
        async with open_app(Path(root), size=size) as journey:
            there = MapJourney(journey)
            await there.open()
            yield there

    return opened


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (40, 12)])
async def test_arrows_lead_to_every_tile_and_back(demo: Path, open_map: OpenMap, size: tuple[int, int]) -> None:
    async with open_map(demo, size) as there:
        view = there.screen.view
        seen, waiting = {there.spot}, [there.spot]
        while waiting:
            start = waiting.pop()
            for right, down in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                view._lay_out(start.areas[0])
                view.action_move(right, down)
                _assert_beside(start, there.spot, right, down)
                if there.spot not in seen:
                    seen.add(there.spot)
                    waiting.append(there.spot)
        assert seen == set(view.spots)


def _assert_beside(start: Spot, end: Spot, right: int, down: int) -> None:
    """The end of a step lies at the edge that was crossed; at the edge of the map one stays."""
    if start == end:
        return
    one, other = start.rect, end.rect
    if right:
        assert other.x == one.x + one.width if right > 0 else other.x + other.width == one.x
    if down:
        assert other.y == one.y + one.height if down > 0 else other.y + other.height == one.y


async def test_keys_walk_as_in_vim_and_with_arrows(demo: Path, open_map: OpenMap) -> None:
    async with open_map(demo) as there:
        start = there.spot
        for way, back in (("right", "left"), ("l", "h"), ("down", "up"), ("j", "k")):
            await there.press(way)
            assert there.spot != start
            await there.press(back)
            assert there.spot == start


async def test_the_tiles_hold_the_whole_store(demo: Path, open_map: OpenMap) -> None:
    async with open_map(demo) as there:
        cells = sum(spot.rect.cells for spot in there.screen.view.spots)
        view = there.screen.view
        assert cells == view.size.width * view.size.height
        assert sum(spot.allocated for spot in view.spots) == there.screen.levels[-1].allocated
        text = "\n".join(there.lines())
        for word in ("x/flux2-klein:4b", "○ unreferenced", "◔ partial"):
            assert word in text
        assert all(cell_len(line) == 80 for line in there.lines())


async def test_enter_looks_into_a_family_and_escape_comes_back(family: StoreBuilder, open_map: OpenMap) -> None:
    async with open_map(family.root) as there:
        await there.go_to(AreaKind.FAMILY)
        before = there.spot
        assert there.status.startswith("base:latest +1 · ")
        assert there.status.endswith(" if deleted together")
        await there.press("enter")
        text = "\n".join(there.lines())
        assert "shared by base:latest, derived:latest" in text
        assert there.journey.text("#map-title").split("  ")[1] == "base:latest +1"
        await there.press("escape")
        assert there.spot == before
        await there.go_to(AreaKind.UNREFERENCED)
        before = there.spot
        await there.press("enter", "escape")
        assert there.spot == before
        await there.press("escape")
        assert there.ended == [None]


async def test_enter_on_one_thing_ends_at_its_row(family: StoreBuilder, open_map: OpenMap) -> None:
    async with open_map(family.root) as there:
        await there.go_to(AreaKind.MODEL, "apart:7b")
        await there.press("enter")
        assert there.ended == [Place("models", "apart:7b")]
    async with open_map(family.root) as there:
        await there.go_to(AreaKind.UNREFERENCED)
        await there.press("enter", "enter")
        assert there.inventory is not None
        ((tab, key),) = (place for place in there.ended if place)
        assert (tab, there.inventory.blob_by_key[key].state.value) == ("blobs", "unreferenced")


async def test_space_marks_what_the_tile_stands_for(family: StoreBuilder, open_map: OpenMap) -> None:
    family.file("blobs/README.txt", "mine")
    async with open_map(family.root) as there:
        await there.go_to(AreaKind.FAMILY)
        await there.press("space")
        assert there.marks.models == {"base:latest", "derived:latest"}
        assert "✓" in "".join(there.lines())
        assert "2 marked" in there.status
        await there.press("space")
        assert "marked" not in there.status
        await there.go_to(AreaKind.UNREFERENCED)
        await there.press("space")
        assert (len(there.marks.models), len(there.marks.blobs)) == (0, 1)
        await there.go_to(AreaKind.STRAY)  # only its owner knows what it is: one by one, if at all
        await there.press("space")
        assert there.marks.count == 1
        await there.press("enter", "space")
        assert "blobs/README.txt" in there.marks.blobs


async def test_what_was_marked_before_is_shown(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.point_at("apart:7b")
        await journey.press("space")
        there = MapJourney(journey)
        await there.open()
        await there.go_to(AreaKind.MODEL, "apart:7b")
        assert there.status.startswith("✓ apart:7b")
        await there.press("space")
        assert there.marks.count == 0


async def test_a_second_click_opens(family: StoreBuilder, open_map: OpenMap) -> None:
    async with open_map(family.root) as there:
        rect = next(spot.rect for spot in there.screen.view.spots if spot.area and spot.area.kind is AreaKind.FAMILY)
        await there.journey.pilot.click(there.screen.view, offset=(rect.x + 1, rect.y + 1), times=2)
        await there.journey.rest()
        assert len(there.screen.levels) == 2


async def test_who_shares_says_what_both_would_free(family: StoreBuilder, open_map: OpenMap) -> None:
    async with open_map(family.root) as there:
        await there.go_to(AreaKind.FAMILY)
        await there.press("w")
        assert isinstance(there.journey.app.screen, Reading)
        text = there.journey.text("Static")
        assert there.inventory is not None
        both = Removal(models=("base:latest", "derived:latest"), force=True)
        for word in ("base:latest frees 4.1 kB alone", "derived:latest  shares", "weights", " together"):
            assert word in text
        assert f"alone, {shown_size(make_plan(there.inventory, both, NOW).reclaims)} together" in text
        await there.press("escape")
        await there.go_to(AreaKind.MODEL, "apart:7b")
        await there.press("w")
        assert "apart:7b frees " in there.journey.text("Static")


async def test_an_empty_store_says_what_would_be_there(tmp_path: Path, open_map: OpenMap) -> None:
    os.makedirs(tmp_path / "store" / "blobs")
    os.makedirs(tmp_path / "store" / "manifests")
    async with open_map(tmp_path / "store") as there:
        assert "Nothing on disk" in "\n".join(there.lines())
        await there.press("right", "enter", "space", "w")
        assert there.marks.count == 0
        await there.press("q")
        assert there.ended == [None]


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (12, 4), (20, 8), (250, 60)])
async def test_it_draws_at_any_size(demo: Path, open_map: OpenMap, size: tuple[int, int]) -> None:
    async with open_map(demo, size) as there:
        await there.press("right", "down", "enter", "space")
        assert all(cell_len(line) == there.screen.view.size.width for line in there.lines())


async def test_it_stays_on_its_tile_when_the_terminal_changes(demo: Path, open_map: OpenMap) -> None:
    async with open_map(demo) as there:
        await there.go_to(AreaKind.UNREFERENCED)
        await there.journey.pilot.resize_terminal(132, 43)
        await there.journey.rest()
        assert there.spot.area is not None
        assert there.spot.area.kind is AreaKind.UNREFERENCED


async def test_names_from_disk_are_text(tmp_path: Path, open_map: OpenMap) -> None:
    builder = StoreBuilder(str(tmp_path / "store"), NOW)
    for name in (b"\x1b[2J", b"[red]markup[bold]", "模型 wide".encode(), b"\xff\xfe"):
        Path(os.fsdecode(os.fsencode(builder.root) + b"/blobs/" + name)).write_text("x" * 5_000)
    async with open_map(builder.root) as there:
        await there.press("enter")
        text = "\n".join(there.lines())
        for word in ("\\x1b[2J", "[red]markup[bold]", "模型 wide", "\\xff\\xfe"):
            assert word in text
        assert all(cell_len(line) == 80 for line in there.lines())


async def test_the_crumbs_name_what_else_lies_in_the_store(family: StoreBuilder, open_map: OpenMap) -> None:
    family.file("backup/old.bin", "x" * 20_000)
    async with open_map(family.root) as there:
        found = there.screen.other
        assert found is not None
        assert dict(found.entries)["backup"] == 20_480
        title = there.journey.text("#map-title")
        assert f"other {shown_size(found.allocated)}: " in title
        assert "backup 20.5 kB" in title
        await there.go_to(AreaKind.FAMILY)
        await there.press("enter")
        assert "other" not in there.journey.text("#map-title")


async def test_how_the_total_went_is_in_the_title_once_two_days_are_known(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.press("m")
        assert "30 days" not in journey.text("#map-title")
    scan_store(open_store(family.root), NOW - 9 * 86_400)
    async with open_app(Path(family.root)) as journey:
        await journey.press("m")
        assert "██ in 30 days" in journey.text("#map-title")
