"""The ledger as a file: one transaction at a time, in bounded work, and what to do when it is damaged."""

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

from prunella_core.fs.disk import give_to_owner_of
from prunella_core.ledger.tables import is_earlier, prepare
from prunella_core.store.locate import Store
from prunella_core.store.lock import lock

_Answer = TypeVar("_Answer")

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
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_AUTH,
}
"""Results that say something about the disk, the rights or other runs; all others are about the content."""


class Unusable(Exception):
    """The ledger is there and cannot be used: locked, no right, no room; or ``damaged``, which stays so."""

    def __init__(self, why: str, *, damaged: bool = False) -> None:
        super().__init__(why)
        self.damaged = damaged


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
        with closing(_connect(path, "rwc" if write else "ro")) as ledger:
            answer = _write(ledger, work) if write else _read(ledger, work)
        if write and not is_there:
            give_to_owner_of(store.root, store.own)
            give_to_owner_of(store.own, path)
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise Unusable(str(error), damaged=_is_damage(error, path)) from error
    return answer


def consult(store: Store, work: Callable[[sqlite3.Connection], _Answer], *, write: bool = False) -> _Answer | None:
    """Do as ``transact``, and return ``None`` too where the ledger is unusable or not to be written."""
    if write and not may_write(store):
        return None
    try:
        return transact(store, work, write=write)
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
    for part in _PARTS:
        copy = f"{os.path.join(store.own, DAMAGED)}{part}"
        try:
            if os.path.lexists(copy):
                os.unlink(copy)
            if os.path.lexists(_path(store) + part):
                os.rename(_path(store) + part, copy)
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


def _connect(path: str, mode: str) -> sqlite3.Connection:
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return sqlite3.connect(f"file:{quoted}?mode={mode}", uri=True, timeout=PATIENCE, isolation_level=None)


def _read(ledger: sqlite3.Connection, work: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
    _limit(ledger)
    ledger.execute("BEGIN")
    if not is_earlier(ledger):
        return work(ledger)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        ledger.backup(copy)
        return _write(copy, work)


def _write(ledger: sqlite3.Connection, work: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
    _limit(ledger)
    ledger.execute("BEGIN IMMEDIATE")
    prepare(ledger)
    answer = work(ledger)
    ledger.execute("COMMIT")
    return answer


def _limit(ledger: sqlite3.Connection) -> None:
    """Bound what a crafted file can do."""
    left = iter(range(_MOST_STEPS // _STEPS))
    ledger.set_progress_handler(lambda: next(left, None) is None, _STEPS)
    ledger.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
    ledger.execute("PRAGMA trusted_schema = OFF")
    ledger.execute("PRAGMA cell_size_check = ON")


def _is_damage(error: Exception, path: str) -> bool:
    """Whether it is the content that is wrong."""
    if isinstance(error, OSError):
        return False
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)  # none: a value is not text, though it should be
    if code == sqlite3.SQLITE_READONLY:  # the file's header forbids to write what the system lets us write
        return os.access(path, os.W_OK) and os.access(os.path.dirname(path), os.W_OK)
    return code & 0xFF not in _NOT_DAMAGE
