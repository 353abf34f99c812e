"""What earlier runs saw: when a blob was last needed, when a model was last loaded.

An mtime says when a blob was written, not since when nothing needs it. So every run leaves in the store which digests
it saw referenced, and the next one knows when those that are not any more were seen last.
"""

import hashlib
import os
import sqlite3
import stat
from collections.abc import Callable, Collection
from contextlib import closing, suppress
from typing import TypeVar

from msgspec.structs import replace

from prunella_core.inventory.records import Blob, Inventory, State
from prunella_core.ledger import parting
from prunella_core.ledger.verdicts import SCHEMA as _VERDICTS
from prunella_core.ledger.verdicts import with_bad
from prunella_core.store.locate import Store

_Answer = TypeVar("_Answer")

NAME = "ledger.sqlite"
_FRESH_ENOUGH = 600.0
"""Seconds within which a run that saw nothing new does not write: ages count in days."""

_SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS run (only INTEGER PRIMARY KEY CHECK (only = 1), at REAL NOT NULL, manifests TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS referenced (digest TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parted (digest TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS loaded (model TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
"""
    + _VERDICTS
)


def recall(inventory: Inventory) -> Inventory:
    """Return ``inventory`` with what earlier runs saw, and leave no trace."""
    return consult(inventory.store, lambda ledger: _recall(ledger, inventory)) or inventory


def remember(inventory: Inventory, loaded: Collection[str] = ()) -> Inventory:
    """Return ``inventory`` with what earlier runs saw, and leave for later ones what this one sees.

    ``loaded`` names the models that the server has loaded now. A ledger that cannot be written is only read; one that
    is damaged is begun anew. Ages then come from mtimes alone, which the rows say.
    """

    def work(ledger: sqlite3.Connection) -> Inventory:
        _record(ledger, inventory, loaded)
        return _recall(ledger, inventory)

    if not (inventory.store.writable and inventory.store.named):
        return recall(inventory)
    return consult(inventory.store, work, writable=True) or inventory


def consult(store: Store, work: Callable[[sqlite3.Connection], _Answer], *, writable: bool = False) -> _Answer | None:
    """Return what ``work`` finds in the ledger of ``store``, or does to it; ``None`` where there is none to be used.

    A damaged one is begun anew where it may be written.
    """
    if writable and not (store.writable and store.named):
        return None
    with suppress(sqlite3.OperationalError, OSError):  # no right, no room, or somebody else is writing: do without
        try:
            return _consult(store, work, writable)
        except sqlite3.DatabaseError as error:
            if not writable or isinstance(error, sqlite3.OperationalError):
                return None  # a run that writes sees to it
            os.unlink(_path(store))
            return _consult(store, work, writable)
    return None


def _path(store: Store) -> str:
    return os.path.join(store.own, NAME)


def _consult(store: Store, work: Callable[[sqlite3.Connection], _Answer], writable: bool) -> _Answer | None:
    if os.path.islink(store.own) or _is_in_the_way(_path(store)):
        return None
    if not writable and not os.path.exists(_path(store)):
        return None
    with closing(_open(store, writable)) as ledger, ledger:
        return work(ledger)


def _is_in_the_way(path: str) -> bool:
    """Whether something else than a file lies where the ledger belongs: a link, a pipe that would never answer."""
    try:
        return not stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:  # nothing there, or no way to it: opening it tells
        return False


def _open(store: Store, writable: bool) -> sqlite3.Connection:
    path = _path(store)
    if not writable:
        return sqlite3.connect(f"file:{path.replace('?', '%3f').replace('#', '%23')}?mode=ro", uri=True, timeout=0.2)
    is_new = not os.path.exists(path)
    os.makedirs(store.own, exist_ok=True)
    ledger = sqlite3.connect(path, timeout=0.2)
    ledger.executescript(_SCHEMA + parting.SCHEMA)
    if is_new:
        _give_to_owner(store, path)
    return ledger


def _give_to_owner(store: Store, path: str) -> None:
    """What an administrator creates in somebody's store is that somebody's."""
    if os.geteuid() == 0:
        owner = os.stat(store.root)
        for own in (store.own, path):
            os.chown(own, owner.st_uid, owner.st_gid)


def _record(ledger: sqlite3.Connection, inventory: Inventory, loaded: Collection[str]) -> None:
    now = inventory.scanned_at
    manifests = _fingerprint(inventory)
    row = ledger.execute("SELECT at, manifests FROM run").fetchone()
    last, known = (_time(row[0]), row[1]) if row else (None, None)
    if known != manifests:
        _record_change(ledger, inventory, last)
    else:
        parting.begin(ledger, inventory)
    if known != manifests or last is None or abs(now - last) >= _FRESH_ENOUGH:
        ledger.execute("INSERT OR REPLACE INTO run VALUES (1, ?, ?)", (now, manifests))
    noted = dict(ledger.execute("SELECT model, at FROM loaded"))
    stale = [name for name in loaded if abs(now - _time(noted.get(name, 0))) >= _FRESH_ENOUGH]
    ledger.executemany("INSERT OR REPLACE INTO loaded VALUES (?, ?)", ((name, now) for name in stale))


def _time(value: object) -> float:
    """Read a time; a ledger that holds anything else is damaged."""
    if not isinstance(value, int | float):
        raise sqlite3.DatabaseError("a time that is no number")
    return float(value)


def _fingerprint(inventory: Inventory) -> str:
    """Two inventories with the same manifests need the same digests."""
    lines = sorted(f"{model.manifest.path}\0{model.digest}" for model in inventory.models)
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _record_change(ledger: sqlite3.Connection, inventory: Inventory, last: float | None) -> None:
    """Note when those that are needed no more were seen last, and forget the ones that are gone."""
    before = {digest for (digest,) in ledger.execute("SELECT digest FROM referenced")}
    now = {digest for model in inventory.models for digest in model.needs}
    there = inventory.digests
    parted = (before - now) & there
    if last is not None:
        ledger.executemany("INSERT OR REPLACE INTO parted VALUES (?, ?)", ((digest, last) for digest in parted))
    forgotten = [
        digest for (digest,) in ledger.execute("SELECT digest FROM parted") if digest in now or digest not in there
    ]
    ledger.executemany("DELETE FROM parted WHERE digest = ?", ((digest,) for digest in forgotten))
    parting.note_parting(ledger, inventory, parted)
    ledger.executemany("DELETE FROM referenced WHERE digest = ?", ((digest,) for digest in before - now))
    ledger.executemany("INSERT INTO referenced VALUES (?)", ((digest,) for digest in now - before))


def _recall(ledger: sqlite3.Connection, inventory: Inventory) -> Inventory:
    parted = {digest: _time(at) for digest, at in ledger.execute("SELECT digest, at FROM parted")}
    owners = parting.last_models(ledger)
    used = {model: _time(at) for model, at in ledger.execute("SELECT model, at FROM loaded")}
    inventory = with_bad(ledger, inventory)
    if not parted and not used:
        return inventory
    return replace(
        inventory,
        blobs=tuple(
            _recalled(blob, parted, owners) if blob.digest in parted and not blob.models else blob
            for blob in inventory.blobs
        ),
        models=tuple(
            replace(model, seen_loaded_at=used[model.name]) if model.name in used else model
            for model in inventory.models
        ),
    )


def _recalled(blob: Blob, parted: dict[str, float], owners: dict[str, str]) -> Blob:
    digest = blob.digest or ""
    seen = parted[digest] if blob.state is State.UNREFERENCED else None
    return replace(blob, seen_referenced_at=seen, last_model=owners.get(digest))
