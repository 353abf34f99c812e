"""Retention as garbage collection: what has been in the trash for longer than the retention goes for good."""

from collections.abc import Callable

from prunella_core.apply import Disk, apply
from prunella_core.ledger.survey import look_again
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import PruneClass, PrunePolicy, Receipt
from prunella_core.store.locate import Store


def collect_expired(store: Store, retention: int, now: Callable[[], float], disk: Disk | None = None) -> Receipt | None:
    """Empty every entry that was removed at least ``retention`` seconds ago; ``None`` when there is none.

    Run after every removal, prune and restore. Raises Refused as ``apply`` does.
    """
    inventory = look_again(store, now())
    policy = PrunePolicy(age=retention, classes=frozenset({PruneClass.TRASH}))
    plan = make_plan(inventory, policy, inventory.scanned_at)
    return apply(plan, now, disk=disk) if plan.files else None
