"""The dialog that asks how much to free: it previews while one types, and returns what is to be marked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from textual.widgets import Button

from journeys import DISK, NOW, Journey, Open
from prunella_core.advice.free import Proposal
from prunella_core.inventory.records import Inventory
from prunella_core.sample import StoreBuilder
from prunella_core.scan import scan
from prunella_core.store.locate import locate
from prunella_tui.app.screens.asking import FreeDialog


class Asked:
    """A journey into the dialog, and what it returned."""

    def __init__(self, journey: Journey) -> None:
        self.journey = journey
        self.answers: list[Proposal | None] = []

    async def type(self, text: str) -> None:
        await self.journey.type(text)
        for _turn in range(len(text)):  # one amount is calculated after the other
            await self.journey.rest()

    async def press(self, *keys: str) -> None:
        await self.journey.press(*keys)

    @property
    def preview(self) -> str:
        return self.journey.text("#preview")


def inventory_of(root: str) -> Inventory:
    return scan(locate(root, {}, root), NOW, capacity_of=lambda _path: DISK)


@asynccontextmanager
async def dialog(store: StoreBuilder, open_app: Open) -> AsyncIterator[Asked]:
    async with open_app(Path(store.root), size=(80, 24)) as journey:
        asked = Asked(journey)
        opened = FreeDialog(inventory_of(store.root), lambda: NOW, loaded=["apart:7b"])
        journey.app.push_screen(opened, asked.answers.append)
        await journey.rest()
        yield asked


async def test_previews_while_one_types_and_returns_what_enter_accepts(family: StoreBuilder, open_app: Open) -> None:
    async with dialog(family, open_app) as asked:
        assert "50GB frees that much" in asked.preview
        await asked.type("150kB")
        assert "1 unreferenced blob: 200.7 kB" in asked.preview
        assert "1 model is loaded in Ollama" in asked.preview
        await asked.press("enter")
        (proposal,) = asked.answers
        assert proposal is not None
        assert proposal.target == 150_000
        assert len(proposal.removal.blobs) == 1
        assert not proposal.removal.models


async def test_a_base_and_its_derived_model_are_one_decision(family: StoreBuilder, open_app: Open) -> None:
    async with dialog(family, open_app) as asked:
        await asked.type("500kB")
        assert "2 models" in asked.preview
        await asked.press("tab", "tab", "enter")
        (proposal,) = asked.answers
        assert proposal is not None
        assert set(proposal.removal.models) == {"base:latest", "derived:latest"}


async def test_what_is_out_of_reach_cannot_be_accepted(family: StoreBuilder, open_app: Open) -> None:
    async with dialog(family, open_app) as asked:
        await asked.type("50GB")
        assert "Can't free 50.0 GB: at most" in asked.preview
        await asked.press("enter")
        assert asked.answers == []
        await asked.press("escape")
        assert asked.answers == [None]


async def test_a_percentage_is_of_the_disk(family: StoreBuilder, open_app: Open) -> None:
    async with dialog(family, open_app) as asked:
        await asked.type("5%")
        assert "Nothing to do" in asked.preview
        await asked.press("enter")
        await asked.press("backspace", "backspace")
        await asked.type("6%")
        assert "Can't free 8.0 GB" in asked.preview
        assert asked.answers == []


async def test_what_is_no_size_is_waited_for(family: StoreBuilder, open_app: Open) -> None:
    async with dialog(family, open_app) as asked:
        await asked.type("150kBx")
        assert "50GB frees that much" in asked.preview
        await asked.press("enter")
        assert asked.answers == []
        await asked.press("tab", "enter")
        assert asked.answers == [None]


async def test_a_press_that_typing_overtakes_changes_nothing(family: StoreBuilder, open_app: Open) -> None:
    """The dialog stays: to leave it is for those who leave it."""
    async with dialog(family, open_app) as asked:
        await asked.type("150kB")
        opened = asked.journey.top
        assert isinstance(opened, FreeDialog)
        opened.query_one("#mark", Button).press()
        opened.found = None  # as the next letter does, before the press arrives
        await asked.journey.rest()
        assert asked.journey.top is opened
        assert asked.answers == []
