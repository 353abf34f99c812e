"""What ``--json`` prints: the fields that scripts may rely on. Sizes are bytes, unknown is ``null``, text is clean."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from prunella_core.encoding import Rows
from prunella_core.history import Event, History
from prunella_core.inventory import Blob, Inventory, Model, Problem, State
from prunella_core.likely import likely_model
from prunella_core.next_start import NextStart
from prunella_core.origin import Origin
from prunella_core.plan import HeldBack, Plan, Receipt
from prunella_core.planning import reclaimable, trash_reclaims
from prunella_core.problems import advice
from prunella_core.store import Store
from prunella_core.text import clean
from prunella_core.totals import totals

if TYPE_CHECKING:
    from prunella_core.verify import VerifyResult

Document = dict[str, Any]
_NOTHING: dict[str, str] = {}


class BlobRow(Struct, frozen=True, gc=False):
    """A row of ``blobs``; a record rather than a dict, since there may be a hundred thousand."""

    digest: str | None
    state: State
    kind: str | None
    size: int
    allocated: int
    files: list[str]
    models: Sequence[str]
    age_seconds: int | None
    age_from: str | None
    links: int | None
    target: str | None
    identity: str | None = None
    """What the first bytes of a row tell that no model needs."""
    likely: str | None = None
    """The model that such a row likely belongs to, or did."""


def timestamp(seconds: float | None) -> str | None:
    """Return an RFC 3339 time in UTC, as Ollama's API writes it."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):  # a file can carry a time that no calendar has
        return None


def models_document(inventory: Inventory, models: Iterable[Model] | None = None) -> Document:
    """The document of ``ls``; ``models`` are those to show, in their order. The totals are those of the whole store."""
    sums = totals(inventory)
    unclean = _unclean(inventory)
    shown = inventory.models if models is None else models
    return {
        "store": clean(inventory.store.root),
        "models": Rows(model_row(inventory, model, unclean) for model in shown),
        "totals": {
            "models": sums.models,
            "size": sums.listed,
            "allocated": sums.allocated,
            "unreferenced": sums.unreferenced,
            "partial": sums.partial,
            "leftover": sums.leftover,
            "trashed": sums.trashed,
        },
        "problems": Rows(problem_rows(inventory.problems)),
    }


def _unclean(inventory: Inventory) -> dict[str, str]:
    """The names that have to be cleaned, of all that blobs and models are told with: nearly always none."""
    return {model.name: name for model in inventory.models if (name := clean(model.name)) != model.name}


def _shown(names: Sequence[str], unclean: Mapping[str, str]) -> Sequence[str]:
    return [unclean.get(name, name) for name in names] if unclean else names


def model_row(inventory: Inventory, model: Model, unclean: Mapping[str, str]) -> Document:
    """One model, as in ``ls``; ``unclean`` are the names that need cleaning, with what is shown for them."""
    usage = inventory.usage[model.name]
    details, last_used = model.details, model.last_used
    return {
        "name": clean(model.name),
        "id": model.digest[:12],
        "digest": model.digest,
        "size": model.size,
        "allocated": usage.allocated,
        "reclaims": usage.reclaims,
        "shared": usage.shared,
        "shared_with": _shown(inventory.shared_with(model), unclean),
        "modified_at": timestamp(model.modified_at),
        "last_used": timestamp(last_used),
        "age_seconds": max(int(inventory.scanned_at - model.idle_since), 0),
        "age_from": model.clock,
        "pinned": model.is_pinned,
        "family": _clean(details.family),
        "parameters": _clean(details.parameters),
        "quantization": _clean(details.quantization),
        "location": "cloud" if details.remote_host else "local",
        "comes_back": origin_row(inventory.origins[model.name]),
        "problems": [problem.kind for problem in inventory.problems_of(model)],
        "blobs": model.needs,
    }


def origin_row(origin: Origin) -> Document:
    """What would bring a model back."""
    return {
        "kind": origin.kind,
        "source": _clean(origin.source),
        "certainty": origin.certainty,
        "evidence": [clean(sentence) for sentence in origin.evidence],
        "only_here": list(origin.only_here),
    }


def blobs_document(
    inventory: Inventory,
    now: float,
    blobs: Iterable[Blob] | None = None,
    identities: Mapping[str, str] = _NOTHING,
) -> Document:
    """The document of ``blobs``; ``blobs`` are those to show, in their order.

    Ages are reckoned at ``now`` (seconds, UTC). ``identities`` tells by key what the first bytes of rows say that no
    model needs.
    """
    unclean = _unclean(inventory)
    shown = inventory.blobs if blobs is None else blobs
    rows = (
        blob_row(blob, now, unclean, identities.get(blob.key), None if blob.models else likely_model(inventory, blob))
        for blob in shown
    )
    return {"store": clean(inventory.store.root), "blobs": Rows(rows)}


def blob_row(
    blob: Blob,
    now: float,
    unclean: Mapping[str, str],
    identity: str | None = None,
    likely: str | None = None,
) -> BlobRow:
    """One row of ``blobs/``; ``unclean`` are the names that need cleaning, with what is shown for them."""
    files, kind = blob.files, blob.kind
    return BlobRow(
        blob.digest,
        blob.state,
        kind and clean(kind),
        blob.size,
        blob.allocated,
        [clean(file.path) for file in files],
        _shown(blob.models, unclean) if unclean else blob.models,
        _age(blob.idle_since, now),
        blob.clock,
        files[0].links if len(files) == 1 else max((file.links for file in files), default=None),
        next((clean(file.target) for file in files if file.target), None),
        identity and clean(identity),
        likely and clean(likely),
    )


def model_document(inventory: Inventory, model: Model) -> Document:
    """The document of ``show``: the model, and each layer with who else uses it."""
    layers = []
    for layer in model.layers:
        blob = inventory.blob_by_key.get(layer.digest)
        layers.append(
            {
                "digest": layer.digest or None,
                "kind": clean(layer.kind),
                "name": clean(layer.name) or None,
                "size": layer.size,
                "allocated": blob.allocated if blob else 0,
                "state": blob.state.value if blob else None,
                "shared_with": [clean(name) for name in blob.models if name != model.name] if blob else [],
            }
        )
    row = model_row(inventory, model, _unclean(inventory))
    row["problems"] = problem_rows(inventory.problems_of(model))
    return {"store": clean(inventory.store.root), **row, "layers": layers}


def blob_document(inventory: Inventory, blob: Blob, now: float, identity: str | None = None) -> Document:
    """The document of ``why``: the blob, its models, its state and age."""
    row = msgspec.to_builtins(blob_row(blob, now, _unclean(inventory), identity, likely_model(inventory, blob)))
    blocked = problem_rows(inventory.blocking) if blob.state == "unreferenced" else []
    return {"store": clean(inventory.store.root), **row, "blocked": blocked}


def df_document(inventory: Inventory) -> Document:
    """The document of ``df``: what the list says against what is on the disk, and where the difference lies."""
    sums = totals(inventory)
    return {
        "store": clean(inventory.store.root),
        "models": sums.models,
        "listed": sums.listed,
        "allocated": sums.allocated,
        "referenced": sums.referenced,
        "exclusive": sums.exclusive,
        "shared": sums.shared,
        "unreferenced": sums.unreferenced,
        "partial": sums.partial,
        "leftover": sums.leftover,
        "stray": sums.stray,
        "trashed": sums.trashed,
        "difference": sums.allocated - sums.listed,
        "counted_twice": sums.counted_twice,
        "reclaimable": reclaimable(inventory, inventory.scanned_at),
        "disk_total": sums.disk_total,
        "disk_free": sums.disk_free,
    }


def doctor_document(inventory: Inventory) -> Document:
    """The document of ``doctor``: every problem with what it means and how to mend it."""
    problems = []
    for row, problem in zip(problem_rows(inventory.problems), inventory.problems, strict=True):
        meaning, mend = advice(problem, inventory.store.root)
        problems.append({**row, "model": _clean(problem.model), "meaning": meaning, "mend": mend})
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
        "why": _clean(coming.why),
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
                "reclaims": trash_reclaims(inventory, entry, now),
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
            {"name": clean(model.name), "state": fate, "pull": _clean(model.pull) or None}
            for model, fate in zip(line.models, event.fates, strict=True)
        ],
        "state": None if line.models else event.fate,
        "files": line.files,
        "size": line.size,
    }


def store_row(store: Store) -> Document:
    """A store, and why this one."""
    return {
        "path": clean(store.root),
        "why": store.why,
        "owner": store.owner,
        "writable": store.writable,
        "other_stores": [clean(other) for other in store.other_stores],
    }


def problem_rows(problems: Iterable[Problem]) -> list[Document]:
    """Problems, as every document lists them."""
    return [
        {
            "path": clean(problem.path),
            "kind": problem.kind,
            "message": clean(problem.message),
            "blocks_prune": problem.blocks_prune,
        }
        for problem in problems
    ]


def plan_document(plan: Plan) -> Document:
    """The document of everything that removes or restores, with ``--dry-run``."""
    return {
        "store": clean(plan.store.root),
        "mode": plan.mode,
        "models": [clean(name) for name in plan.models],
        "files": Rows(
            {
                "path": clean(item.file.path),
                "allocated": item.file.allocated,
                "reclaims": item.reclaims,
                "digest": item.digest,
                "reason": clean(item.reason),
                "age_seconds": _age(item.idle_since, plan.made_at),
                "age_from": item.clock,
                "target": _clean(item.target),
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
    }


def _held_rows(rows: Iterable[HeldBack], now: float) -> Rows:
    return Rows(
        {
            "path": clean(row.path),
            "allocated": row.allocated,
            "reason": clean(row.reason),
            "age_seconds": _age(row.idle_since, now),
            "age_from": row.clock,
        }
        for row in rows
    )


def _age(since: float | None, now: float) -> int | None:
    return None if since is None else max(int(now - since), 0)


def _clean(text: str | None) -> str | None:
    return clean(text) if text else text
