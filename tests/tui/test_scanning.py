"""Keys while the store is being read."""

from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from textual.pilot import Pilot

from prunella_core.base.errors import Cancelled
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.ages import scan_store
from prunella_core.scan import Progress, Report
from prunella_core.store.locate import Store
from prunella_tui.app import PrunellaApp, Setup
from prunella_tui.app import setup as outside
from prunella_tui.app.browse import Browse
from stores import NOW, open_store, small_store


class SlowSurvey:
    """A survey that reports until it is cancelled, or may end."""

    def __init__(self) -> None:
        self.may_end = Event()
        self.was_cancelled = Event()

    def __call__(
        self, store: Store, now: float, report: Report, cancelled: Callable[[], bool], **_options: object
    ) -> Inventory:
        while not self.may_end.wait(0.01):
            report(Progress(7, 9))
            if cancelled():
                self.was_cancelled.set()
                raise Cancelled("cancelled")
        return scan_store(store, now)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowSurvey:
    """What every scan of the application is."""
    found = SlowSurvey()
    monkeypatch.setattr(outside, "survey", found)
    return found


@pytest.fixture
def app(tmp_path: Path, slow: SlowSurvey) -> PrunellaApp:
    """The application over the small store."""
    return PrunellaApp(Setup(store=open_store(small_store(tmp_path / "store").root), now=lambda: NOW))


async def browsing(pilot: Pilot[int], text: str) -> Browse:
    """The screen, once its status line has ``text``."""
    for _turn in range(1_000):
        await pilot.pause(0.01)
        browse = pilot.app.screen
        if isinstance(browse, Browse) and text in str(browse.query_one("#marked").render()):
            return browse
    raise AssertionError(f"{text} is not shown")


async def test_a_scan_shows_what_it_counts_and_then_the_rows(app: PrunellaApp, slow: SlowSurvey) -> None:
    async with app.run_test() as pilot:
        browse = await browsing(pilot, "7 manifests, 9 blobs")
        assert not browse.table.shown_keys
        slow.may_end.set()
        await browsing(pilot, "Nothing marked")
        assert "base:latest" in browse.table.shown_keys


async def test_leaving_does_not_wait_for_the_scan(app: PrunellaApp, slow: SlowSurvey) -> None:
    async with app.run_test() as pilot:
        await browsing(pilot, "7 manifests")
        await pilot.press("q")
    assert slow.was_cancelled.wait(10)


async def test_escape_closes_the_filter_before_it_stops_the_scan(app: PrunellaApp, slow: SlowSurvey) -> None:
    async with app.run_test() as pilot:
        browse = await browsing(pilot, "7 manifests")
        await pilot.press("slash", "escape")
        assert not browse.query_one("#filter").has_class("-open")
        assert not slow.was_cancelled.is_set()
        await pilot.press("escape")
        await browsing(pilot, "The scan was stopped")
        assert slow.was_cancelled.is_set()
        slow.may_end.set()
        await pilot.press("r")
        await browsing(pilot, "Nothing marked")
