"""Whether a plan still fits the store, and what changed where it does not."""

from collections.abc import Iterator

from prunella_core.base.errors import StalePlan
from prunella_core.base.text import clean
from prunella_core.inventory.records import Inventory
from prunella_core.plan.records import Kept, Plan, PlannedFile


def refuse_if_stale(plan: Plan, fresh: Plan, inventory: Inventory) -> None:
    """Raise StalePlan, naming what changed, unless ``fresh`` (made of a new scan) removes exactly the same."""
    changes = list(_changes(plan, fresh, inventory))
    if changes:
        shown = "; ".join(changes[:3]) + (f"; and {len(changes) - 3} more" if len(changes) > 3 else "")
        raise StalePlan(f"the store changed since this was planned: {shown}. Nothing was removed; look again")


def _changes(plan: Plan, fresh: Plan, inventory: Inventory) -> Iterator[str]:
    before = {item.file.path: item for item in plan.files}
    after = {item.file.path: item for item in fresh.files}
    kept = {kept.digest: kept for kept in fresh.kept}
    held = {held.path: held.reason for held in fresh.held_back}
    for path, item in before.items():
        if path not in after:
            yield f"{clean(path)} {held.get(path) or _why_not(item, kept.get(item.digest or ''), inventory)}"
        elif _differs(item, after[path]):
            yield f"{clean(path)} was changed"
    for path in after.keys() - before.keys():
        yield f"{clean(path)} is new"


def _why_not(item: PlannedFile, kept: Kept | None, inventory: Inventory) -> str:
    blob = inventory.blob_by_key.get(item.digest or "")
    users = kept.used_by if kept else blob.models if blob else ()
    if users:
        return f"is used by {', '.join(clean(name) for name in users)}"
    return kept.reason if kept else "is gone"


def _differs(before: PlannedFile, after: PlannedFile) -> bool:
    return before.file.identity != after.file.identity or before.file.links != after.file.links
