"""How many bytes have to go for what somebody wants. All sizes are bytes; nothing has to go below zero."""

from prunella_core.base.units import parse_size
from prunella_core.inventory.records import Inventory
from prunella_core.space.totals import totals


def until_free(inventory: Inventory, wanted: str) -> int:
    """Return what is missing until ``20%`` of the file system, or ``100GB``, are free. Raises InvalidInput."""
    return max(parse_size(wanted, percent_of=inventory.disk_total) - inventory.disk_free, 0)


def down_to(inventory: Inventory, most: str) -> int:
    """Return by how much the whole store, its trash too, takes more than ``300GB``. Raises InvalidInput."""
    return max(totals(inventory).allocated - parse_size(most), 0)
