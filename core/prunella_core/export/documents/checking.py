"""The documents of ``doctor`` and ``verify``."""

from typing import TYPE_CHECKING

from prunella_core.advice.forecast import NextStart
from prunella_core.base.text import clean
from prunella_core.export.documents.fields import Document, cleaned, problem_rows, store_row
from prunella_core.inventory.problems import advice
from prunella_core.inventory.records import Inventory
from prunella_core.store.locate import Store

if TYPE_CHECKING:
    from prunella_core.verify import VerifyResult


def doctor_document(inventory: Inventory) -> Document:
    """The document of ``doctor``: every problem with what it means and how to mend it."""
    problems = []
    for row, problem in zip(problem_rows(inventory.problems), inventory.problems, strict=True):
        meaning, mend = advice(problem, inventory.store.root)
        problems.append({**row, "model": cleaned(problem.model), "meaning": meaning, "mend": mend})
    return {"problems": problems, "store": store_row(inventory.store)}


def verify_document(store: Store, result: "VerifyResult") -> Document:
    """The document of ``verify``: what was read, and each file that is bad with the models that this breaks."""
    return {
        "store": clean(store.root),
        "checked": result.checked,
        "bytes": result.bytes,
        "remembered": result.remembered,
        "bad": [
            {
                "digest": bad.digest,
                "path": clean(bad.path),
                "kind": bad.kind,
                "problem": clean(bad.problem),
                "models": [clean(name) for name in bad.models],
            }
            for bad in result.bad
        ],
        "changed": [{"digest": check.digest, "path": clean(check.path)} for check in result.changed],
        "cancelled": result.cancelled,
    }


def next_start_document(inventory: Inventory, coming: NextStart) -> Document:
    """The document of ``doctor --next-start``: what the server itself does to the store when it starts."""
    return {
        "store": clean(inventory.store.root),
        "skipped": coming.skipped,
        "why": cleaned(coming.why),
        "noprune": coming.noprune,
        "files": [clean(path) for path in coming.files],
        "would_break": [clean(name) for name in coming.would_break],
        "renamed": [{"path": clean(old), "to": clean(new)} for old, new in coming.renamed],
        "reclaims": coming.reclaims,
        "downloads": [
            {
                "digest": lost.digest,
                "files": [clean(path) for path in lost.files],
                "held": lost.held,
                "size": lost.size,
            }
            for lost in coming.downloads
        ],
        "stops": [{"path": clean(stop.path), "message": clean(stop.message)} for stop in coming.stops],
        "overlooked": [clean(path) for path in coming.overlooked],
        "unsure": problem_rows(coming.unsure),
    }
