"""Reads the store in a thread, for a screen that waits for it."""

import asyncio
from collections.abc import Callable
from threading import Event

from msgspec.structs import replace

from prunella_core.inventory.records import Inventory
from prunella_core.ledger.uses import with_uses
from prunella_core.ollama.client import Server
from prunella_core.operations.server import loaded_here, version_of
from prunella_core.scan import Progress
from prunella_tui.app.setup import Setup
from prunella_tui.app.snapshot import Snapshot
from prunella_tui.app.tabs import snapshot_of


class Scan:
    """One look at the store. Cancelling the task that awaits it ends its thread at the next file."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.models = 0
        self.blobs = 0
        self._is_over = False

    async def read(self) -> Snapshot:
        """Return what is there now. Raises OSError when the store cannot be read at all."""
        try:
            return await asyncio.to_thread(self._read)
        finally:
            self._is_over = True

    def _read(self) -> Snapshot:
        return self._snapshot(self.setup.survey(self._count, lambda: self._is_over), None)

    def _snapshot(self, inventory: Inventory, version: str | None) -> Snapshot:
        return snapshot_of(inventory, self.setup.retention, noprune=self.setup.noprune, version=version)

    def _count(self, progress: Progress) -> None:
        self.models, self.blobs = progress

    async def read_log(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with what Ollama's log says of its models."""
        stop = Event()
        try:
            return await asyncio.to_thread(self._read_log, snapshot, stop.is_set)
        finally:
            stop.set()

    def _read_log(self, snapshot: Snapshot, stopped: Callable[[], bool]) -> Snapshot:
        if self.setup.follow is None:
            return snapshot
        follower = self.setup.follow(stopped)
        follower.read_journal()
        follower.read_files()
        follower.save()
        inventory = with_uses(snapshot.inventory, follower.uses)
        if inventory is snapshot.inventory:
            return snapshot
        return replace(self._snapshot(inventory, snapshot.coming.server_version), loaded=snapshot.loaded)

    async def ask_server(self, snapshot: Snapshot) -> tuple[Server | None, Snapshot]:
        """Return the server, if there is one, and the snapshot with what it says of itself and of this store."""
        return await asyncio.to_thread(self._ask_server, snapshot)

    def _ask_server(self, snapshot: Snapshot) -> tuple[Server | None, Snapshot]:
        server = self.setup.connect()
        if version := version_of(server):
            snapshot = self._snapshot(snapshot.inventory, version)
        return server, replace(snapshot, loaded=loaded_here(server, snapshot.inventory) or frozenset())
