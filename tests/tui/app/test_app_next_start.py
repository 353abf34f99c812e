"""What a server of another version than the store's would do, as a problem of its own."""

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from journeys import Open
from prunella_core.ollama.client import Loaded, OllamaServer, ServerError, address
from recordings import Recorded


class OldServer(OllamaServer):
    """A server that says its version, and nothing else."""

    def version(self) -> str:
        return "0.33.0"

    def loaded(self) -> list[Loaded]:
        raise ServerError("it says nothing")


async def test_the_danger_of_an_older_server_is_a_problem(recorded: Callable[..., Recorded], open_app: Open) -> None:
    recording = recorded("v2-older-server")
    async with open_app(Path(recording.store.root)) as journey:
        journey.session.setup = replace(journey.session.setup, now=lambda: recording.now)
        await journey.press("r", "4")
        assert [row.message for row in journey.table.rows] == [
            "Ollama 0.33 would delete 10 blobs, 3 models, at its next start"
        ]
        assert "does not read manifests-v2/" in journey.details
        await journey.press("space")
        assert not journey.session.marks.count


async def test_the_running_server_is_asked_for_its_version(recorded: Callable[..., Recorded], open_app: Open) -> None:
    recording, server = recorded("v2-older-server"), OldServer(address({}))
    async with open_app(Path(recording.store.root), connect=lambda: server) as journey:
        journey.session.setup = replace(journey.session.setup, now=lambda: recording.now)
        await journey.press("r", "4", "end")
        assert len(journey.table.rows) == 2
        assert "If Ollama 0.33.0 started now, it would delete 10 files" in journey.details
