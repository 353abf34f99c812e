"""The application over stores that a test made, with a fixed clock and disk."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from prunella_core.ollama.client import Server
from prunella_core.sample import StoreBuilder, build_demo_store
from prunella_core.scan import Space
from prunella_core.store.locate import locate
from prunella_tui.app import PrunellaApp, Setup
from prunella_tui.app.browse import Browse
from prunella_tui.app.setup import no_server
from prunella_tui.app.table import RowTable

NOW = 1_795_000_000.0
DISK = Space(total=1_000_000_000_000, free=52_000_000_000)
_DAY = 86_400


def app_over(root: Path, *, is_sample: bool = True, connect: Callable[[], Server | None] = no_server) -> PrunellaApp:
    """The application over the store at ``root``."""
    store = locate(str(root), {}, str(root))
    setup = Setup(
        store=store,
        now=lambda: NOW,
        theme="textual-dark",
        is_sample=is_sample,
        space_of=lambda _path: DISK,
        connect=connect,
    )
    app = PrunellaApp(setup)
    app.animation_level = "none"
    return app


class Journey:
    """A person at the keyboard, and what they see."""

    def __init__(self, pilot: Pilot[Any]) -> None:
        self.pilot = pilot
        self.app = pilot.app

    async def press(self, *keys: str) -> None:
        """Press keys one by one, and wait until the application has come to rest after each."""
        for key in keys:
            await self.pilot.press(key)
            await self.rest()

    async def rest(self) -> None:
        """Wait for workers and messages."""
        await self.app.workers.wait_for_complete()
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type words into the field that has the focus."""
        await self.press(*("space" if char == " " else char for char in text))

    @property
    def browse(self) -> Browse:
        """The one screen, whatever dialog lies over it."""
        return next(screen for screen in self.app.screen_stack if isinstance(screen, Browse))

    @property
    def table(self) -> RowTable[Any]:
        """The table in sight."""
        return self.browse.table

    def text(self, selector: str) -> str:
        """The words in a part of the screen on top."""
        return "\n".join(str(widget.render()) for widget in self.app.screen.query(selector))

    @property
    def footer(self) -> str:
        """The line that follows the marks."""
        return str(self.browse.query_one("#marked").render())

    async def point_at(self, key: str) -> None:
        """Move the cursor to a row, as somebody who has found it."""
        self.table.go_to(key)
        await self.rest()


Open = Callable[..., AbstractAsyncContextManager[Journey]]


@pytest.fixture
def open_app() -> Open:
    """Open the application over a store and hand out the journey through it."""

    @asynccontextmanager
    async def opened(root: Path, size: tuple[int, int] = (120, 40), **options: Any) -> AsyncIterator[Journey]:
        async with app_over(root, **options).run_test(size=size) as pilot:
            journey = Journey(pilot)
            await journey.rest()
            yield journey

    return opened


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """The sample store, at a hundredth of the size that ``prunella demo`` writes."""
    build_demo_store(str(tmp_path / "store"), NOW, divisor=100_000)
    return tmp_path / "store"


@pytest.fixture
def family(tmp_path: Path) -> StoreBuilder:
    """A base, a model derived from it, one apart, and what nothing needs."""
    builder = StoreBuilder(str(tmp_path / "store"), NOW)
    weights = builder.layer("weights", "base weights", size=900_000, written=800_000, age=9 * _DAY)
    builder.model("base", weights, age=9 * _DAY)
    builder.model("derived", weights, builder.layer("system", "Be brief.\n"), age=2 * _DAY)
    other = builder.layer("weights", "others", size=400_000, written=300_000, age=5 * _DAY)
    builder.model("apart:7b", other, config=builder.config(model_family="phi3"), age=5 * _DAY)
    builder.layer("weights", "an old tag", written=200_000, age=30 * _DAY)
    builder.partial("gone", size=5_000_000, done=100_000, age=4 * _DAY)
    return builder
