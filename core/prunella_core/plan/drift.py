"""Whether a plan still fits the store, and what changed where it does not."""

from collections.abc import Iterator

from prunella_core.base.errors import NotFound, StalePlan
from prunella_core.base.text import clean
from prunella_core.inventory.records import Inventory
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Plan, PlannedFile

_MOST = 3


def refuse_if_stale(plan: Plan, inventory: Inventory) -> None:
    """Raise StalePlan, saying what changed, unless a plan made of a new scan does exactly the same, file by file.

    It is made at the moment of ``plan``: what became old enough since is not in it.
    """
    try:
        changes = list(_changes(plan, make_plan(inventory, plan.request, plan.made_at), inventory))
    except NotFound as gone:
        changes = [str(gone)]
    if changes:
        shown = "; ".join(changes[:_MOST]) + (f"; and {len(changes) - _MOST} more" if len(changes) > _MOST else "")
        raise StalePlan(f"the store changed since this was planned: {shown}. Nothing was changed; look again")


def _changes(plan: Plan, fresh: Plan, inventory: Inventory) -> Iterator[str]:
    before, after = ({item.file.path: item for item in each.files} for each in (plan, fresh))
    held = {row.path: row.reason for row in fresh.held_back}
    kept = {kept.digest: kept.reason for kept in fresh.kept}
    for path, item in before.items():
        if path not in after:
            yield clean(
                f"{path} {_users(item, inventory) or held.get(path) or kept.get(item.digest or '') or 'is gone'}"
            )
        elif _identity(item) != _identity(after[path]):
            yield f"{clean(path)} was changed"
    yield from (f"{clean(path)} is new" for path in after.keys() - before.keys())


def _users(item: PlannedFile, inventory: Inventory) -> str:
    blob = inventory.blob_by_key.get(item.digest or "")
    users = [name for name in blob.models if name not in item.models] if blob else []
    return f"is used by {', '.join(users[:_MOST])}" if users else ""


def _identity(item: PlannedFile) -> tuple[object, ...]:
    return (*item.file.identity, item.file.links, item.target)
