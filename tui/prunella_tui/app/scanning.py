"""One look at the store, its server and the server's log: steps for a thread, which a screen waits for.

What the first frame does not need is imported after it.
"""

import os
from typing import TYPE_CHECKING

from msgspec.structs import replace

from prunella_core.advice.forecast import is_noprune
from prunella_core.advice.service import with_barred
from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.guard.settings import SETTINGS
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.uses import with_uses
from prunella_core.scan.progress import Progress
from prunella_tui.app.columns import Snapshot
from prunella_tui.app.setup import Setup
from prunella_tui.app.tabs import snapshot_of

if TYPE_CHECKING:
    from prunella_core.ollama.server import Server


class Scan:
    """How far a scan is. Once it ``is_over`` its thread ends, at the next file."""

    models = blobs = 0
    is_over = False
    trouble = ""
    """Why the guard could not be brought up to date."""
    is_interrupted = False
    """Whether a killed run left something to repair."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def read(self) -> Snapshot:
        """Return what is there now, after the guard. Raises OSError when the store cannot be read at all."""
        self._let_guard_catch_up()
        return self._snapshot(self.setup.survey(self._count, lambda: self.is_over), None)

    def _let_guard_catch_up(self) -> None:
        """Where the guard is on, what Ollama deleted goes to the trash first; what keeps it from that is shown."""
        store = self.setup.store
        if store.read_only or not os.path.lexists(store.path(SETTINGS)):
            return
        from prunella_core.guard.sync import sync

        try:
            sync(store, self.setup.now())
        except (Refused, OSError) as error:
            self.trouble = clean(str(error))

    def _count(self, progress: Progress) -> None:
        self.models, self.blobs = progress

    def _snapshot(self, inventory: Inventory, version: str | None) -> Snapshot:
        noprune = is_noprune(self.setup.environ)
        return snapshot_of(inventory, self.setup.retention, noprune=noprune, version=version)

    def ask_server(self, snapshot: Snapshot) -> "tuple[Server | None, Snapshot]":
        """Return the server, if there is one, and the snapshot with what it says of itself and of this store."""
        from prunella_core.apply import has_unfinished
        from prunella_core.operations.server import loaded_here, version_of

        self.is_interrupted = has_unfinished(self.setup.store)
        server = self.setup.connect()
        version = version_of(server)
        inventory = with_barred(snapshot.inventory, self.setup.service_user())
        if version or inventory is not snapshot.inventory:
            snapshot = self._snapshot(inventory, version)
        return server, replace(snapshot, loaded=loaded_here(server, snapshot.inventory) or frozenset())

    def read_log(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with what Ollama's log says of its models; the same where it says nothing new."""
        if self.setup.follow is None:
            return snapshot
        follower = self.setup.follow(lambda: self.is_over)
        follower.read_journal()
        follower.read_files()
        follower.save()
        inventory = with_uses(snapshot.inventory, follower.uses)
        if inventory is snapshot.inventory:
            return snapshot
        return replace(self._snapshot(inventory, snapshot.coming.server_version), loaded=snapshot.loaded)
