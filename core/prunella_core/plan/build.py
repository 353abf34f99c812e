"""Makes plans: pure functions of an Inventory, a request and the time. Nothing is removed that is not planned here."""

from prunella_core.inventory.records import Inventory, State, TrashEntry
from prunella_core.plan.draft import Draft
from prunella_core.plan.records import Empty, Mode, Plan, PruneClass, PrunePolicy, Removal, Request, Restore
from prunella_core.plan.restore import plan_restore
from prunella_core.plan.trash import draft_empty

__all__ = ["make_plan", "prunable", "reclaimable", "trash_reclaims"]


def make_plan(inventory: Inventory, request: Request, now: float) -> Plan:
    """Plan ``request`` against ``inventory`` at ``now`` (seconds, UTC). Names that are not there are left out."""
    match request:
        case Restore():
            return plan_restore(inventory, request, now)
        case Removal():
            draft = Draft(inventory, now, request.force, _mode(request))
            _draft_removal(draft, request)
        case PrunePolicy():
            draft = Draft(inventory, now, request.force)
            _draft_prune(draft, request)
        case Empty(entries=chosen):
            draft = Draft(inventory, now, request.force)
            draft_empty(draft, {entry.id for entry in inventory.trash if chosen is None or entry.id in chosen})
    return draft.finish(request)


def _mode(removal: Removal) -> Mode:
    if removal.by_server:
        return "server"
    return "trash" if removal.to_trash else "delete"


def _draft_removal(draft: Draft, removal: Removal) -> None:
    if removal.entries and not removal.to_trash:  # first, so that what only the emptied needed can go too
        draft_empty(draft, {entry.id for entry in draft.inventory.trash if entry.id in removal.entries})
    broken = draft.inventory.broken_by_path
    draft.break_off(broken[path] for path in dict.fromkeys(removal.manifests) if path in broken)
    chosen = set(removal.models)
    draft.remove_models([model for model in draft.inventory.models if model.name in chosen])
    for key in dict.fromkeys(removal.blobs):
        if blob := draft.inventory.blob_by_key.get(key):
            draft.remove_chosen(blob)


def _draft_prune(draft: Draft, policy: PrunePolicy) -> None:
    if PruneClass.TRASH in policy.classes:  # first, as above
        due = {entry.id for entry in draft.inventory.trash if draft.now - entry.removed_at >= policy.age}
        draft_empty(draft, due)
    if PruneClass.MODEL in policy.classes:
        draft.remove_models([model for model in draft.inventory.models if draft.is_due_model(model, policy)])
    if policy.classes & {PruneClass.UNREFERENCED, PruneClass.MODEL}:
        draft.note_blocking()
    states = {State(chosen.value) for chosen in policy.classes - {PruneClass.MODEL, PruneClass.TRASH}}
    for blob in draft.inventory.others:
        if blob.state in states and draft.is_due(blob, policy.age):
            draft.remove_unused(blob)


def reclaimable(inventory: Inventory, now: float) -> int:
    """Bytes that leave the disk when all goes that no model needs: unreferenced blobs, partials and leftovers.

    What is held back, and what a problem keeps, does not count.
    """
    classes = frozenset({PruneClass.UNREFERENCED, PruneClass.PARTIAL, PruneClass.LEFTOVER})
    return make_plan(inventory, PrunePolicy(age=0, classes=classes), now).reclaims


def prunable(inventory: Inventory, now: float, age: int) -> tuple[int, int]:
    """Bytes that ``prune`` frees at ``now``, and those it frees once they are ``age`` seconds old; no models."""
    classes = frozenset(PruneClass) - {PruneClass.MODEL}
    due, whole = (make_plan(inventory, PrunePolicy(age=each, classes=classes), now).reclaims for each in (age, 0))
    return due, max(whole - due, 0)


def trash_reclaims(inventory: Inventory, entry: TrashEntry, now: float) -> int:
    """Bytes that leave the disk when this entry of the trash alone is emptied."""
    return make_plan(inventory, Empty(entries=(entry.id,)), now).reclaims
