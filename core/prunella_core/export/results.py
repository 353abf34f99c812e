"""The documents of what is planned, done or checked."""

from collections.abc import Iterable

from prunella_core.advice.ollama import NextStart
from prunella_core.base.encoding import Rows
from prunella_core.base.text import clean
from prunella_core.copy.plan import CopyPlan
from prunella_core.copy.run import CopyReceipt
from prunella_core.export.views import Document, picked, problem_rows, shown, timestamp
from prunella_core.guard.status import GuardStatus
from prunella_core.guard.sync import GuardRun
from prunella_core.inventory.problems import advice
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.log import Event, History
from prunella_core.plan.build import trash_reclaims
from prunella_core.plan.records import HeldBack, Plan, PlannedFile, Receipt, RepairPlan, RepairReceipt
from prunella_core.store import Store
from prunella_core.store.locate import FoundStore, blob_bytes
from prunella_core.verify import VerifyResult


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
                **_aged(item, plan.made_at),
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
    return {
        **plan_document(receipt.plan),
        **picked(receipt, "done", "freed", "trashed", "cancelled", "notes"),
        "id": receipt.id or None,
        "removed": Rows(clean(path) for path in receipt.removed),
        "returned": Rows(clean(path) for path in receipt.returned),
        "errors": [picked(error, "path", "message") for error in receipt.errors],
        "expired": _emptied(receipt.expired),
    }


def _emptied(receipt: Receipt | None) -> Document | None:
    return None if receipt is None else {"files": len(receipt.removed), "freed": receipt.freed}


def _aged(row: PlannedFile | HeldBack, now: float) -> Document:
    seconds = None if row.idle_since is None else max(int(now - row.idle_since), 0)
    return {"age_seconds": seconds, "age_from": row.clock}


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
        "refused": [{"name": clean(name), "reason": clean(why)} for name, why in plan.refused.items()],
        "download": plan.size,
    }


def repaired_document(receipt: RepairReceipt) -> Document:
    """The document of what a repair did; ``id`` is the trash entry with what was there before."""
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
        "expired": _emptied(receipt.expired),
    }


def _held_rows(rows: Iterable[HeldBack], now: float) -> Rows:
    return Rows({**picked(row, "path", "allocated", "reason"), **_aged(row, now)} for row in rows)


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
        "emptied": _emptied(run.emptied),
    }


def doctor_document(inventory: Inventory) -> Document:
    """The document of ``doctor``: every problem with what it means and how to fix it."""
    problems = []
    for row, problem in zip(problem_rows(inventory.problems), inventory.problems, strict=True):
        meaning, fix = advice(problem, inventory.store.root)
        problems.append({**row, "model": shown(problem.model), "meaning": meaning, "fix": fix})
    store = inventory.store
    facts = picked(store, "why", "owner", "writable", "other_stores")
    return {"problems": problems, "store": {"path": clean(store.root), **facts}}


def stores_document(found: Iterable[FoundStore], chosen: Store | None) -> Document:
    """The document of ``stores``; ``chosen`` is the one that is used, unless it is only the first of several."""
    rows = [
        {
            **picked(store, "path", "why", "owner"),
            "size": blob_bytes(store.path),
            "readable": store.is_readable,
            "way_in": None if store.is_readable else store.way_in,
        }
        for store in found
    ]
    used = {"path": clean(chosen.root), "why": clean(chosen.why)} if chosen and chosen.named else None
    return {"stores": rows, "chosen": used}


def verify_document(store: Store, result: VerifyResult) -> Document:
    """The document of ``verify``: what was read, and each damaged file with the models that this breaks."""
    return {
        "store": clean(store.root),
        **picked(result, "checked", "bytes", "remembered"),
        "bad": [picked(bad, "digest", "path", "kind", "problem", "models") for bad in result.bad],
        "changed": [picked(check, "digest", "path") for check in result.changed],
        "cancelled": result.cancelled,
    }


_EFFECT = ("skipped", "why", "files", "would_break", "reclaims")


def next_start_document(inventory: Inventory, coming: NextStart) -> Document:
    """The document of ``doctor --next-start``: what the server does to the store when it starts."""
    older = coming.older_server
    return {
        "store": clean(inventory.store.root),
        **picked(coming, "server_version", *_EFFECT, "noprune", "overlooked"),
        "older_server": older and picked(older, *_EFFECT),
        "renamed": [{"path": clean(old), "to": clean(new)} for old, new in coming.renamed],
        "downloads": [picked(lost, "digest", "files", "held", "size") for lost in coming.downloads],
        "stops": [picked(stop, "path", "message") for stop in coming.stops],
        "unsure": problem_rows(coming.unsure),
    }


def copy_document(plan: CopyPlan) -> Document:
    """The document of what a command would copy to another store: ``--dry-run``."""
    return {
        "store": clean(plan.store.root),
        "target": clean(plan.target.root),
        "models": [
            {"name": clean(model.name), "as": clean(model.under), "there": model.is_there} for model in plan.models
        ],
        "refused": [picked(each, "name", "reason") for each in plan.refused],
        "blobs": Rows(
            {"digest": blob.digest, "size": blob.size, "action": "skip" if blob.target else "copy"}
            for blob in plan.blobs
        ),
        **picked(plan, "written", "skipped", "shared", "needed", "free"),
    }


def copied_document(receipt: CopyReceipt) -> Document:
    """The document of what a command copied: the plan, and what really happened."""
    return {
        **copy_document(receipt.plan),
        "copied": shown(receipt.models),
        **picked(receipt, "done", "written", "cloned", "skipped", "verified", "cancelled"),
        "errors": [picked(error, "path", "message") for error in receipt.errors],
    }


def move_document(plan: CopyPlan, removal: Plan) -> Document:
    """The document of what would be copied, and then deleted here."""
    return {**plan_document(removal), **copy_document(plan)}


def moved_document(receipt: CopyReceipt, removal: Plan, deleted: Receipt | None) -> Document:
    """The document of what was copied, and then deleted here; ``deleted`` is ``None`` where nothing was."""
    copied = copied_document(receipt)
    if deleted is None:
        return {**plan_document(removal), **copied, "done": False, "freed": 0, "trashed": 0, "id": None, "removed": []}
    done = receipt_document(deleted)
    return {
        **done,
        **copied,
        "done": copied["done"] and done["done"],
        "errors": [*copied["errors"], *done["errors"]],
        "cancelled": done["cancelled"],
    }
