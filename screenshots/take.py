"""Takes the pictures of this folder: drives the real application by keys over the sample store.

    python screenshots/take.py FOLDER

The clock and the size of the disk are fixed, so that the same program always draws the same picture.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from prunella_core.guard.status import Settings
from prunella_core.guard.sync import turn_on
from prunella_core.sample import build_demo_store
from prunella_core.scan import scan
from prunella_core.scan.system import Capacity
from prunella_core.store import Store
from prunella_core.store.locate import locate
from prunella_tui.app.app import PrunellaApp
from prunella_tui.app.scanning import Setup

NOW = 1_795_000_000.0
DISK = Capacity(total=1_000_000_000_000, free=52_000_000_000)


class Picture(NamedTuple):
    """A screen: its size, its theme, and the keys that lead there."""

    name: str
    keys: tuple[str, ...]
    size: tuple[int, int] = (120, 36)
    theme: str = "textual-dark"
    is_guarded: bool = False
    """With the guard on, and after an ``ollama rm``."""


PICTURES = (
    Picture("models", ("down", "down", "space", "space")),
    Picture("review", ("down", "down", "space", "space", "d")),
    Picture("blobs", ("2", "p", "home")),
    Picture("result", ("p", "d", "right", "enter")),
    Picture("trash", ("down", "down", "space", "space", "d", "right", "enter", "enter", "3")),
    Picture("problems", ("4", "down")),
    Picture("next-start", ("4", "end")),
    Picture("free", ("f", *"90MB")),
    Picture("proposal", ("f", *"90MB", "enter", "S")),
    Picture("map", ("m", "right")),
    Picture("sharing", ("slash", *"coder", "enter", "w")),
    Picture("help", ("question_mark",)),
    Picture("filter", ("2", "slash", *"state:partial disk>1MB")),
    Picture("small", ("slash", *"llama3.1", "enter", "a"), size=(80, 24)),
    Picture("guard", ("r", "3"), is_guarded=True),
    Picture("light", ("down", "down", "space"), theme="textual-light"),
)


def sample_app(store: Store, theme: str) -> PrunellaApp:
    """The application as it is photographed."""
    return PrunellaApp(Setup(store=store, now=lambda: NOW, theme=theme, is_sample=True, capacity_of=lambda _path: DISK))


async def settled(app: PrunellaApp) -> None:
    """Wait for scans and threads. A flow that waits for an answer does not end by itself."""
    while busy := [worker for worker in app.workers if worker.group != "flow"]:
        await app.workers.wait_for_complete(busy)


async def take(picture: Picture, root: Path) -> str:
    """Return ``picture`` as SVG, taken over a fresh sample store in ``root``."""
    build_demo_store(str(root), NOW)
    if picture.is_guarded:
        turn_on(locate(str(root), {}, str(root)), Settings(), NOW)
        ollama_rm(root, "phi4:14b")
    with patch("prunella_core.scan.keeps_atime", return_value=False):  # mounts differ in what they keep
        return await _drive(picture, root)


def ollama_rm(root: Path, name: str) -> None:
    """Delete a model as Ollama does."""
    inventory = scan(locate(str(root), {}, str(root)), NOW)
    (root / inventory.model_by_name[name].manifest.path).unlink()
    for blob in inventory.blobs:
        if blob.models == (name,):
            for file in blob.files:
                (root / file.path).unlink()


async def _drive(picture: Picture, root: Path) -> str:
    app = sample_app(locate(str(root), {}, str(root)), picture.theme)
    app.animation_level = "none"
    async with app.run_test(size=picture.size) as pilot:
        await settled(app)
        await pilot.pause()
        for key in picture.keys:
            await pilot.press(key)
            await settled(app)
            await pilot.pause()
        app.clear_notifications()
        await pilot.pause(0.1)
        return app.export_screenshot(title="Prunella")


def main(folder: Path) -> None:
    """Write every picture into ``folder``."""
    for picture in PICTURES:
        with tempfile.TemporaryDirectory(prefix="prunella-pictures-") as root:
            svg = asyncio.run(take(picture, Path(root)))
        (folder / f"{picture.name}.svg").write_text(svg, encoding="utf-8")
        print(f"{folder / picture.name}.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
