"""The documents of ``ls``, ``blobs``, ``show``, ``why``, ``df`` and ``diff``, and what others share with them.

These fields scripts may rely on. Sizes are bytes, unknown is ``null``, text is clean.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from prunella_core.base.encoding import Rows
from prunella_core.base.text import clean
from prunella_core.inventory.origin import origins
from prunella_core.inventory.records import Blob, Inventory, Model, Problem, State
from prunella_core.ledger.memory import Noted, likely_model
from prunella_core.scan.system import OtherFiles
from prunella_core.space import space_of
from prunella_core.space.totals import SHARES, Totals, growth, model_changes, totals

Document = dict[str, Any]


def timestamp(seconds: float | None) -> str | None:
    """Return an RFC 3339 time in UTC, as Ollama's API writes it."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):  # a file can have a time that no calendar has
        return None


def picked(record: object, *fields: str) -> Document:
    """Return fields of a record, with clean text."""
    return {field: shown(getattr(record, field)) for field in fields}


def shown(value: Any) -> Any:
    """Text from the disk, alone or in tuples, as it may be shown; other values unchanged."""
    if isinstance(value, str):
        return clean(value)
    return [shown(each) for each in value] if isinstance(value, tuple) else value


def problem_rows(problems: Iterable[Problem]) -> list[Document]:
    """Return problems as every document lists them."""
    return [picked(problem, "path", "kind", "message", "blocks_prune") for problem in problems]


_MOST_ENTRIES = 20


class _BlobRow(Struct, frozen=True, gc=False):
    """A row of ``blobs``; records and not dicts, as there may be tens of thousands of them."""

    digest: str | None
    state: State
    kind: str | None
    size: int
    allocated: int
    files: tuple[str, ...]
    models: tuple[str, ...]
    age_seconds: int | None
    age_from: str | None
    links: int | None
    target: str | None
    identity: str | None = None
    """A description, from its first bytes, of a row that no model needs."""
    likely: str | None = None
    """The model that such a row likely belongs or belonged to."""


def models_document(inventory: Inventory, models: Iterable[Model]) -> Document:
    """The document of ``ls``: ``models`` in their order, and the totals of the whole store."""
    sums = totals(inventory)
    return {
        "store": clean(inventory.store.root),
        "models": Rows(_model_row(inventory, model) for model in models),
        "totals": {
            "size": sums.listed,
            **picked(sums, "models", "allocated", "unreferenced", "partial", "leftover", "trashed"),
            "other": None,
        },
        "problems": Rows(problem_rows(inventory.problems)),
    }


def _model_row(inventory: Inventory, model: Model) -> Document:
    space, name, details = space_of(inventory), model.name, model.details
    usage, sharing, used = space.models[name], space.shared_with(name), model.last_used
    idle_since, clock = model.idle
    return {
        "name": name,
        "id": model.digest[:12],
        "digest": model.digest,
        "size": model.size,
        "allocated": usage.allocated,
        "reclaims": usage.frees,
        "shared": usage.shared,
        "shared_with": sharing.names,
        "shared_with_count": sharing.count,
        "modified_at": timestamp(model.modified_at),
        "last_used": timestamp(used),
        "loads": model.loads or None,
        "age_seconds": max(int(inventory.scanned_at - idle_since), 0),
        "age_from": clock,
        "pinned": model.is_pinned,
        "family": shown(details.family),
        "parameters": shown(details.parameters),
        "quantization": shown(details.quantization),
        "location": model.location,
        "comes_back": origins(inventory)[name],
        "problems": [problem.kind for problem in inventory.problems_by_model.get(name, ())],
        "blobs": model.needs,
    }


def blobs_document(inventory: Inventory, blobs: Iterable[Blob], identities: Mapping[str, str]) -> Document:
    """The document of ``blobs``: rows in their order; ``identities`` describes, by key, those that no model needs."""
    rows = (_blob_row(inventory, blob, identities.get(blob.key)) for blob in blobs)
    return {"store": clean(inventory.store.root), "blobs": Rows(rows)}


def _blob_row(inventory: Inventory, blob: Blob, identity: str | None) -> _BlobRow:
    files = blob.files
    idle_since, clock = blob.idle
    links: int | None
    if len(files) == 1:  # nearly always
        file = files[0]
        size, taken, links, target = file.size, file.allocated, file.links, file.target
    else:
        size, taken, links = blob.size, blob.allocated, max([file.links for file in files], default=None)
        target = next((file.target for file in files if file.target), None)
    return _BlobRow(
        blob.digest,
        blob.state,
        blob.kind and clean(blob.kind),
        size,
        taken,
        tuple([clean(file.path) for file in files]),
        blob.models,
        None if idle_since is None else max(int(inventory.scanned_at - idle_since), 0),
        clock,
        links,
        target and clean(target),
        identity and clean(identity),
        None if blob.models else likely_model(inventory, blob),
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
                "shared_with": [name for name in blob.models if name != model.name] if blob else [],
            }
        )
    row = {
        **msgspec.to_builtins(_model_row(inventory, model)),
        "problems": problem_rows(inventory.problems_by_model[model.name]),
    }
    return {"store": clean(inventory.store.root), **row, "layers": layers}


def blob_document(inventory: Inventory, blob: Blob, identity: str | None) -> Document:
    """The document of ``why``: the blob, its models, its state and age."""
    row = msgspec.to_builtins(_blob_row(inventory, blob, identity))
    blocked = problem_rows(inventory.blocking) if blob.state == "unreferenced" else []
    return {"store": clean(inventory.store.root), **row, "blocked": blocked}


def df_document(
    inventory: Inventory, retention: int, other: OtherFiles | None, noted: Sequence[Noted] = ()
) -> Document:
    """The document of ``df``; what is older than ``retention`` (seconds) can be pruned now, the rest later.

    ``other`` are the other files in the store, if known; ``noted`` is what it took before, if that is wanted.
    """
    from prunella_core.plan.build import prunable, reclaimable  # late: of these documents only this one needs it

    sums = totals(inventory)
    now, later = prunable(inventory, inventory.scanned_at, retention)
    entries = other.entries if other else ()
    return {
        "store": clean(inventory.store.root),
        **picked(sums, "models", "listed", "allocated", "referenced", *SHARES),
        "other": other.allocated if other else None,
        "other_entries": [{"path": clean(path), "allocated": count} for path, count in entries[:_MOST_ENTRIES]],
        "notes": list(other.notes) if other else [],
        "difference": sums.allocated - sums.listed,
        "reclaimable": reclaimable(inventory, inventory.scanned_at),
        "prunable": {"now": now, "later": later},
        **picked(sums, "counted_twice", "disk_total", "disk_free"),
        "growth": _growth(noted, sums) if noted else None,
    }


def _growth(noted: Sequence[Noted], sums: Totals) -> Document:
    history = [{"at": timestamp(each.at), **picked(each.totals, "allocated", *SHARES)} for each in noted]
    return {"since": timestamp(noted[0].at), "change": growth(noted[0].totals, sums), "history": history}


def diff_document(old: Inventory, new: Inventory) -> Document:
    """The document of ``diff``: both scans, what became more or less, and the models that are not the same."""
    changes = model_changes(old, new)
    return {
        "old": _scan(old),
        "new": _scan(new),
        "change": growth(totals(old), totals(new)),
        **{
            kind: [picked(change, "name", "before", "after") for change in changes if change.kind == kind]
            for kind in ("came", "went", "changed")
        },
    }


def _scan(inventory: Inventory) -> Document:
    host, at = shown(inventory.store.exported_from), timestamp(inventory.scanned_at)
    return {"store": clean(inventory.store.root), "host": host, "scanned_at": at}
