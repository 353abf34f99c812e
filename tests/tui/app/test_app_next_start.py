"""What a server of another version would do, and what the server's user cannot: problems that a scan does not find."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from journeys import Open
from prunella_core.ollama.server import Loaded, Server, ServerError, address
from prunella_core.sample import StoreBuilder
from recordings import Recorded


class OldServer(Server):
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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may use what the service's user may not")
async def test_what_the_services_user_cannot_use_is_a_problem(family: StoreBuilder, open_app: Open) -> None:
    async with open_app(Path(family.root)) as journey:
        journey.session.setup = replace(journey.session.setup, service_user=lambda: "nobody")
        await journey.press("r", "4")
        assert [row.path for row in journey.table.rows][:2] == ["blobs", "manifests"]
        assert "sudo chown -R nobody" in journey.details
        await journey.press("space")
        assert not journey.session.marks.count
