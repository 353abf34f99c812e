"""How many bytes to delete for a goal; never below zero. All raise InvalidInput."""

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import clean
from prunella_core.base.units import parse_size
from prunella_core.inventory.records import Inventory
from prunella_core.space.totals import totals

_SMALLEST = 1_000_000
"""Bytes. A smaller number without a unit is refused: 50 hardly means bytes."""


def to_free(inventory: Inventory, wanted: str) -> int:
    """Return how much to delete for ``50GB``; for ``20%``, until that much of the file system is free."""
    return until_free(inventory, wanted) if "%" in wanted else _bytes(wanted, "GB", "MB", "%")


def until_free(inventory: Inventory, wanted: str) -> int:
    """Return what is missing until ``20%`` of the file system, or ``100GB``, are free."""
    return max(_bytes(wanted, "GB", "MB", "%", percent_of=inventory.disk_total) - inventory.disk_free, 0)


def down_to(inventory: Inventory, most: str) -> int:
    """Return by how much the whole store, its trash too, takes more than ``300GB``."""
    return max(totals(inventory).allocated - _bytes(most, "GB", "MB"), 0)


def _bytes(wanted: str, *units: str, percent_of: int | None = None) -> int:
    bare = wanted.strip()
    if bare.isdecimal() and 0 < int(bare) < _SMALLEST:
        uses = [f"{bare}{unit}" for unit in units]
        raise InvalidInput(f"“{clean(bare)}” has no unit: use {', '.join(uses[:-1])} or {uses[-1]}")
    return parse_size(wanted, percent_of)
