"""The documents of commands that delete or restore, of the trash, the log and the guard."""

from collections.abc import Iterable

from prunella_core.base.encoding import Rows
from prunella_core.base.text import clean
from prunella_core.export.documents.fields import Document, picked, problem_rows, shown, timestamp
from prunella_core.guard.status import GuardStatus
from prunella_core.guard.sync import GuardRun
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.log import Event, History
from prunella_core.plan.build import trash_reclaims
from prunella_core.plan.records import HeldBack, Plan, Receipt, RepairPlan, RepairReceipt
from prunella_core.store import Store


def plan_document(plan: Plan) -> Document:
    """The document of what a command would delete or restore: ``--dry-run``."""
    return {
        "store": clean(plan.store.root),
        "mode": "delete" if plan.mode == "server" else plan.mode,
        "models": shown(plan.models),
        "files": Rows(
            {
                "path": clean(item.file.path),
                "allocated": item.file.allocated,
                **picked(item, "reclaims", "digest", "reason", "target"),
                "age_seconds": _age(item.idle_since, plan.made_at),
                "age_from": item.clock,
            }
            for item in plan.files
        ),
        "kept": Rows(picked(kept, "digest", "allocated", "used_by", "reason") for kept in plan.kept),
        "held_back": _held_rows(plan.held_back, plan.made_at),
        "overridden": _held_rows(plan.overridden, plan.made_at),
        "younger": _held_rows(plan.younger, plan.made_at),
        "lost": [{**picked(lost, "model", "layers", "kinds"), "comes_back": lost.origin} for lost in plan.lost],
        **picked(plan, "loaded", "missing", "reclaims"),
        "blocked": problem_rows(plan.blocked),
    }


def receipt_document(receipt: Receipt) -> Document:
    """The document of what a command deleted or restored: the plan, and what really happened."""
    expired = receipt.expired
    return {
        **plan_document(receipt.plan),
        **picked(receipt, "done", "freed", "trashed", "cancelled", "notes"),
        "id": receipt.id or None,
        "removed": Rows(clean(path) for path in receipt.removed),
        "returned": Rows(clean(path) for path in receipt.returned),
        "errors": [picked(error, "path", "message") for error in receipt.errors],
        "expired": expired and {"files": len(expired.removed), "freed": expired.freed},
    }


def _age(since: float | None, now: float) -> int | None:
    return None if since is None else max(int(now - since), 0)


def repair_document(plan: RepairPlan) -> Document:
    """The document of what a repair would do: ``doctor --repair --dry-run``."""
    return {
        "store": clean(plan.store.root),
        "models": [
            {
                "name": clean(each.models[0]),
                "damaged": sorted({item.digest for item in each.files if item.digest}),
                "missing": list(each.missing),
            }
            for each in plan.plans
        ],
        "along": shown(plan.along),
        "refused": [{"name": clean(each.model), "reason": clean(each.reason)} for each in plan.refused],
        "download": plan.size,
    }


def repaired_document(receipt: RepairReceipt) -> Document:
    """The document of what a repair did; ``id`` is the trash entry with what was there before."""
    expired = receipt.expired
    return {
        **repair_document(receipt.plan),
        "repaired": [
            {
                "name": clean(each.model),
                "done": each.is_whole,
                "newer": each.is_newer,
                "id": each.entry or None,
                "reason": clean(each.why_not) or None,
            }
            for each in receipt.repaired
        ],
        **picked(receipt, "done", "cancelled", "notes"),
        "expired": expired and {"files": len(expired.removed), "freed": expired.freed},
    }


def _held_rows(rows: Iterable[HeldBack], now: float) -> Rows:
    return Rows(
        {
            **picked(row, "path", "allocated", "reason"),
            "age_seconds": _age(row.idle_since, now),
            "age_from": row.clock,
        }
        for row in rows
    )


def trash_document(inventory: Inventory, retention: int, now: float) -> Document:
    """The document of ``trash``; ``retention`` is in seconds."""
    return {
        "store": clean(inventory.store.root),
        "entries": [
            {
                "id": clean(entry.id),
                "removed_at": timestamp(entry.removed_at),
                "removed_by": "prunella" if entry.cause == "removed" else "ollama",
                "cause": entry.cause,
                "happened_at": timestamp(entry.happened_at or entry.removed_at),
                "expires_at": timestamp(entry.expires_at(retention)),
                "models": [clean(model.name) for model in entry.models],
                "reclaims": trash_reclaims(inventory, entry),
                "files": [clean(file.path) for file in entry.files],
            }
            for entry in inventory.trash
            if not entry.is_spent
        ],
    }


def log_document(history: History, store: Store) -> Document:
    """The document of ``log``: what was deleted and where it is now; ``pull`` has the models that can be pulled."""
    return {
        "store": clean(store.root),
        "entries": [_event_row(event) for event in history.events],
        "pull": shown(history.pullable),
        "lost": shown(history.lost),
    }


def _event_row(event: Event) -> Document:
    line = event.line
    return {
        **picked(line, "id", "action", "mode", "files", "size"),
        "at": timestamp(line.at),
        "note": clean(line.note) or None,
        "target": clean(line.target) or None,
        "models": [
            {"name": clean(model.name), "state": fate, "pull": shown(model.pull) or None}
            for model, fate in zip(line.models, event.fates, strict=True)
        ],
        "state": None if line.models else event.fate,
    }


def status_document(status: GuardStatus) -> Document:
    """The document of ``guard status``."""
    settings = status.settings
    return {
        "on": settings is not None,
        **picked(status, "models", "blobs", "extra_bytes"),
        "entries": [clean(entry.id) for entry in status.entries],
        "settings": settings and picked(settings, "keep", "max_size", "min_free"),
    }


def run_document(run: GuardRun, status: GuardStatus) -> Document:
    """The document of ``guard on`` and ``guard run``: what was rescued and emptied, and what the guard holds now."""
    return {
        **status_document(status),
        "rescued": [picked(rescued, "id", "cause", "models") for rescued in run.synced.rescued],
        "waits": shown(run.synced.waits),
        "emptied": run.emptied and {"files": len(run.emptied.removed), "freed": run.emptied.freed},
    }
