"""Scans with a memory: when a blob was last needed, when a model was last loaded.

An mtime says when a blob was written, not since when nothing needs it. So every run leaves in the store's ledger which
digests it saw referenced, and a later one knows when the unreferenced were last needed. Whatever keeps the ledger from
being read, nothing looks older than it is.
"""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import astuple, replace

from prunella_core.base.errors import Refused
from prunella_core.fs.files import File
from prunella_core.inventory.problems import DAMAGE, problem
from prunella_core.inventory.records import Blob, Inventory, Problem, State
from prunella_core.ledger.file import (
    DAMAGED,
    NAME,
    Damaged,
    Time,
    Unusable,
    begin_afresh,
    consult,
    decoded,
    fetch,
    is_trace,
    may_write,
    transact,
)
from prunella_core.ledger.uses import read_uses, with_uses
from prunella_core.ollama.names import place_of
from prunella_core.scan import scan
from prunella_core.scan.system import Capacity, Report, capacity_of, never, silent
from prunella_core.space.totals import Totals, totals
from prunella_core.store import Store

Identity = tuple[int, int, int, int]
"""Device, inode, size (bytes) and mtime (nanoseconds) of a file, links followed: what changes when it is written."""

READ_BAD = "SELECT path, identity, kind, problem FROM verified WHERE kind IS NOT NULL"

MOST_DAYS = 1_100
"""So long the totals of a day are kept."""
_DAY = 86_400
_FRESH_ENOUGH = 600.0
"""Seconds within which a run that saw nothing new does not write: ages count in days."""


def scan_store(
    store: Store,
    now: float,
    report: Report = silent,
    *,
    capacity_of: Callable[[str], Capacity] = capacity_of,
    cancelled: Callable[[], bool] = never,
) -> Inventory:
    """Scan ``store`` at ``now`` (seconds, UTC) and add what the ledger knows.

    What this run sees is left for later ones. Raises as ``scan``.
    """
    return remember(scan(store, now, report, capacity_of, cancelled=cancelled))


def rescan(store: Store, now: float) -> Inventory:
    """Scan as ``scan_store``, but leave no trace, as a removal does before it begins."""
    return recall(scan(store, now))


def recall(inventory: Inventory) -> Inventory:
    """Return ``inventory`` with what earlier runs saw.

    Without the ledger, nothing that could have been needed lately looks older than that.
    """
    try:
        return transact(inventory.store, lambda ledger: _recall(ledger, inventory)) or inventory
    except Unusable as trouble:
        now = inventory.scanned_at
        blobs = (
            replace(blob, seen_referenced_at=now) if blob.state is State.UNREFERENCED else blob
            for blob in inventory.blobs
        )
        return _with_problem(replace(inventory, blobs=tuple(blobs)), f"cannot be used ({trouble})")


def remember(inventory: Inventory) -> Inventory:
    """Return ``inventory`` with what earlier runs saw, and leave for later ones what this one sees."""
    store = inventory.store
    if not may_write(store):
        return recall(inventory)
    was_there = is_trace(store)

    def work(ledger: sqlite3.Connection) -> Inventory:
        _record(ledger, inventory, was_there)
        return _recall(ledger, inventory)

    try:
        return transact(store, work, write=True) or inventory
    except Unusable as trouble:
        if not trouble.damaged:
            return recall(inventory)
    try:
        found = begin_afresh(store, work) or inventory
    except (Unusable, Refused):
        return recall(inventory)
    return _with_problem(found, f"was damaged, and is now {DAMAGED}")


def note_loaded(inventory: Inventory, names: Collection[str]) -> None:
    """Leave for later runs that the server had these models in memory when ``inventory`` was scanned."""
    now = inventory.scanned_at

    def work(ledger: sqlite3.Connection) -> None:
        known = dict(fetch(ledger, tuple[str, Time], "SELECT what, at FROM used"))
        used = [(name, now) for name in names if now - known.get(name, -now) >= _FRESH_ENOUGH]
        upsert = "INSERT INTO used VALUES (?, ?, 0) ON CONFLICT (what) DO UPDATE SET at = excluded.at"
        ledger.executemany(upsert, used)

    if names and may_write(inventory.store) and is_trace(inventory.store):  # the store of an export is elsewhere
        consult(inventory.store, work, write=True)


def last_run(store: Store) -> float:
    """Return the latest time at which a run saw this store (seconds, UTC); 0 where none is known."""
    return consult(store, lambda ledger: _times(ledger)[1]) or 0.0


def likely_model(inventory: Inventory, blob: Blob) -> str | None:
    """Return the model that a row without a model likely belongs to; ``None`` where nothing says so.

    For a download that is a model which misses the blob; else the last that an earlier run saw with it; else the
    newest in the trash that needs it.
    """
    if blob.models or blob.digest is None:
        return None
    missing = inventory.blob_by_key.get(blob.digest)
    if missing and missing.models:
        return missing.models[0]
    return blob.last_model or inventory.trashed_models.get(blob.digest)


def _with_problem(inventory: Inventory, what: str) -> Inventory:
    message = f"{what}; unreferenced blobs count as in use until now"
    return replace(inventory, problems=(*inventory.problems, problem(f".prunella/{NAME}", "ledger", message)))


# What this run sees


def _record(ledger: sqlite3.Connection, inventory: Inventory, was_there: bool) -> None:
    now = inventory.scanned_at
    last, latest = _times(ledger)
    manifests = _fingerprint(inventory)
    changed = (manifests,) not in fetch(ledger, tuple[str], "SELECT value FROM state WHERE key = 'manifests'")
    if last is None and was_there:  # after a damaged ledger: when blobs became unreferenced is unknown, so it is now
        rows = ((blob.digest, now) for blob in inventory.others if blob.state is State.UNREFERENCED)
        ledger.executemany("INSERT OR REPLACE INTO blob VALUES (?, ?, NULL)", rows)
    if changed:
        _record_needs(ledger, inventory, now if last is None else last)
    if changed or last is None or abs(now - last) >= _FRESH_ENOUGH:
        values = {"at": now, "latest": max(latest, now), "manifests": manifests}
        ledger.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", values.items())
    _note_totals(ledger, inventory)


def _times(ledger: sqlite3.Connection) -> tuple[float | None, float]:
    """When the last run was by its own clock, and the latest time that any run had."""
    found = dict(fetch(ledger, tuple[str, Time], "SELECT key, value FROM state WHERE key IN ('at', 'latest')"))
    return found.get("at"), found.get("latest", 0.0)


def _fingerprint(inventory: Inventory) -> str:
    """Two inventories with the same manifests, and the same links, need the same digests."""
    lines = [f"{model.manifest.path}\0{model.digest}" for model in inventory.models]
    lines += ["\0".join((blob.key, *blob.reaches)) for blob in inventory.blobs if blob.reaches]
    return hashlib.sha256("\n".join(sorted(lines)).encode(errors="surrogateescape")).hexdigest()


def _record_needs(ledger: sqlite3.Connection, inventory: Inventory, last: float) -> None:
    """Note what models need now; when the others were last needed; and forget the ones that are gone."""
    rows = fetch(ledger, tuple[str, Time | None, str | None], "SELECT digest, seen, model FROM blob")
    before = {digest: (seen, model) for digest, seen, model in rows}
    after: dict[str, tuple[float | None, str | None]]
    after = {blob.key: (None, blob.models[0]) for blob in inventory.blobs if blob.models and blob.key == blob.digest}
    after |= {
        digest: (last if seen is None else seen, model)
        for digest, (seen, model) in before.items()
        if digest not in after and digest in inventory.digests
    }
    ledger.executemany("DELETE FROM blob WHERE digest = ?", [(digest,) for digest in before.keys() - after.keys()])
    changed = ((digest, *facts) for digest, facts in after.items() if before.get(digest) != facts)
    ledger.executemany("INSERT OR REPLACE INTO blob VALUES (?, ?, ?)", changed)


# What earlier runs saw


def _recall(ledger: sqlite3.Connection, inventory: Inventory) -> Inventory:
    unneeded = "SELECT digest, seen, model FROM blob WHERE seen IS NOT NULL"
    rows = fetch(ledger, tuple[str, Time, str | None], unneeded)
    seen = {digest: (at, model) for digest, at, model in rows}
    used = dict(fetch(ledger, tuple[str, Time], "SELECT what, at FROM used"))
    bad = list(_bad_blobs(ledger, inventory))
    inventory = with_uses(inventory, read_uses(ledger))
    if not (seen or used or bad):
        return inventory
    return replace(
        inventory,
        blobs=tuple([_recalled(blob, seen) for blob in inventory.blobs]) if seen else inventory.blobs,
        models=tuple([replace(model, seen_loaded_at=used.get(model.name)) for model in inventory.models]),
        problems=(*inventory.problems, *bad),
    )


def _recalled(blob: Blob, seen: Mapping[str, tuple[float, str | None]]) -> Blob:
    at, model = seen.get(blob.digest or "", (None, None))
    if blob.models or at is None:
        return blob
    return replace(blob, seen_referenced_at=at if blob.state is State.UNREFERENCED else None, last_model=model)


# What verifying found. A verdict holds as long as a file's inode, size and mtime stay. Sound ones are read by the next
# verification alone; bad ones by every scan.


class Verdict(NamedTuple):
    """What is known of the file at ``path`` (in the store); ``kind`` and ``problem`` are ``None`` when it is sound."""

    path: str
    identity: Identity
    kind: str | None
    problem: str | None


def identity_of(status: os.stat_result) -> Identity:
    """What a verdict holds for."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def write_verdicts(ledger: sqlite3.Connection, verdicts: Iterable[Verdict]) -> int:
    """Keep ``verdicts`` in place of what was known of the same files; return how many were written."""
    rows = [(path, " ".join(map(str, identity)), kind, found) for path, identity, kind, found in verdicts]
    return ledger.executemany("INSERT OR REPLACE INTO verified VALUES (?, ?, ?, ?)", rows).rowcount


def read_sound(ledger: sqlite3.Connection) -> dict[str, Identity]:
    """Return the identity of every file that was found sound, under its path."""
    rows = fetch(ledger, tuple[str, str], "SELECT path, identity FROM verified WHERE kind IS NULL")
    return {path: _identity(text) for path, text in rows}


def forget_gone(ledger: sqlite3.Connection, inventory: Inventory) -> None:
    """Forget files that are gone, digest and all. What is in the trash may come back as it was."""
    paths = fetch(ledger, tuple[str], "SELECT path FROM verified")
    gone = [(path,) for (path,) in paths if place_of(path).whole not in inventory.digests]
    ledger.executemany("DELETE FROM verified WHERE path = ?", gone)


def _identity(text: str) -> Identity:
    try:
        device, inode, size, mtime_ns = map(int, text.split())
    except ValueError:
        raise Damaged("an identity that is not four numbers") from None
    return device, inode, size, mtime_ns


def _bad_blobs(ledger: sqlite3.Connection, inventory: Inventory) -> Iterator[Problem]:
    """A Problem for each blob that was found bad and is still the same file, and each model that needs it."""
    rows = fetch(ledger, tuple[str, str, str, str | None], READ_BAD)
    # all are understood first: one that is not says that the ledger is damaged, whatever became of its file
    for path, identity, kind, found in [(path, _identity(text), kind, found) for path, text, kind, found in rows]:
        blob = inventory.blob_by_key.get(place_of(path).whole or "")
        file = next((file for file in blob.files if file.path == path), None) if blob else None
        if blob is None or file is None or not _is_unchanged(inventory.store, file, identity):
            continue
        if kind == "wrong-size" and file.is_regular:  # every scan sees that by itself
            continue
        what = f"the {blob.kind} blob" if blob.kind else "the blob"
        for model in blob.models or (None,):
            owner = f"{what} of {model}" if model else what
            yield problem(path, kind if kind in DAMAGE else "wrong-hash", f"{owner} is damaged: {found}", model)


def _is_unchanged(store: Store, file: File, identity: Identity) -> bool:
    """Device numbers change when a system restarts, so they do not count."""
    try:
        now = identity_of(os.stat(store.path(file.path))) if file.target is not None else file.identity
    except OSError:  # a link that leads nowhere any more
        return False
    return now[1:] == identity[1:]


# How the store grew: the first run of a day (UTC) that may write notes what takes how much


class Noted(Struct, frozen=True):
    """The totals of a store at a time (seconds, UTC)."""

    at: float
    totals: Totals


def _note_totals(ledger: sqlite3.Connection, inventory: Inventory) -> None:
    day = int(inventory.scanned_at // _DAY)
    if not fetch(ledger, tuple[int], "SELECT day FROM total WHERE day = ?", day):
        sums = msgspec.json.encode(totals(inventory))
        ledger.execute("INSERT INTO total VALUES (?, ?, ?)", (day, inventory.scanned_at, sums))
        ledger.execute("DELETE FROM total WHERE day <= ?", (day - MOST_DAYS,))


def read_totals(store: Store, since: float, until: float) -> tuple[Noted, ...]:
    """Return what was noted from the last time before ``since`` until ``until`` (seconds, UTC), the oldest first."""
    newest = "SELECT at, sums FROM total WHERE at < ? ORDER BY day DESC LIMIT ?"
    rows = consult(store, lambda ledger: fetch(ledger, tuple[Time, bytes], newest, until, MOST_DAYS)) or []
    found = ((at, decoded(data, Totals)) for at, data in reversed(rows))
    noted = [Noted(at, sums) for at, sums in found if sums and all(0 <= count < 2**63 for count in astuple(sums))]
    before = sum(each.at <= since for each in noted)
    return tuple(noted[max(before - 1, 0) :])
