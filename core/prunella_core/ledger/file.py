"""The ledger as a file: its tables, one transaction at a time, in bounded work, and what to do when it is damaged."""

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Annotated, TypeVar

import msgspec

from prunella_core.fs.disk import give_to_owner_of
from prunella_core.store import Store
from prunella_core.store.access import lock

_Row = TypeVar("_Row")
_Answer = TypeVar("_Answer")

Time = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]
"""Seconds since the epoch (UTC), within any calendar."""

NAME = "ledger.sqlite"
DAMAGED = f"{NAME}-damaged"
_PARTS = ("", "-journal", "-wal", "-shm")
"""What SQLite keeps next to a database, by the end of its name."""

PATIENCE = 0.5
"""Seconds to wait for another run that writes."""

_MOST_STEPS = 20_000_000
"""Instructions of SQLite's machine for one transaction: several times what 75,000 blobs take."""
_STEPS = 10_000
_LONGEST_VALUE = 4_000_000

_NOT_DAMAGE = {
    getattr(sqlite3, f"SQLITE_{key}")
    for key in ["PERM", "BUSY", "LOCKED", "NOMEM", "READONLY", "IOERR", "FULL", "CANTOPEN", "PROTOCOL", "NOLFS", "AUTH"]
}
"""Results that say something about the disk, the rights or other runs; all others are about the content."""

_TABLES = {
    "state": "CREATE TABLE state (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    # seen: when a run last saw a model need it; NULL while one does. model: the last that needed it.
    "blob": "CREATE TABLE blob (digest TEXT PRIMARY KEY, seen REAL, model TEXT) WITHOUT ROWID",
    "used": "CREATE TABLE used (what TEXT PRIMARY KEY, at REAL NOT NULL, times INTEGER NOT NULL) WITHOUT ROWID",
    "verified": "CREATE TABLE verified ( path TEXT PRIMARY KEY, identity TEXT NOT NULL, kind TEXT, problem TEXT )"
    " WITHOUT ROWID",
    "total": "CREATE TABLE total (day INTEGER PRIMARY KEY, at REAL NOT NULL, sums BLOB NOT NULL)",
    "log": "CREATE TABLE log (number INTEGER PRIMARY KEY, id TEXT NOT NULL, line BLOB NOT NULL)",
}
_INDEXES = (
    "CREATE INDEX IF NOT EXISTS blob_unneeded ON blob (digest) WHERE seen IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS verified_bad ON verified (path) WHERE kind IS NOT NULL",
)
_EARLIER = {
    "run": "CREATE TABLE run (only INTEGER PRIMARY KEY CHECK (only = 1), at REAL NOT NULL, manifests TEXT NOT NULL)",
    "referenced": "CREATE TABLE referenced (digest TEXT PRIMARY KEY) WITHOUT ROWID",
    "parted": "CREATE TABLE parted (digest TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID",
    "loaded": "CREATE TABLE loaded (model TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID",
    "needs": "CREATE TABLE needs (model TEXT PRIMARY KEY, manifest TEXT NOT NULL, digests BLOB NOT NULL)",
    "parted_from": "CREATE TABLE parted_from (digest TEXT PRIMARY KEY, model TEXT NOT NULL) WITHOUT ROWID",
}
"""The tables of an earlier release: the next run that writes moves their rows."""
_MIGRATION = """
INSERT OR IGNORE INTO state SELECT 'at', at FROM run UNION ALL SELECT 'latest', at FROM run
    UNION ALL SELECT 'manifests', manifests FROM run;
INSERT OR IGNORE INTO blob SELECT digest, at, model FROM parted LEFT JOIN parted_from USING (digest);
INSERT OR IGNORE INTO blob SELECT digest, NULL, NULL FROM referenced;
INSERT OR IGNORE INTO used SELECT model, at, 0 FROM loaded
"""


class Unusable(Exception):
    """The ledger is there and cannot be used: locked, no right, no room; or ``damaged``, which stays so."""

    def __init__(self, why: str, *, damaged: bool = False) -> None:
        super().__init__(why)
        self.damaged = damaged


class Damaged(sqlite3.DatabaseError):
    """The ledger holds something that no release of Prunella has written."""


def fetch(ledger: sqlite3.Connection, kind: type[_Row], sql: str, *parameters: object) -> list[_Row]:
    """Return the rows that ``sql`` finds. Raises Damaged when a row is not of ``kind``."""
    try:
        return msgspec.convert(ledger.execute(sql, parameters).fetchall(), list[kind])  # type: ignore[valid-type]
    except msgspec.ValidationError as error:
        raise Damaged(str(error)) from error


def decoded(data: object, kind: type[_Answer]) -> _Answer | None:
    """Return what a value in the ledger holds as JSON; ``None`` where that is not of ``kind``."""
    try:
        return msgspec.json.decode(data, type=kind) if isinstance(data, bytes) else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def transact(store: Store, work: Callable[[sqlite3.Connection], _Answer], *, write: bool = False) -> _Answer | None:
    """Return what ``work`` reads in the ledger of ``store``, or with ``write`` does to it, in one transaction.

    ``None`` where there is no ledger to read. Raises Unusable.
    """
    path = _path(store)
    try:
        is_there = _is_there(store)
        if not (is_there or write):
            return None
        if write:
            os.makedirs(store.own, exist_ok=True)
        quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        place = f"file:{quoted}?mode={'rwc' if write else 'ro'}"
        with closing(sqlite3.connect(place, uri=True, timeout=PATIENCE, isolation_level=None)) as ledger:
            answer = _in_transaction(ledger, work, write)
        if write and not is_there:
            give_to_owner_of(store.root, store.own)
            give_to_owner_of(store.own, path)
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise Unusable(str(error), damaged=_is_damage(error, path)) from error
    return answer


def consult(store: Store, work: Callable[[sqlite3.Connection], _Answer], *, write: bool = False) -> _Answer | None:
    """Do as ``transact``, and return ``None`` too where the ledger is unusable or not to be written."""
    try:
        return None if write and not may_write(store) else transact(store, work, write=write)
    except Unusable:
        return None


def may_write(store: Store) -> bool:
    """Whether a run may leave something in this store: never in one that was only found among several."""
    return store.writable and store.named


def is_trace(store: Store) -> bool:
    """Whether there is a ledger, or was one that was damaged."""
    return any(os.path.lexists(os.path.join(store.own, name)) for name in (NAME, DAMAGED))


def begin_afresh(store: Store, work: Callable[[sqlite3.Connection], _Answer]) -> _Answer | None:
    """Move a damaged ledger aside, and do ``work`` in a new one. Raises Unusable, Locked and Refused."""
    with lock(store):
        try:  # another run may have done it meanwhile
            return transact(store, work, write=True)
        except Unusable as trouble:
            if not trouble.damaged:
                raise
        _move_aside(store)
        return transact(store, work, write=True)


def _move_aside(store: Store) -> None:
    """Keep one damaged ledger, the last, with all that SQLite knows of it."""
    try:
        for part in _PARTS:
            path, copy = f"{_path(store)}{part}", f"{os.path.join(store.own, DAMAGED)}{part}"
            with suppress(FileNotFoundError):
                os.unlink(copy)
            with suppress(FileNotFoundError):
                os.rename(path, copy)
    except OSError as error:
        raise Unusable(str(error)) from error


def _path(store: Store) -> str:
    return os.path.join(store.own, NAME)


def _is_there(store: Store) -> bool:
    """Whether there is a ledger. Raises Unusable where a link or a pipe lies in its place or its journal's."""
    if os.path.islink(store.own):
        raise Unusable(f"{store.own} is a link")
    there = [path for part in _PARTS if os.path.lexists(path := _path(store) + part)]
    for path in there:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise Unusable(f"{path} is not a file")
    return _path(store) in there


def _in_transaction(ledger: sqlite3.Connection, work: Callable[[sqlite3.Connection], _Answer], write: bool) -> _Answer:
    left = iter(range(_MOST_STEPS // _STEPS))
    ledger.set_progress_handler(lambda: next(left, None) is None, _STEPS)
    ledger.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
    ledger.execute("PRAGMA trusted_schema = OFF")
    ledger.execute("PRAGMA cell_size_check = ON")
    ledger.execute("BEGIN IMMEDIATE" if write else "BEGIN")
    if write:
        _prepare(ledger)
    elif not _EARLIER.keys().isdisjoint(_tables(ledger)):
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
            ledger.backup(copy)
            return _in_transaction(copy, work, write=True)
    answer = work(ledger)
    ledger.execute("COMMIT")
    return answer


def _is_damage(error: Exception, path: str) -> bool:
    if isinstance(error, OSError):
        return False
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)  # none: a value is not text, though it should be
    if code == sqlite3.SQLITE_READONLY:  # the file's header forbids to write what the system lets us write
        return os.access(path, os.W_OK) and os.access(os.path.dirname(path), os.W_OK)
    return code & 0xFF not in _NOT_DAMAGE


def _tables(ledger: sqlite3.Connection) -> set[str]:
    """Return the names of the tables. Raises Damaged for a view or trigger, which could run for ever."""
    found = fetch(ledger, tuple[str, str, str | None], "SELECT type, name, sql FROM sqlite_master")
    known = _TABLES | _EARLIER
    for kind, name, sql in found:
        if kind in ("view", "trigger") or (name in known and " ".join((sql or "").split()) != known[name]):
            raise Damaged(f"{kind} {name} is not Prunella's")
    return {name for kind, name, _sql in found if kind == "table"}


def _prepare(ledger: sqlite3.Connection) -> None:
    there = _tables(ledger)
    is_earlier = not _EARLIER.keys().isdisjoint(there)
    missing = [sql for name, sql in _TABLES.items() if name not in there]
    for sql in (*missing, *_INDEXES) if missing or is_earlier else ():
        ledger.execute(sql)
    if not is_earlier:
        return
    for name in _EARLIER.keys() - there:  # early ledgers have only some of them
        ledger.execute(_EARLIER[name])
    for statement in _MIGRATION.split(";"):
        ledger.execute(statement)
    for model, packed in fetch(ledger, tuple[str, bytes], "SELECT model, digests FROM needs ORDER BY model DESC"):
        digests = (f"sha256:{packed[at : at + 32].hex()}" for at in range(0, len(packed), 32))
        ledger.executemany("UPDATE blob SET model = ? WHERE digest = ? AND seen IS NULL", ((model, d) for d in digests))
    for name in _EARLIER:
        ledger.execute(f"DROP TABLE {name}")
