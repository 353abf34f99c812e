"""How many bytes to delete for a goal; never below zero. All raise InvalidInput."""

from prunella_core.base.units import parse_size
from prunella_core.inventory.records import Inventory
from prunella_core.space.totals import totals


def to_free(inventory: Inventory, wanted: str) -> int:
    """Return how much to delete for ``50GB``; for ``20%``, until that much of the file system is free."""
    return until_free(inventory, wanted) if "%" in wanted else parse_size(wanted, inventory.disk_total)


def until_free(inventory: Inventory, wanted: str) -> int:
    """Return what is missing until ``20%`` of the file system, or ``100GB``, are free."""
    return max(parse_size(wanted, inventory.disk_total) - inventory.disk_free, 0)


def down_to(inventory: Inventory, most: str) -> int:
    """Return by how much the whole store, its trash too, takes more than ``300GB``."""
    return max(totals(inventory).allocated - parse_size(most), 0)
