"""Keys while the store is still being read."""

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event

import pytest
from msgspec.structs import replace

from journeys import DISK, Journey, Open, app_over
from prunella_core.base.errors import Cancelled
from prunella_core.inventory.records import Inventory
from prunella_core.scan.system import Capacity, Progress, Report, never
from prunella_core.space import Space
from prunella_tui.app.scanning import Setup
from stores import small_store


class SlowSetup(Setup, frozen=True):
    """A store whose reading reports again and again until it may end, or is stopped."""

    may_end: Event
    has_ended: Event

    def survey(self, report: Report, cancelled: Callable[[], bool] = never) -> Inventory:
        try:
            while not self.may_end.wait(0.01):
                report(Progress(7, 0))
                if cancelled():
                    raise Cancelled("cancelled")
        finally:
            self.has_ended.set()
        return super().survey(report, cancelled)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Path(small_store(tmp_path / "store").root)


@asynccontextmanager
async def reading(root: Path) -> AsyncIterator[tuple[Journey, SlowSetup]]:
    """The application while it reads the store for the first time."""
    app = app_over(root)
    before = app.session.setup
    fields = {name: getattr(before, name) for name in before.__struct_fields__}
    app.session.setup = slow = SlowSetup(**fields, may_end=Event(), has_ended=Event())
    try:
        async with app.run_test() as pilot:
            await pilot.pause()
            yield Journey(pilot), slow
    finally:
        slow.may_end.set()


async def test_counts_are_shown_and_then_the_rows(root: Path) -> None:
    async with reading(root) as (journey, slow):
        while "7 manifests" not in journey.status:
            await journey.pilot.pause(0.01)
        slow.may_end.set()
        await journey.rest()
        assert "Nothing marked" in journey.status
        assert len(journey.table.shown_keys) == 3


async def test_quitting_does_not_wait_for_the_scan(root: Path) -> None:
    async with reading(root) as (journey, slow):
        await journey.pilot.press("q")
    assert slow.has_ended.wait(10)


async def test_escape_closes_the_filter_before_it_stops_the_scan(root: Path) -> None:
    async with reading(root) as (journey, slow):
        await journey.pilot.press("slash", "escape")
        assert not journey.main.field.is_open
        assert journey.session.scan
        await journey.pilot.press("escape")
        await journey.rest()
        assert "Scan stopped" in journey.status
        assert slow.has_ended.wait(10)
        slow.may_end.set()
        await journey.press("r")
        assert len(journey.table.shown_keys) == 3


async def test_a_rescan_that_is_stopped_leaves_what_was_shown(root: Path) -> None:
    async with reading(root) as (journey, slow):
        slow.may_end.set()
        await journey.rest()
        await journey.press("space")
        slow.may_end.clear()
        await journey.pilot.press("r", "escape")
        await journey.rest()
        assert "1 marked" in journey.status
        assert len(journey.table.shown_keys) == 3


async def test_a_store_that_cannot_be_read_is_said_and_read_again_with_r(root: Path) -> None:
    def capacity_of(path: str) -> Capacity:
        if is_gone:
            raise OSError(5, "Input/output error", path)
        return DISK

    is_gone = True
    app = app_over(root)
    app.session.setup = replace(app.session.setup, capacity_of=capacity_of)
    async with app.run_test() as pilot:
        journey = Journey(pilot)
        await journey.rest()
        assert f"The store cannot be read: {root}: Input/output error" in journey.status
        is_gone = False
        await journey.press("r")
        assert len(journey.table.shown_keys) == 3


async def test_the_next_scan_frees_what_the_collector_was_kept_from(
    root: Path, open_app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prunella_tui.app.session._LARGE", 0)
    known = []
    try:
        async with open_app(root) as journey:
            for _time in range(3):
                await journey.press("r")
                assert gc.get_freeze_count()
                gc.unfreeze()
                known.append(sum(isinstance(each, Space) for each in gc.get_objects()))
                gc.freeze()
    finally:
        gc.unfreeze()
    assert known[0] == known[1] == known[2]
