"""Scans with a memory: when a blob was last needed, when a model was last loaded.

An mtime says when a blob was written, not since when nothing needs it. So every run leaves in the store's ledger which
digests it saw referenced, and a later one knows when the unreferenced were last needed. Whatever keeps the ledger from
being read, nothing looks older than it is.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping

from msgspec.structs import replace

from prunella_core.base.errors import Refused
from prunella_core.inventory.problems import problem
from prunella_core.inventory.records import Blob, Inventory, Problem, State
from prunella_core.ledger.file import (
    DAMAGED,
    NAME,
    Time,
    Unusable,
    begin_afresh,
    consult,
    fetch,
    is_trace,
    may_write,
    transact,
)
from prunella_core.ledger.growth import note_totals
from prunella_core.ledger.uses import read_uses, with_uses
from prunella_core.ledger.verdicts import bad_blobs
from prunella_core.scan import scan
from prunella_core.scan.progress import Capacity, Report, capacity_of, never, silent
from prunella_core.store.locate import Store

_FRESH_ENOUGH = 600.0
"""Seconds within which a run that saw nothing new does not write: ages count in days."""


def scan_store(
    store: Store,
    now: float,
    report: Report = silent,
    *,
    loaded: Collection[str] = (),
    capacity_of: Callable[[str], Capacity] = capacity_of,
    cancelled: Callable[[], bool] = never,
) -> Inventory:
    """Scan ``store`` at ``now`` (seconds, UTC) and add what the ledger knows; ``loaded`` is what the server has loaded.

    What this run sees is left for later ones. Raises as ``scan``.
    """
    return remember(scan(store, now, report, capacity_of, cancelled=cancelled), loaded)


def rescan(store: Store, now: float) -> Inventory:
    """Scan as ``scan_store``, but leave no trace, as a removal does before it begins."""
    return recall(scan(store, now))


def recall(inventory: Inventory) -> Inventory:
    """Return ``inventory`` with what earlier runs saw."""
    try:
        return transact(inventory.store, lambda ledger: _recall(ledger, inventory)) or inventory
    except Unusable as trouble:
        return _just_needed(inventory, f"cannot be used ({trouble})")


def remember(inventory: Inventory, loaded: Collection[str] = ()) -> Inventory:
    """Return ``inventory`` with what earlier runs saw, and leave for later ones what this one sees."""
    store = inventory.store
    if not may_write(store):
        return recall(inventory)
    was_there = is_trace(store)

    def work(ledger: sqlite3.Connection) -> Inventory:
        _record(ledger, inventory, loaded, was_there)
        return _recall(ledger, inventory)

    try:
        return transact(store, work, write=True) or inventory
    except Unusable as trouble:
        return _begin_afresh(inventory, work) if trouble.damaged else recall(inventory)


def _begin_afresh(inventory: Inventory, work: Callable[[sqlite3.Connection], Inventory]) -> Inventory:
    try:
        found = begin_afresh(inventory.store, work) or inventory
    except (Unusable, Refused):
        return recall(inventory)
    return replace(found, problems=(*found.problems, _problem(f"was damaged, and is now {DAMAGED}")))


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


def _record(ledger: sqlite3.Connection, inventory: Inventory, loaded: Iterable[str], was_there: bool) -> None:
    now = inventory.scanned_at
    last, latest = _times(ledger)
    manifests = _fingerprint(inventory)
    changed = (manifests,) not in fetch(ledger, tuple[str], "SELECT value FROM state WHERE key = 'manifests'")
    if last is None and was_there:
        _count_as_needed(ledger, inventory)
    if changed:
        _record_needs(ledger, inventory, now if last is None else last)
    if changed or last is None or abs(now - last) >= _FRESH_ENOUGH:
        values = {"at": now, "latest": max(latest, now), "manifests": manifests}
        ledger.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", values.items())
    _record_use(ledger, now, loaded)
    note_totals(ledger, inventory)


def _times(ledger: sqlite3.Connection) -> tuple[float | None, float]:
    """When the last run was by its own clock, and the latest time that any run had."""
    found = dict(fetch(ledger, tuple[str, Time], "SELECT key, value FROM state WHERE key IN ('at', 'latest')"))
    return found.get("at"), found.get("latest", 0.0)


def _fingerprint(inventory: Inventory) -> str:
    """Two inventories with the same manifests, and the same links, need the same digests."""
    lines = [f"{model.manifest.path}\0{model.digest}" for model in inventory.models]
    lines += ["\0".join((blob.key, *blob.reaches)) for blob in inventory.blobs if blob.reaches]
    return hashlib.sha256("\n".join(sorted(lines)).encode(errors="surrogateescape")).hexdigest()


def _count_as_needed(ledger: sqlite3.Connection, inventory: Inventory) -> None:
    """Begin after a damaged ledger: when blobs became unreferenced is unknown, so it is now."""
    rows = ((blob.digest, inventory.scanned_at) for blob in inventory.others if blob.state is State.UNREFERENCED)
    ledger.executemany("INSERT OR REPLACE INTO blob VALUES (?, ?, NULL)", rows)


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


def _record_use(ledger: sqlite3.Connection, now: float, loaded: Iterable[str]) -> None:
    known = dict(fetch(ledger, tuple[str, Time], "SELECT what, at FROM used"))
    rows = [(name, now) for name in loaded if now - known.get(name, -now) >= _FRESH_ENOUGH]
    upsert = "INSERT INTO used VALUES (?, ?, 0) ON CONFLICT (what) DO UPDATE SET at = excluded.at"
    ledger.executemany(upsert, rows)


def _recall(ledger: sqlite3.Connection, inventory: Inventory) -> Inventory:
    unneeded = "SELECT digest, seen, model FROM blob WHERE seen IS NOT NULL"
    rows = fetch(ledger, tuple[str, Time, str | None], unneeded)
    seen = {digest: (at, model) for digest, at, model in rows}
    used = dict(fetch(ledger, tuple[str, Time], "SELECT what, at FROM used"))
    bad = bad_blobs(ledger, inventory)
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


def _just_needed(inventory: Inventory, message: str) -> Inventory:
    """Without the ledger, nothing that could have been needed lately looks older than that."""
    now = inventory.scanned_at
    blobs = (
        replace(blob, seen_referenced_at=now) if blob.state is State.UNREFERENCED else blob for blob in inventory.blobs
    )
    return replace(inventory, blobs=tuple(blobs), problems=(*inventory.problems, _problem(message)))


def _problem(message: str) -> Problem:
    return problem(f".prunella/{NAME}", "ledger", f"{message}; unreferenced blobs count as in use until now")
