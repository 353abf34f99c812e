"""What people see: snapshots at two sizes, and the pictures of the README against the program of today."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import app_over

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
sys.path.insert(0, str(SCREENSHOTS))

import take  # noqa: E402 -- a script, not a package

SIZES = [(80, 24), (120, 40)]
SCREENS = {
    "models": [],
    "marked": ["down", "down", "space", "space"],
    "blobs": ["2"],
    "trash": ["down", "down", "space", "space", "d", "right", "enter", "enter", "3"],
    "result": ["p", "d", "right", "enter"],
    "problems": ["4", "down"],
    "review": ["down", "down", "space", "space", "d"],
    "everything": ["a", "d"],
    "help": ["question_mark"],
    "filtered to nothing": ["slash", "x", "y", "z", "enter"],
    "detail": ["enter"],
}


@pytest.fixture(autouse=True)
def _blocks_of_four_kilobytes(tmp_path: Path) -> None:
    """Pictures show allocated bytes, which a file system with other blocks allocates differently."""
    probe = tmp_path / "probe"
    probe.write_bytes(b"x")
    if os.stat(probe).st_blocks * 512 != 4096:
        pytest.skip("this file system does not allocate in blocks of 4096 bytes")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("screen", SCREENS)
def test_screen_looks_as_it_did(screen: str, size: tuple[int, int], demo: Path, snap_compare: Any) -> None:
    async def at_rest(pilot: Any) -> None:
        await take.settled(pilot.app)
        await pilot.pause()
        for key in SCREENS[screen]:
            await pilot.press(key)
            await take.settled(pilot.app)
            await pilot.pause()
        pilot.app.clear_notifications()
        await pilot.pause()

    assert snap_compare(app_over(demo), terminal_size=size, run_before=at_rest)
