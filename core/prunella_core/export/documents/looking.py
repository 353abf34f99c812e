"""The documents of ``ls``, ``blobs``, ``show``, ``why`` and ``df``."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from prunella_core.base.encoding import Rows
from prunella_core.base.text import clean
from prunella_core.export.documents.fields import Document, age_at, origin_row, picked, problem_rows, timestamp
from prunella_core.inventory.records import Blob, Inventory, Model, State
from prunella_core.ledger.ages import likely_model
from prunella_core.plan.build import prunable, reclaimable
from prunella_core.scan.other import OtherFiles
from prunella_core.space.space import space_of
from prunella_core.space.totals import totals

_NOTHING: dict[str, str] = {}


class BlobRow(Struct, frozen=True, gc=False):
    """A row of ``blobs``; a record and not a dict, as there may be a hundred thousand."""

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
    """A description, from its first bytes, of a row that no model needs."""
    likely: str | None = None
    """The model that such a row likely belongs or belonged to."""


def models_document(inventory: Inventory, models: Iterable[Model] | None = None) -> Document:
    """The document of ``ls``; ``models`` are those to show, in their order. The totals are those of the whole store."""
    sums = totals(inventory)
    unclean = _unclean(inventory)
    shown = inventory.models if models is None else models
    return {
        "store": clean(inventory.store.root),
        "models": Rows(model_row(inventory, model, unclean) for model in shown),
        "totals": {
            "size": sums.listed,
            **picked(sums, "models", "allocated", "unreferenced", "partial", "leftover", "trashed"),
            "other": None,
        },
        "problems": Rows(problem_rows(inventory.problems)),
    }


def _unclean(inventory: Inventory) -> dict[str, str]:
    """Return the names of models that need cleaning, and what is shown for them: nearly always none."""
    return {model.name: name for model in inventory.models if (name := clean(model.name)) != model.name}


_MOST_ENTRIES = 20


def _shown(names: Sequence[str], unclean: Mapping[str, str]) -> Sequence[str]:
    return [unclean.get(name, name) for name in names] if unclean else names


def model_row(inventory: Inventory, model: Model, unclean: Mapping[str, str]) -> Document:
    """One model, as in ``ls``; ``unclean`` has what is shown for names that need cleaning."""
    usage = space_of(inventory).models[model.name]
    details, last_used, sharing = model.details, model.last_used, space_of(inventory).shared_with(model.name)
    return {
        "name": clean(model.name),
        "id": model.digest[:12],
        "digest": model.digest,
        "size": model.size,
        "allocated": usage.allocated,
        "reclaims": usage.frees,
        "shared": usage.shared,
        "shared_with": _shown(sharing.names, unclean),
        "shared_with_count": sharing.count,
        "modified_at": timestamp(model.modified_at),
        "last_used": timestamp(last_used),
        "age_seconds": max(int(inventory.scanned_at - model.idle_since), 0),
        "age_from": model.clock,
        "pinned": model.is_pinned,
        **picked(details, "family", "parameters", "quantization"),
        "location": "cloud" if details.remote_host else "local",
        "comes_back": origin_row(inventory.origins[model.name]),
        "problems": [problem.kind for problem in inventory.problems_of(model)],
        "blobs": model.needs,
    }


def blobs_document(
    inventory: Inventory,
    now: float,
    blobs: Iterable[Blob] | None = None,
    identities: Mapping[str, str] = _NOTHING,
) -> Document:
    """The document of ``blobs`` at ``now`` (seconds, UTC); ``blobs`` are those to show, in their order.

    ``identities`` has, by key, the descriptions of rows that no model needs.
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
    """One row of ``blobs/``; ``unclean`` has what is shown for names that need cleaning."""
    files, kind = blob.files, blob.kind
    return BlobRow(
        blob.digest,
        blob.state,
        kind and clean(kind),
        blob.size,
        blob.allocated,
        [clean(file.path) for file in files],
        _shown(blob.models, unclean) if unclean else blob.models,
        age_at(blob.idle_since, now),
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


def df_document(inventory: Inventory, retention: int, other: OtherFiles | None) -> Document:
    """The document of ``df``; what is older than ``retention`` (seconds) can be pruned now, the rest later.

    ``other`` are the other files in the store, if known.
    """
    sums = totals(inventory)
    now, later = prunable(inventory, inventory.scanned_at, retention)
    return {
        "store": clean(inventory.store.root),
        **picked(sums, "models", "listed", "allocated", "referenced", "exclusive", "shared"),
        **picked(sums, "unreferenced", "partial", "leftover", "stray", "trashed"),
        "other": other.allocated if other else None,
        "other_entries": [{"path": clean(name), "allocated": count} for name, count in other.entries[:_MOST_ENTRIES]]
        if other
        else [],
        "notes": list(other.notes) if other else [],
        "difference": sums.allocated - sums.listed,
        "reclaimable": reclaimable(inventory, inventory.scanned_at),
        "prunable": {"now": now, "later": later},
        **picked(sums, "counted_twice", "disk_total", "disk_free"),
    }
