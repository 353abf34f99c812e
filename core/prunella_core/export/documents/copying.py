"""The documents of ``copy`` and ``move``."""

from prunella_core.base.encoding import Rows
from prunella_core.base.text import clean
from prunella_core.copy import CopyPlan, CopyReceipt
from prunella_core.export.documents.changing import plan_document, receipt_document
from prunella_core.export.documents.fields import Document, picked, shown
from prunella_core.plan.records import Plan, Receipt


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
