"""How a store grew: the first run of a day (UTC) that may write notes what takes how much. Three years are kept."""

import sqlite3

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from prunella_core.inventory.records import Inventory
from prunella_core.ledger.file import Time, consult, fetch
from prunella_core.space.totals import Totals, totals
from prunella_core.store.locate import Store

MOST_DAYS = 1_100
_DAY = 86_400
_LARGEST = 2**63


class Noted(Struct, frozen=True):
    """The totals of a store at a time (seconds, UTC)."""

    at: float
    totals: Totals


def note_totals(ledger: sqlite3.Connection, inventory: Inventory) -> None:
    """Note the totals of ``inventory``, unless those of this day are noted."""
    day = int(inventory.scanned_at // _DAY)
    if not fetch(ledger, tuple[int], "SELECT day FROM total WHERE day = ?", day):
        sums = msgspec.json.encode(totals(inventory))
        ledger.execute("INSERT INTO total VALUES (?, ?, ?)", (day, inventory.scanned_at, sums))
        ledger.execute("DELETE FROM total WHERE day <= ?", (day - MOST_DAYS,))


def read_totals(store: Store, since: float, until: float) -> tuple[Noted, ...]:
    """Return what was noted from the last time before ``since`` until ``until`` (seconds, UTC), the oldest first."""
    newest = "SELECT at, sums FROM total WHERE at < ? ORDER BY day DESC LIMIT ?"
    rows = consult(store, lambda ledger: fetch(ledger, tuple[Time, bytes], newest, until, MOST_DAYS)) or []
    noted = [Noted(at, sums) for at, data in reversed(rows) if (sums := _decode(data))]
    before = sum(each.at <= since for each in noted)
    return tuple(noted[max(before - 1, 0) :])


def _decode(data: bytes) -> Totals | None:
    try:
        sums = msgspec.json.decode(data, type=Totals)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return sums if all(0 <= count < _LARGEST for count in astuple(sums)) else None
