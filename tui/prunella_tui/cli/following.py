"""Reads Ollama's log in the background: while the store is read, and what is left of it after the output."""

import os
import sys
from threading import Event, Thread

import click

from prunella_core.inventory.records import Inventory
from prunella_core.ledger.uses import Follower, with_uses
from prunella_core.store import Store

SHOWING = 0.04
"""Seconds that a list waits for the log."""
DELETING = 2.0
"""Seconds that a proposal to delete waits: what was used lately must not be in it."""
_REST = 2.0


class Following:
    """One reading, from the beginning of a command to its end."""

    def __init__(self, store: Store) -> None:
        self._is_scanned, self._is_over = Event(), Event()
        self._follower = Follower(store, os.path.expanduser("~"), self._is_over.is_set)
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()
        click.get_current_context().call_on_close(self._finish)

    def _read(self) -> None:
        self._follower.read_journal()
        self._is_scanned.wait()  # files are searched by this process: not while it reads the store
        self._follower.read_files()

    def add_to(self, inventory: Inventory, seconds: float) -> Inventory:
        """Return ``inventory`` with what the log said until now, or within ``seconds``."""
        self._is_scanned.set()
        self._thread.join(seconds)
        return with_uses(inventory, self._follower.uses)

    def _finish(self) -> None:
        self._is_scanned.set()
        if self._thread.is_alive():
            sys.stdout.flush()
            self._thread.join(_REST)
        self._is_over.set()
        self._thread.join(_REST)
        if not self._thread.is_alive():
            self._follower.save()
