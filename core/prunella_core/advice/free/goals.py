"""How many bytes to delete for a goal; never below zero."""

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import clean
from prunella_core.base.units import parse_size
from prunella_core.inventory.records import Inventory
from prunella_core.space.totals import totals

_SMALLEST = 1_000_000


def to_free(inventory: Inventory, wanted: str) -> int:
    """Return how much to delete for ``50GB``; for ``20%``, until that much of the file system is free.

    Raises InvalidInput, also for a small number without a unit: 50 hardly means bytes.
    """
    bare = wanted.strip()
    if bare.isdecimal() and 0 < int(bare) < _SMALLEST:
        raise InvalidInput(f"“{clean(bare)}” has no unit: use {bare}GB, {bare}MB or {bare}%")
    return until_free(inventory, wanted) if "%" in wanted else parse_size(wanted)


def until_free(inventory: Inventory, wanted: str) -> int:
    """Return what is missing until ``20%`` of the file system, or ``100GB``, are free. Raises InvalidInput."""
    return max(parse_size(wanted, percent_of=inventory.disk_total) - inventory.disk_free, 0)


def down_to(inventory: Inventory, most: str) -> int:
    """Return by how much the whole store, its trash too, takes more than ``300GB``. Raises InvalidInput."""
    return max(totals(inventory).allocated - parse_size(most), 0)
