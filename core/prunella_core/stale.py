"""Whether a plan still fits the store, and what changed where it does not."""

from collections.abc import Iterator

from prunella_core.errors import StalePlan
from prunella_core.plan import Plan, PlannedFile
from prunella_core.text import clean


def refuse_if_stale(plan: Plan, fresh: Plan) -> None:
    """Raise StalePlan, naming what changed, unless ``fresh`` (made of a new scan) removes exactly the same."""
    changes = list(_changes(plan, fresh))
    if changes:
        shown = "; ".join(changes[:3]) + (f"; and {len(changes) - 3} more" if len(changes) > 3 else "")
        raise StalePlan(f"the store changed since this was planned: {shown}. Nothing was removed; look again")


def _changes(plan: Plan, fresh: Plan) -> Iterator[str]:
    before = {item.file.path: item for item in plan.files}
    after = {item.file.path: item for item in fresh.files}
    users = {kept.digest: kept for kept in fresh.kept}
    held = {held.path: held.reason for held in fresh.held_back}
    for path, item in before.items():
        if path not in after:
            kept = users.get(item.digest or "")
            used = f"is used by {', '.join(kept.used_by)}" if kept and kept.used_by else None
            yield f"{clean(path)} {used or held.get(path) or (kept.reason if kept else 'is gone or needed now')}"
        elif _differs(item, after[path]):
            yield f"{clean(path)} was changed"
    for path in after.keys() - before.keys():
        yield f"{clean(path)} is new"


def _differs(before: PlannedFile, after: PlannedFile) -> bool:
    return before.file.identity != after.file.identity or before.reclaims != after.reclaims
