"""``R`` on the Problems tab: what would be pulled, the question, the pull, and what became of it."""

import asyncio
from pathlib import Path
from threading import Event
from typing import Any

from journeys import Journey, Open
from ollama_rules import digest_of
from prunella_core.ollama.server import connect
from prunella_tui.app.screens.dialog import Reading
from prunella_tui.app.screens.review import RepairReview
from prunella_tui.app.screens.working import Working
from prunella_tui.report.format import short_digest
from pulled import ONE, success, truncate
from servers import Answer, Stub
from stores import broken_models, tree


def opened(open_app: Open, root: str, stub: Stub | None) -> Any:
    server = connect(stub.environ) if stub else None
    return open_app(Path(root), is_sample=False, connect=lambda: server)


def words(journey: Journey) -> str:
    return journey.text("Static")


async def test_a_damaged_blob_is_pulled_again(root: str, stub: Stub, open_app: Open) -> None:
    truncate(root)
    async with opened(open_app, root, stub) as journey:
        assert "R Repair" not in journey.main.query_one("#keys").render().plain
        await journey.press("4")
        assert "R Repair" in journey.main.query_one("#keys").render().plain
        assert "damaged or missing: R" in journey.details
        await journey.press("R")
        assert isinstance(journey.top, RepairReview)
        assert "Repair 1 model?" in words(journey)
        assert short_digest(digest_of(ONE[0])) in words(journey)
        assert journey.focused == "back"
        await journey.press("right", "enter")
        assert isinstance(journey.top, Reading)
        assert "one:latest  repaired, the same version" in words(journey)
        await journey.press("escape")
        assert not [problem for problem in journey.session.inventory.problems if problem.model == "one:latest"]
    assert broken_models(root) == {}


async def test_cancelled_it_changes_nothing(root: str, stub: Stub, open_app: Open) -> None:
    truncate(root)
    before = tree(root)
    async with opened(open_app, root, stub) as journey:
        await journey.press("4", "R", "enter")
        assert journey.top is journey.main
    assert tree(root) == before
    assert not [question for question, _given in stub.asked if question == "POST /api/pull"]


async def test_a_pull_can_be_stopped_and_all_is_as_before(root: str, stub: Stub, open_app: Open) -> None:
    truncate(root)
    before, is_over = tree(root), Event()

    def pull(_given: Any) -> Answer:
        is_over.wait(20)
        return success()

    stub.answers["POST /api/pull"] = pull
    async with opened(open_app, root, stub) as journey:
        await journey.press("4", "R", "right")
        await journey.pilot.press("enter")
        async with asyncio.timeout(20):
            while not isinstance(journey.top, Working) or "POST /api/pull" not in [each for each, _given in stub.asked]:
                await journey.pilot.pause()
        assert tree(root) != before
        await journey.press("escape")
        is_over.set()
        assert "Cancelled" in words(journey)
        assert "It is as it was before" in words(journey)
    assert tree(root) == before


async def test_why_it_cannot(root: str, stub: Stub, open_app: Open) -> None:
    async with opened(open_app, root, stub) as journey:
        await journey.press("R")
        assert "Nothing to repair" in words(journey)
    truncate(root)
    async with opened(open_app, root, None) as journey:
        await journey.press("4", "R")
        assert "no server answers" in words(journey)
        await journey.press("escape")
        journey.become_another_user()
        await journey.press("R")
        assert "belongs to ollama" in words(journey)
