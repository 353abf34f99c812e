"""What Ollama deletes behind the back of the application shows up in the trash, and u brings it back."""

from pathlib import Path

from journeys import NOW, Open
from ollama_rules import Ollama
from prunella_core.guard.status import Settings
from prunella_core.guard.sync import turn_on
from prunella_core.sample import StoreBuilder
from stores import of_ollama, open_store


async def test_an_rm_of_ollama_shows_up_after_r_and_u_brings_it_back(family: StoreBuilder, open_app: Open) -> None:
    turn_on(open_store(family.root), Settings(), NOW)
    before = of_ollama(family.root)
    async with open_app(Path(family.root)) as journey:
        assert "guard on" in journey.text()
        Ollama(family.root).rm("apart:7b")
        await journey.press("r", "3")
        assert "apart:7b (deleted by Ollama)" in journey.details
        await journey.press("u", "enter")
    assert of_ollama(family.root) == before


async def test_an_empty_trash_says_what_the_guard_is_for(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        await journey.press("3")
        assert "prunella guard on" in journey.table.empty
