"""What people see: the key screens at four sizes. `make snapshots` accepts what is drawn today."""

import os
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from textual.widgets import Input

from journeys import DISK, Journey, app_over
from prunella_core.copy.plan import Target, look_at_target
from prunella_core.inventory.records import Inventory
from prunella_core.scan.system import OtherFiles

SIZES = [(60, 20), (80, 24), (100, 30), (120, 36)]
SCREENS = {
    "marked": ["down", "down", "space", "space"],
    "review": ["down", "d"],
    "copy": ["down", "c", *"/mnt/usb"],
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


@pytest.fixture(autouse=True)
def _known_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is the same on every machine."""

    def look(inventory: Inventory, folder: str, now: float) -> Target:
        seen = look_at_target(inventory, str(tmp_path / "usb"), now)
        models = {model.name: model for model in inventory.models[:2]}
        there = replace(seen.store, root=folder)
        return replace(seen, store=there, is_store=True, models=models, free=DISK.free, file_system="ext4")

    monkeypatch.setattr("prunella_tui.app.screens.asking.look_at_target", look)


@pytest.fixture(autouse=True)
def _cursor_at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cursor that blinks is there or not, depending on how long the picture takes."""
    monkeypatch.setattr(Input, "cursor_blink", False)


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
