"""The documents of everything that removes or restores, of the trash and of the log."""

from collections.abc import Iterable

from prunella_core.base.encoding import Rows
from prunella_core.base.text import clean
from prunella_core.export.documents.fields import Document, age_at, cleaned, origin_row, problem_rows, timestamp
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.history import Event, History
from prunella_core.plan.build import trash_reclaims
from prunella_core.plan.records import HeldBack, Plan, Receipt
from prunella_core.store.locate import Store


def plan_document(plan: Plan) -> Document:
    """The document of everything that removes or restores, with ``--dry-run``."""
    return {
        "store": clean(plan.store.root),
        "mode": "delete" if plan.mode == "server" else plan.mode,
        "models": [clean(name) for name in plan.models],
        "files": Rows(
            {
                "path": clean(item.file.path),
                "allocated": item.file.allocated,
                "reclaims": item.reclaims,
                "digest": item.digest,
                "reason": clean(item.reason),
                "age_seconds": age_at(item.idle_since, plan.made_at),
                "age_from": item.clock,
                "target": cleaned(item.target),
            }
            for item in plan.files
        ),
        "kept": Rows(
            {
                "digest": kept.digest,
                "allocated": kept.allocated,
                "used_by": [clean(name) for name in kept.used_by],
                "reason": kept.reason,
            }
            for kept in plan.kept
        ),
        "held_back": _held_rows(plan.held_back, plan.made_at),
        "overridden": _held_rows(plan.overridden, plan.made_at),
        "younger": _held_rows(plan.younger, plan.made_at),
        "lost": [
            {
                "model": clean(lost.model),
                "layers": list(lost.layers),
                "kinds": [clean(kind) for kind in lost.kinds],
                "comes_back": origin_row(lost.origin),
            }
            for lost in plan.lost
        ],
        "loaded": [clean(name) for name in plan.loaded],
        "missing": list(plan.missing),
        "blocked": problem_rows(plan.blocked),
        "reclaims": plan.reclaims,
    }


def receipt_document(receipt: Receipt) -> Document:
    """The document of everything that removes or restores: the plan, and what really happened."""
    return {
        **plan_document(receipt.plan),
        "done": receipt.done,
        "freed": receipt.freed,
        "trashed": receipt.trashed,
        "id": receipt.id or None,
        "cancelled": receipt.cancelled,
        "removed": Rows(clean(path) for path in receipt.removed),
        "returned": Rows(clean(path) for path in receipt.returned),
        "errors": [{"path": clean(error.path), "message": clean(error.message)} for error in receipt.errors],
        "notes": [clean(note) for note in receipt.notes],
        "expired": _expired_row(receipt.expired),
    }


def _expired_row(receipt: Receipt | None) -> Document | None:
    return None if receipt is None else {"files": len(receipt.removed), "freed": receipt.freed}


def _held_rows(rows: Iterable[HeldBack], now: float) -> Rows:
    return Rows(
        {
            "path": clean(row.path),
            "allocated": row.allocated,
            "reason": clean(row.reason),
            "age_seconds": age_at(row.idle_since, now),
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
                "expires_at": timestamp(entry.removed_at + retention),
                "models": [clean(model.name) for model in entry.models],
                "reclaims": trash_reclaims(inventory, entry),
                "files": [clean(file.path) for file in entry.files],
            }
            for entry in inventory.trash
            if not entry.is_spent
        ],
    }


def log_document(told: History, store: Store) -> Document:
    """The document of ``log``: what went when, how much, and what became of it; ``pull`` brings back what is gone."""
    return {
        "store": clean(store.root),
        "entries": [_event_row(event) for event in told.events],
        "pull": [clean(name) for name in told.pullable],
        "lost": [clean(name) for name in told.lost],
    }


def _event_row(event: Event) -> Document:
    line = event.line
    return {
        "id": clean(line.id),
        "at": timestamp(line.at),
        "action": line.action,
        "mode": line.mode,
        "models": [
            {"name": clean(model.name), "state": fate, "pull": cleaned(model.pull) or None}
            for model, fate in zip(line.models, event.fates, strict=True)
        ],
        "state": None if line.models else event.fate,
        "files": line.files,
        "size": line.size,
    }
