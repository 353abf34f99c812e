"""What people see: the key screens at four sizes. `make snapshots` accepts what is drawn today."""

import os
from pathlib import Path
from typing import Any

import pytest

from journeys import Journey, app_over
from prunella_core.scan.other import OtherFiles

SIZES = [(60, 20), (80, 24), (100, 30), (120, 36)]
SCREENS = {
    "marked": ["down", "down", "space", "space"],
    "review": ["down", "d"],
    "map": ["m", "right"],
}


@pytest.fixture(autouse=True)
def _blocks_of_four_kilobytes(tmp_path: Path) -> None:
    """Pictures show allocated bytes, which a file system with other blocks allocates differently."""
    probe = tmp_path / "probe"
    probe.write_bytes(b"x")
    if os.stat(probe).st_blocks * 512 != 4096:
        pytest.skip("this file system does not allocate in blocks of 4096 bytes")


@pytest.fixture(autouse=True)
def _known_other_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """What our own notes take depends on the release of SQLite."""
    known = OtherFiles(entries=((".prunella", 65_536), ("backup", 12_288)), notes=())
    monkeypatch.setattr("prunella_tui.app.screens.map.other_files", lambda *_arguments: known)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("screen", SCREENS)
def test_screen_looks_as_it_did(screen: str, size: tuple[int, int], demo: Path, snap_compare: Any) -> None:
    async def at_rest(pilot: Any) -> None:
        journey = Journey(pilot)
        await journey.rest()
        await journey.press(*SCREENS[screen])
        pilot.app.clear_notifications()
        await pilot.pause()

    assert snap_compare(app_over(demo), terminal_size=size, run_before=at_rest)
