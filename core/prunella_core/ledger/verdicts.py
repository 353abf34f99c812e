"""What verifying found, as the ledger keeps it: which files have the bytes that their name stands for, and which not.

A verdict holds as long as a file's inode, size and mtime stay. Sound ones are read by the next verification alone; bad
ones by every scan.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator

from msgspec import Struct

from prunella_core.fs.sizes import File
from prunella_core.inventory.problems import DAMAGE, problem
from prunella_core.inventory.records import Inventory, Problem
from prunella_core.ledger.file import Damaged, fetch
from prunella_core.ollama.paths import place_of
from prunella_core.store.locate import Store

Identity = tuple[int, int, int, int]
"""Device, inode, size (bytes) and mtime (nanoseconds) of a file, links followed: what changes when it is written."""

READ_BAD = "SELECT path, identity, kind, problem FROM verified WHERE kind IS NOT NULL"
"""The kinds of problem of a damaged blob."""


class Verdict(Struct, frozen=True, gc=False):
    """What is known of the file at ``path`` (in the store); ``kind`` and ``problem`` are ``None`` when it is sound."""

    path: str
    identity: Identity
    kind: str | None = None
    problem: str | None = None


def identity_of(status: os.stat_result) -> Identity:
    """What a verdict holds for."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def write_verdicts(ledger: sqlite3.Connection, verdicts: Iterable[Verdict]) -> int:
    """Keep ``verdicts`` in place of what was known of the same files; return how many were written."""
    rows = [(each.path, " ".join(map(str, each.identity)), each.kind, each.problem) for each in verdicts]
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


def bad_blobs(ledger: sqlite3.Connection, inventory: Inventory) -> list[Problem]:
    """Return a Problem for each blob that was found bad and is still the same file, and each model that needs it."""
    rows = fetch(ledger, tuple[str, str, str, str | None], READ_BAD)
    verdicts = [Verdict(path, _identity(identity), *rest) for path, identity, *rest in rows]
    return [found for verdict in verdicts for found in _problems(inventory, verdict)]


def _identity(text: str) -> Identity:
    try:
        device, inode, size, mtime_ns = map(int, text.split())
    except ValueError:
        raise Damaged("an identity that is not four numbers") from None
    return device, inode, size, mtime_ns


def _problems(inventory: Inventory, verdict: Verdict) -> Iterator[Problem]:
    blob = inventory.blob_by_key.get(place_of(verdict.path).whole or "")
    file = next((file for file in blob.files if file.path == verdict.path), None) if blob else None
    if blob is None or file is None or not _is_unchanged(inventory.store, file, verdict.identity):
        return
    if verdict.kind == "wrong-size" and file.is_regular:  # every scan sees that by itself
        return
    kind = verdict.kind if verdict.kind in DAMAGE else "wrong-hash"
    what = f"the {blob.kind} blob" if blob.kind else "the blob"
    for model in blob.models or (None,):
        owner = f"{what} of {model}" if model else what
        yield problem(verdict.path, kind, f"{owner} is damaged: {verdict.problem}", model)


def _is_unchanged(store: Store, file: File, identity: Identity) -> bool:
    """Device numbers change when a system restarts, so they do not count."""
    try:
        now = identity_of(os.stat(store.path(file.path))) if file.target is not None else file.identity
    except OSError:  # a link that leads nowhere any more
        return False
    return now[1:] == identity[1:]
