"""An export in the application: everything can be looked at, nothing be removed, and its text is only text."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from journeys import NOW, Journey
from prunella_core.export.portable import dump, load
from prunella_core.sample import StoreBuilder
from prunella_core.scan import scan
from prunella_core.store.locate import locate
from prunella_tui.app.app import PrunellaApp
from prunella_tui.app.scanning import Setup
from prunella_tui.app.screens.dialog import Reading

HOSTILE = "\x1b[2J[red]x[/red] \u202e @click=app.quit"


@pytest.fixture
def imported(family: StoreBuilder) -> Callable[[], PrunellaApp]:
    """The application over an export whose every free text is hostile, of a store that is not here any more."""
    family.file("blobs/README.txt", "mine")
    family.manifest("broken", "{")
    found = scan(locate(family.root, {}, family.root), NOW)
    document = json.loads(dump(found, HOSTILE))
    inventory = document["inventory"]
    inventory["store"].update(root=HOSTILE, owner=HOSTILE, why=HOSTILE, other_stores=[HOSTILE])
    for blob in inventory["blobs"]:
        blob.update(kind=HOSTILE)
        if blob["state"] == "stray":
            blob.update(key=f"blobs/{HOSTILE}", files=[{**blob["files"][0], "path": HOSTILE, "target": HOSTILE}])
    for model in inventory["models"]:
        model["details"].update(family=HOSTILE, remote_host=HOSTILE, remote_model=HOSTILE)
    for problem in inventory["problems"]:
        problem.update(path=HOSTILE, message=HOSTILE)
    os.rename(family.root, f"{family.root}-gone")
    there = load(json.dumps(document).encode())

    def app() -> PrunellaApp:
        return PrunellaApp(Setup(store=there.store, now=lambda: there.scanned_at, imported=there))

    return app


async def test_every_row_can_be_looked_at(imported: Callable[[], PrunellaApp]) -> None:
    async with imported().run_test(size=(120, 40)) as pilot:
        journey = Journey(pilot)
        await journey.rest()
        title = journey.text("#title")
        assert "read-only, as of 2026-11-18" in title
        assert "\\x1b[2J[red]x[/red]" in title
        seen = ""
        for tab in "124":
            await journey.press(tab, "enter")
            assert "\x1b" not in journey.text("Static")
            await journey.press("escape", "space", "end", "space")
            seen += journey.details
            await journey.press("home")
            seen += journey.details
        assert "\\x1b[2J" in seen
        await journey.press("r", "1")
        assert len(journey.table.rows) == 3


@pytest.mark.parametrize("tab", ["1", "2", "3", "4"])
@pytest.mark.parametrize("key", ["d", "u", "f", "v"])
async def test_every_key_that_removes_says_read_only(
    imported: Callable[[], PrunellaApp], tab: str, key: str, tmp_path: Path
) -> None:
    before = sorted(os.listdir(tmp_path))
    async with imported().run_test(size=(120, 40)) as pilot:
        journey = Journey(pilot)
        await journey.rest()
        await journey.press(tab, key)
        assert isinstance(journey.app.screen, Reading)
        assert "read-only: this is an export of \\x1b[2J" in journey.text("Static")
        await journey.press("escape")
        if tab == "1":
            await journey.press("P")
            assert "read-only" in journey.text("Static")
    assert sorted(os.listdir(tmp_path)) == before
