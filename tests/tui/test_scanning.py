"""Keys while the store is still being read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from prunella_core.inventory.records import Inventory
from prunella_core.scan import Progress, Report
from prunella_tui.app import PrunellaApp, Setup
from prunella_tui.app.browse import Browse
from prunella_tui.headstart import HeadStart
from stores import NOW, look, open_store, small_store


class SlowSurvey:
    """A survey that reports again and again, until it is told to end or is let go."""

    def __init__(self, found: Inventory) -> None:
        self.found = found
        self.part = replace(found, is_whole=False)
        self.reports = 0
        self.let_go = Event()
        self.has_ended = Event()

    def __call__(self, report: Report) -> Inventory:
        try:
            while not self.let_go.wait(0.01):
                self.reports += 1
                report(Progress(self.reports, 0, lambda: self.part))
        finally:
            self.has_ended.set()
        return self.found


@pytest.fixture
def survey(tmp_path: Path) -> SlowSurvey:
    return SlowSurvey(look(small_store(tmp_path / "store").root))


@contextmanager
def app_over(survey: SlowSurvey) -> Iterator[PrunellaApp]:
    start = HeadStart(survey, is_large=True)
    setup = Setup(store=open_store(survey.found.store.root), now=lambda: NOW, head_starts=[start])
    try:
        yield PrunellaApp(setup)
    finally:
        survey.let_go.set()
        start.end()


async def browsing(pilot: Pilot[int]) -> Browse:
    """The screen, once it shows what is known early."""
    for _turn in range(1_000):
        await pilot.pause(0.01)
        browse = pilot.app.screen
        if isinstance(browse, Browse) and browse.table.shown_keys:
            return browse
    raise AssertionError("nothing is shown")


async def test_what_is_known_early_is_in_sight(survey: SlowSurvey) -> None:
    with app_over(survey) as app:
        async with app.run_test() as pilot:
            browse = await browsing(pilot)
            assert browse.is_reading
            assert not browse.inventory.is_whole  # type: ignore[union-attr]
            survey.let_go.set()


async def test_who_leaves_does_not_wait_for_the_scan(survey: SlowSurvey) -> None:
    with app_over(survey) as app:
        async with app.run_test() as pilot:
            await browsing(pilot)
            await pilot.press("q")
        assert survey.has_ended.wait(10)
        assert not survey.let_go.is_set()


async def test_escape_closes_the_filter_before_it_stops_the_scan(survey: SlowSurvey) -> None:
    with app_over(survey) as app:
        async with app.run_test() as pilot:
            browse = await browsing(pilot)
            await pilot.press("slash", "escape")
            assert not browse.query_one("#filter").has_class("-open")
            assert browse.wanted_scan
            await pilot.press("escape")
            assert not browse.wanted_scan
