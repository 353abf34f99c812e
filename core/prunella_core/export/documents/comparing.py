"""What ``df --since`` and ``diff`` add to their documents: what became more or less."""

from collections.abc import Sequence

from prunella_core.base.text import clean
from prunella_core.export.documents.fields import Document, picked, shown, timestamp
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.growth import Noted
from prunella_core.space.compare import model_changes
from prunella_core.space.totals import SHARES, Totals, growth, totals


def growth_document(noted: Sequence[Noted], sums: Totals) -> Document:
    """How ``df`` shows what became of the oldest of ``noted``, and all that was noted since."""
    history = [{"at": timestamp(each.at), **picked(each.totals, "allocated", *SHARES)} for each in noted]
    return {"since": timestamp(noted[0].at), "change": growth(noted[0].totals, sums), "history": history}


def diff_document(old: Inventory, new: Inventory) -> Document:
    """The document of ``diff``: both scans, what became more or less, and the models that are not the same."""
    changes = model_changes(old, new)
    kinds = ("came", "went", "changed")
    return {
        "old": _scan(old),
        "new": _scan(new),
        "change": growth(totals(old), totals(new)),
        **{
            kind: [picked(change, "name", "before", "after") for change in changes if change.kind == kind]
            for kind in kinds
        },
    }


def _scan(inventory: Inventory) -> Document:
    store = inventory.store
    host = shown(store.exported_from)
    return {"store": clean(store.root), "host": host, "scanned_at": timestamp(inventory.scanned_at)}
