"""When models were last used: what Ollama's log says, remembered by digest with the position that was read."""

import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing, suppress
from functools import lru_cache
from operator import is_
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from prunella_core.inventory.records import Inventory, Model
from prunella_core.ledger.file import Time, consult, decoded, fetch, is_trace
from prunella_core.ollama.log import Event, Log, log_files, read_journal, server_starts
from prunella_core.scan.system import SWEEP, weights_in, without_sweep
from prunella_core.store import Store

_SAME_LOAD = 120.0
"""Seconds within which what two lines say of one digest is one load."""
_SAME_USE = 600.0
"""Seconds within which weights are read after a load that the log names."""
_MOST_STARTS = 20
_CLOSE = 10.0
"""Seconds by which two clocks differ on the start of a server."""
_SLICE, _LONGEST_SLICE = 0.25, 2.0
"""Seconds: how long the journal is read before anyone may stop it, at first and at most."""


class Source(Struct):
    """How far a log was read, and what it can say of the store."""

    cursor: str = ""
    offsets: dict[str, int] = {}
    """How far each file was read, the oldest first."""
    since: Time | None = None
    """The first line without a gap after it that names this store; ``None`` while none does."""
    until: Time = 0.0
    version: str = ""
    is_known: bool = False
    """Whether this version has named a load: what loads it names then is all there were."""
    starts: list[Time] = []

    def add(self, event: Event, root: str) -> None:
        """Take in what a line says beyond the load."""
        if event.store:
            is_ours = _real(event.store) == root
            self.since = (event.at if self.since is None else self.since) if is_ours else None
        if event.kind == "start":
            self.since = self.since and min(self.since, event.at)  # lines before it may have no time
            self.is_known &= event.what == self.version
            self.version, self.starts = event.what, [*self.starts, event.at][-_MOST_STARTS:]
        self.is_known |= event.kind in ("load", "loaded")

    def covers(self, at: float) -> bool:
        """Whether it would name a load at that time, and later."""
        return self.since is not None and self.is_known and self.until >= at - SWEEP


@lru_cache
def _real(path: str) -> str:
    return "" if "\0" in path else os.path.realpath(path)


class Uses(Struct):
    """What the logs say: under each digest its last load and how many there were; and how far each log was read."""

    loads: dict[str, tuple[float, int]] = {}
    journal: Source = msgspec.field(default_factory=Source)
    files: Source = msgspec.field(default_factory=Source)

    @property
    def positions(self) -> bytes:
        """How far each log was read, for later runs."""
        return msgspec.json.encode({"journal": self.journal, "files": self.files})


def read_uses(ledger: sqlite3.Connection) -> Uses:
    """Return what earlier runs read; nothing of a log whose position cannot be understood: it is read again."""
    stored = fetch(ledger, tuple[Any], "SELECT value FROM state WHERE key = 'log'")
    uses = (decoded(stored[0][0], Uses) if stored else None) or Uses()
    rows = fetch(ledger, tuple[str, Time, int], "SELECT what, at, times FROM used WHERE times > 0")
    uses.loads = {what: (at, times) for what, at, times in rows}
    return uses


def with_uses(inventory: Inventory, uses: Uses) -> Inventory:
    """Return ``inventory`` with what the logs say of each model."""
    starts = uses.journal.starts + uses.files.starts
    if not (uses.loads or starts or uses.journal.since or uses.files.since):
        return inventory
    models = tuple([_with_use(model, uses, starts) for model in inventory.models])
    return inventory if all(map(is_, models, inventory.models)) else replace(inventory, models=models)


def _with_use(model: Model, uses: Uses, starts: Iterable[float]) -> Model:
    weights = weights_in(model.layers)
    loaded_at, loads = uses.loads.get(weights.digest if weights else "", (None, 0))
    model = without_sweep(model, lambda at: any(-_CLOSE <= at - start <= SWEEP for start in starts))
    read, swept = model.weights_read_at, model.swept_at
    if loaded_at:
        read, swept = (None if at and at < loaded_at + _SAME_USE else at for at in (read, swept))
    is_named = weights and weights.kind == "weights"  # tensors are loaded by a program that names none
    logs = (uses.journal, uses.files)
    covering = (log.since for log in logs if is_named and swept and log.covers(swept))
    log_since = min(filter(None, covering), default=None)
    found = replace(model, weights_read_at=read, swept_at=swept, loaded_at=loaded_at, loads=loads, log_since=log_since)
    return model if found == model else found


class Follower:
    """Reads the logs on from where the last run stopped, as far as it is let; ``uses`` is what is known so far."""

    def __init__(self, store: Store, home: str, stopped: Callable[[], bool]) -> None:
        self.store = store
        self.home = home
        self.stopped = stopped
        self.uses = consult(store, read_uses) or Uses()
        self._before = self.uses.positions
        self._known = dict(self.uses.loads)
        self._announced: set[str] = set()
        """What only the library was seen to load: the server's own line may follow."""

    def read_journal(self) -> None:
        """Read on in the journal of the system; nothing where there is none, or it may not be read."""
        journal, seconds, is_over = self.uses.journal, _SLICE, False
        with suppress(OSError):
            while not (is_over or self.stopped()):
                found = read_journal(journal.cursor, seconds)
                journal.since = None if found.has_gap else journal.since
                self._add(journal, found.events)
                is_over = found.is_whole or (found.cursor == journal.cursor and seconds >= _LONGEST_SLICE)
                journal.cursor, journal.until = found.cursor, max(journal.until, found.until)
                seconds = min(2 * seconds, _LONGEST_SLICE)

    def read_files(self) -> None:
        """Read on in the log files; those that cannot be read are left out."""
        files = self.uses.files
        with ExitStack() as stack:
            logs = []
            for path in log_files(self.store.root, self.home):
                with suppress(OSError):
                    logs.append(stack.enter_context(closing(Log(path))))
            before, files.offsets = files.offsets, {log.mark: 0 for log in logs if log.mark}
            known = {log.mark: before[log.mark] for log in logs if before.get(log.mark, log.size + 1) <= log.size}
            if before and next(reversed(before)) not in known:
                files.since = None
            files.offsets |= known
            for log in logs:
                if log.mark and not self.stopped():
                    self._read(log, files)
        for at in server_starts():  # a log may not be readable
            if all(abs(at - start) > _CLOSE for start in files.starts):
                files.starts = [*files.starts, at][-_MOST_STARTS:]

    def _read(self, log: Log, files: Source) -> None:
        for events, offset in log.read(files.offsets[log.mark]):
            self._add(files, events)
            files.offsets[log.mark] = offset
            if self.stopped():
                return
        files.until = max(files.until, log.written_at)

    def _add(self, log: Source, events: Iterable[Event]) -> None:
        for event in events:
            log.add(event, self.store.root)
            last, times = self.uses.loads.get(event.what, (0.0, 0))
            is_same = event.at < last + _SAME_LOAD
            if event.kind == "load" and event.at > last:
                is_counted = is_same and event.what in self._announced
                self.uses.loads[event.what] = event.at, times + (not is_counted)
                self._announced.discard(event.what)
            elif event.kind == "loaded" and not is_same:
                self.uses.loads[event.what] = event.at, times + 1
                self._announced.add(event.what)

    def save(self) -> None:
        """Leave what was read for later runs; what of it is read once more counts once."""
        after = self.uses.positions
        news = [(what, *use) for what, use in self.uses.loads.items() if self._known.get(what) != use]

        def work(ledger: sqlite3.Connection) -> None:
            ledger.execute("INSERT OR REPLACE INTO state VALUES ('log', ?)", (after,))
            ledger.executemany("INSERT OR REPLACE INTO used VALUES (?, ?, ?)", news)

        if after != self._before and is_trace(self.store):
            consult(self.store, work, write=True)
            self._before, self._known = after, dict(self.uses.loads)
