"""A survey that begins before anybody follows it."""

from pathlib import Path
from threading import Event

import pytest

from prunella_core.inventory.records import Inventory
from prunella_core.scan import Progress, Report
from prunella_tui.headstart import HeadStart
from stores import look, small_store


@pytest.fixture
def found(tmp_path: Path) -> Inventory:
    """What is found in the end."""
    return look(small_store(tmp_path / "store").root)


class Survey:
    """One that reports three times, and says when it is at its end."""

    def __init__(self, found: Inventory) -> None:
        self.found = found
        self.has_looked = Event()
        self.at_end = Event()

    def __call__(self, report: Report) -> Inventory:
        try:
            for number in range(3):
                report(Progress(number, 0, self._so_far))
        finally:
            self.at_end.set()
        return self.found

    def _so_far(self) -> Inventory:
        self.has_looked.set()
        return self.found


def counts(start: HeadStart) -> list[int]:
    """The steps that are told to a follower."""
    steps: list[int] = []
    start.follow(lambda progress: steps.append(progress.manifests))
    return steps


def test_a_small_store_is_read_to_its_end_before_anybody_asks(found: Inventory) -> None:
    survey = Survey(found)
    start = HeadStart(survey, is_large=False)
    assert survey.at_end.wait(10)
    assert start.follow(lambda _progress: None) is found


def test_a_large_store_waits_with_what_it_knows_and_then_tells_all(found: Inventory) -> None:
    survey = Survey(found)
    start = HeadStart(survey, is_large=True)
    assert survey.has_looked.wait(10)
    assert not survey.at_end.is_set()
    assert counts(start)[-2:] == [1, 2]
    assert survey.at_end.is_set()


def test_it_can_be_ended_without_a_follower(found: Inventory) -> None:
    survey = Survey(found)
    HeadStart(survey, is_large=True).end()
    assert survey.at_end.is_set()


def test_what_goes_wrong_is_raised_where_somebody_follows() -> None:
    def fails(_report: Report) -> Inventory:
        raise OSError(5, "the disk is gone")

    start = HeadStart(fails, is_large=False)
    with pytest.raises(OSError, match="the disk is gone"):
        start.follow(lambda _progress: None)


def test_a_follower_can_end_the_survey(found: Inventory) -> None:
    survey = Survey(found)

    def stop(_progress: Progress) -> None:
        raise InterruptedError

    start = HeadStart(survey, is_large=True)
    assert survey.has_looked.wait(10)
    with pytest.raises(InterruptedError):
        start.follow(stop)
    assert survey.at_end.is_set()
