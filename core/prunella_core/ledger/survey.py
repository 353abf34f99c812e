"""A look at a store as every front end takes it: what is there now, and what earlier runs saw."""

from collections.abc import Callable, Collection

from prunella_core.inventory.records import Inventory
from prunella_core.ledger.file import recall, remember
from prunella_core.scan import Report, Space, never, scan, silent, space_of
from prunella_core.store.locate import Store


def survey(
    store: Store,
    now: float,
    report: Report = silent,
    *,
    loaded: Collection[str] = (),
    space_of: Callable[[str], Space] = space_of,
    cancelled: Callable[[], bool] = never,
) -> Inventory:
    """Scan ``store`` at ``now`` (seconds, UTC) and add what the ledger knows; ``loaded`` is what the server has loaded.

    ``report`` and ``cancelled`` are those of ``scan``. Raises Cancelled, and OSError when the store itself vanishes.
    """
    return remember(scan(store, now, report, space_of, cancelled=cancelled), loaded)


def look_again(store: Store, now: float) -> Inventory:
    """Survey ``store`` without leaving a trace, as a removal does before it begins. Raises OSError as ``survey``."""
    return recall(scan(store, now))
