"""The tables of the ledger, and how the rows of an earlier release's tables move into them."""

import sqlite3
from typing import Annotated, TypeVar

import msgspec

_Row = TypeVar("_Row")

Time = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]
"""Seconds since the epoch (UTC), within any calendar."""

TABLES = {
    "state": "CREATE TABLE state (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    # seen: when a run last saw a model need it; NULL while one does. model: the last that needed it.
    "blob": "CREATE TABLE blob (digest TEXT PRIMARY KEY, seen REAL, model TEXT) WITHOUT ROWID",
    "used": "CREATE TABLE used (what TEXT PRIMARY KEY, at REAL NOT NULL, times INTEGER NOT NULL) WITHOUT ROWID",
    "verified": "CREATE TABLE verified ( path TEXT PRIMARY KEY, identity TEXT NOT NULL, kind TEXT, problem TEXT )"
    " WITHOUT ROWID",
    "log": "CREATE TABLE log (number INTEGER PRIMARY KEY, id TEXT NOT NULL, line BLOB NOT NULL)",
}
INDEXES = (
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
_MIGRATION = """
INSERT OR IGNORE INTO state SELECT 'at', at FROM run UNION ALL SELECT 'latest', at FROM run
    UNION ALL SELECT 'manifests', manifests FROM run;
INSERT OR IGNORE INTO blob SELECT digest, at, model FROM parted LEFT JOIN parted_from USING (digest);
INSERT OR IGNORE INTO blob SELECT digest, NULL, NULL FROM referenced;
INSERT OR IGNORE INTO used SELECT model, at, 0 FROM loaded
"""
_DIGEST_BYTES = 32


class Damaged(sqlite3.DatabaseError):
    """The ledger holds something that no release of Prunella has written."""


def fetch(ledger: sqlite3.Connection, kind: type[_Row], sql: str, *parameters: object) -> list[_Row]:
    """Return the rows that ``sql`` finds. Raises Damaged when a row is not of ``kind``."""
    try:
        return msgspec.convert(ledger.execute(sql, parameters).fetchall(), list[kind])  # type: ignore[valid-type]
    except msgspec.ValidationError as error:
        raise Damaged(str(error)) from error


def is_earlier(ledger: sqlite3.Connection) -> bool:
    """Whether an earlier release wrote this ledger. Raises Damaged when it has anything that could run by itself."""
    return not _EARLIER.keys().isdisjoint(_check(ledger))


def prepare(ledger: sqlite3.Connection) -> None:
    """Create the tables that are not there, and fill them from those of an earlier release. Raises Damaged."""
    there = _check(ledger)
    for name in TABLES.keys() - there:
        ledger.execute(TABLES[name])
    if there >= TABLES.keys() and _EARLIER.keys().isdisjoint(there):
        return
    for index in INDEXES:
        ledger.execute(index)
    if not _EARLIER.keys().isdisjoint(there):
        _migrate(ledger, there)


def _check(ledger: sqlite3.Connection) -> set[str]:
    """Return the names of the tables. Raises Damaged for a view or trigger, which could run for ever."""
    found = fetch(ledger, tuple[str, str, str | None], "SELECT type, name, sql FROM sqlite_master")
    known = TABLES | _EARLIER
    for kind, name, sql in found:
        if kind in ("view", "trigger") or (name in known and " ".join((sql or "").split()) != known[name]):
            raise Damaged(f"{kind} {name} is not Prunella's")
    return {name for kind, name, _sql in found if kind == "table"}


def _migrate(ledger: sqlite3.Connection, there: set[str]) -> None:
    for name in _EARLIER.keys() - there:  # early ledgers have only some of them
        ledger.execute(_EARLIER[name])
    for statement in _MIGRATION.split(";"):
        ledger.execute(statement)
    for model, packed in fetch(ledger, tuple[str, bytes], "SELECT model, digests FROM needs ORDER BY model DESC"):
        digits = packed.hex()
        digests = (f"sha256:{digits[at : at + 2 * _DIGEST_BYTES]}" for at in range(0, len(digits), 2 * _DIGEST_BYTES))
        ledger.executemany("UPDATE blob SET model = ? WHERE digest = ? AND seen IS NULL", ((model, d) for d in digests))
    for name in _EARLIER:
        ledger.execute(f"DROP TABLE {name}")
