"""The documents of ``doctor`` and ``verify``."""

from collections.abc import Iterable

from prunella_core.advice.ollama import NextStart
from prunella_core.base.text import clean
from prunella_core.export.documents.fields import Document, picked, problem_rows, shown
from prunella_core.inventory.problems import advice
from prunella_core.inventory.records import Inventory
from prunella_core.store import Store
from prunella_core.store.locate import FoundStore, blob_bytes
from prunella_core.verify import VerifyResult


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
