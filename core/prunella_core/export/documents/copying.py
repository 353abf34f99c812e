"""The documents of ``copy``."""

from prunella_core.base.encoding import Rows
from prunella_core.base.text import clean
from prunella_core.copy import CopyPlan, CopyReceipt
from prunella_core.export.documents.fields import Document, picked, shown


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
