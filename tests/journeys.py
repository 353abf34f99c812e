"""Journeys through the application: a person at the keyboard, and what they see. Clock and disk are fixed."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from textual.pilot import Pilot
from textual.worker import WorkerCancelled

from prunella_core.ollama.server import Server
from prunella_core.scan.system import Capacity
from prunella_core.store.locate import locate
from prunella_tui.app.app import PrunellaApp
from prunella_tui.app.scanning import Setup
from prunella_tui.app.screens.main import MainScreen
from prunella_tui.app.session import Session
from prunella_tui.app.widgets.table import RowTable

NOW = 1_795_000_000.0
DISK = Capacity(total=1_000_000_000_000, free=52_000_000_000)


def app_over(root: Path, *, is_sample: bool = True, connect: Callable[[], Server | None] = lambda: None) -> PrunellaApp:
    """The application over the store at ``root``."""
    store = locate(str(root), {}, str(root))
    setup = Setup(
        settle=0,
        store=store,
        now=lambda: NOW,
        theme="textual-dark",
        is_sample=is_sample,
        capacity_of=lambda _path: DISK,
        connect=connect,
    )
    app = PrunellaApp(setup)
    app.animation_level = "none"
    return app


async def settled(app: PrunellaApp) -> None:
    """Wait for scans and threads. A flow that waits for an answer does not end by itself.

    A scan that a later one takes the place of is cancelled.
    """
    while busy := [worker for worker in app.workers if worker.group != "flow"]:
        with suppress(WorkerCancelled):
            await app.workers.wait_for_complete(busy)


class Journey:
    """A person at the keyboard, and what they see."""

    def __init__(self, pilot: Pilot[Any]) -> None:
        self.pilot = pilot
        assert isinstance(pilot.app, PrunellaApp)
        self.app = pilot.app

    async def press(self, *keys: str) -> None:
        """Press keys one by one, and wait until the application has come to rest after each."""
        for key in keys:
            await self.pilot.press(key)
            await self.rest()

    async def rest(self) -> None:
        """Wait for workers and messages."""
        await settled(self.app)
        await self.pilot.pause()
        await settled(self.app)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type words into the field that has the focus."""
        await self.press(*("space" if char == " " else char for char in text))

    @property
    def main(self) -> MainScreen:
        """The main screen, whatever dialog lies over it."""
        return next(screen for screen in self.app.screen_stack if isinstance(screen, MainScreen))

    @property
    def session(self) -> Session:
        """What is known and marked."""
        return self.app.session

    @property
    def table(self) -> RowTable[Any]:
        """The table in sight."""
        return self.main.tables.table

    @property
    def top(self) -> object:
        """The screen in sight."""
        return self.app.screen

    @property
    def focused(self) -> str:
        """The ID of what has the keys."""
        return (self.app.focused.id if self.app.focused else None) or ""

    def text(self, selector: str = "Static") -> str:
        """The words in a part of the screen on top."""
        return "\n".join(str(widget.render()) for widget in self.app.screen.query(selector))

    @property
    def status(self) -> str:
        """The line that follows the marks."""
        return str(self.main.query_one("#status").render())

    @property
    def details(self) -> str:
        """What the details pane says."""
        return str(self.main.details.render())

    def become_another_user(self) -> None:
        """Go on as a user who may not write to the store."""
        store = replace(self.session.store, writable=False, owner="ollama")
        self.session.setup = replace(self.session.setup, store=store)

    async def point_at(self, key: str) -> None:
        """Move the cursor to a row, as a user who has found it."""
        self.table.go_to(key)
        await self.rest()


Open = Callable[..., AbstractAsyncContextManager[Journey]]


@asynccontextmanager
async def opened(root: Path, size: tuple[int, int] = (120, 40), **options: Any) -> Any:
    """Open the application over a store and hand out the journey through it."""
    async with app_over(root, **options).run_test(size=size) as pilot:
        journey = Journey(pilot)
        await journey.rest()
        yield journey
