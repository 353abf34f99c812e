"""The part of the ledger that knows whose a blob was: what each model needs is noted as long as it is there, so that
a blob that parts from its last model can be told by that model's name afterwards.

One row a model, a digest in 32 bytes: 75,000 blobs are a few megabytes, and a run that saw nothing new writes nothing.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator

from prunella_core.inventory.records import Inventory, Model

SCHEMA = """
CREATE TABLE IF NOT EXISTS needs (model TEXT PRIMARY KEY, manifest TEXT NOT NULL, digests BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS parted_from (digest TEXT PRIMARY KEY, model TEXT NOT NULL) WITHOUT ROWID;
"""
_LENGTH = 32


def note_parting(ledger: sqlite3.Connection, inventory: Inventory, parted: Collection[str]) -> None:
    """Note the model that each digest of ``parted`` belonged to, then what the models of ``inventory`` need now.

    Digests that are no longer in the table ``parted`` are forgotten.
    """
    known = dict(ledger.execute("SELECT model, manifest FROM needs"))
    current = {model.name: model for model in inventory.models}
    changed = [name for name, manifest in known.items() if name not in current or current[name].digest != manifest]
    ledger.executemany("INSERT OR REPLACE INTO parted_from VALUES (?, ?)", _owners(ledger, changed, set(parted)))
    ledger.execute("DELETE FROM parted_from WHERE digest NOT IN (SELECT digest FROM parted)")
    ledger.executemany("DELETE FROM needs WHERE model = ?", ((name,) for name in changed if name not in current))
    _note_needs(ledger, (model for name, model in current.items() if known.get(name) != model.digest))


def begin(ledger: sqlite3.Connection, inventory: Inventory) -> None:
    """Note what the models need where that is not known yet: in a ledger of an earlier release."""
    if ledger.execute("SELECT 1 FROM needs LIMIT 1").fetchone() is None:
        _note_needs(ledger, inventory.models)


def last_models(ledger: sqlite3.Connection) -> dict[str, str]:
    """Return the model that each parted digest belonged to last."""
    is_known = ledger.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'parted_from'").fetchone()
    rows = ledger.execute("SELECT digest, model FROM parted_from") if is_known else ()
    return {digest: model for digest, model in rows if isinstance(model, str)}


def _owners(ledger: sqlite3.Connection, names: Iterable[str], parted: set[str]) -> Iterator[tuple[str, str]]:
    for name in sorted(names, reverse=True):  # of several that went at once, the first in the alphabet stays
        row = ledger.execute("SELECT digests FROM needs WHERE model = ?", (name,)).fetchone()
        yield from ((digest, name) for digest in _unpack(row[0] if row else b"") if digest in parted)


def _note_needs(ledger: sqlite3.Connection, models: Iterable[Model]) -> None:
    rows = ((model.name, model.digest, _pack(model.needs)) for model in models)
    ledger.executemany("INSERT OR REPLACE INTO needs VALUES (?, ?, ?)", rows)


def _pack(digests: Iterable[str]) -> bytes:
    return bytes.fromhex("".join(digest.removeprefix("sha256:") for digest in digests))


def _unpack(packed: object) -> Iterator[str]:
    digits = packed.hex() if isinstance(packed, bytes) else ""
    return (f"sha256:{digits[at : at + 2 * _LENGTH]}" for at in range(0, len(digits), 2 * _LENGTH))
