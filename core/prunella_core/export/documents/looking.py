"""The documents of ``ls``, ``blobs``, ``show``, ``why`` and ``df``."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from prunella_core.base.encoding import Rows
from prunella_core.base.text import clean
from prunella_core.export.documents.comparing import growth_document
from prunella_core.export.documents.fields import Document, picked, problem_rows, shown, timestamp
from prunella_core.inventory.origin import Origin
from prunella_core.inventory.records import Blob, Inventory, Model, State
from prunella_core.ledger.ages import likely_model
from prunella_core.ledger.growth import Noted
from prunella_core.plan.build import prunable, reclaimable
from prunella_core.scan.other import OtherFiles
from prunella_core.space.space import space_of
from prunella_core.space.totals import SHARES, totals

_NOTHING: dict[str, str] = {}
_MOST_ENTRIES = 20


class ModelRow(Struct, frozen=True, gc=False):
    """A row of ``ls``; records and not dicts, as there may be thousands of them, and tens of thousands of blobs."""

    name: str
    id: str
    digest: str
    size: int
    allocated: int
    reclaims: int
    shared: int
    shared_with: tuple[str, ...]
    shared_with_count: int
    modified_at: str | None
    last_used: str | None
    loads: int | None
    age_seconds: int
    age_from: str
    pinned: bool
    family: str | None
    parameters: str | None
    quantization: str | None
    location: str
    comes_back: Origin
    problems: list[str]
    blobs: tuple[str, ...]


class BlobRow(Struct, frozen=True, gc=False):
    """A row of ``blobs``."""

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


def models_document(inventory: Inventory, models: Iterable[Model] | None = None) -> Document:
    """The document of ``ls``; ``models`` are those to show, in their order. The totals are those of the whole store."""
    sums = totals(inventory)
    return {
        "store": clean(inventory.store.root),
        "models": Rows(model_row(inventory, model) for model in (inventory.models if models is None else models)),
        "totals": {
            "size": sums.listed,
            **picked(sums, "models", "allocated", "unreferenced", "partial", "leftover", "trashed"),
            "other": None,
        },
        "problems": Rows(problem_rows(inventory.problems)),
    }


def model_row(inventory: Inventory, model: Model) -> ModelRow:
    """One model, as in ``ls``."""
    space, name, details = space_of(inventory), model.name, model.details
    usage, sharing, used = space.models[name], space.shared_with(name), model.last_used
    idle_since, clock = model.idle
    return ModelRow(
        name,
        model.digest[:12],
        model.digest,
        model.size,
        usage.allocated,
        usage.frees,
        usage.shared,
        sharing.names,
        sharing.count,
        timestamp(model.modified_at),
        timestamp(used),
        model.loads or None,
        max(int(inventory.scanned_at - idle_since), 0),
        clock,
        model.is_pinned,
        shown(details.family),
        shown(details.parameters),
        shown(details.quantization),
        model.location,
        inventory.origins[name],
        [problem.kind for problem in inventory.problems_by_model.get(name, ())],
        model.needs,
    )


def blobs_document(
    inventory: Inventory,
    now: float,
    blobs: Iterable[Blob] | None = None,
    identities: Mapping[str, str] = _NOTHING,
) -> Document:
    """The document of ``blobs`` at ``now`` (seconds, UTC); ``blobs`` are those to show, in their order.

    ``identities`` has, by key, the descriptions of rows that no model needs.
    """
    rows = (
        blob_row(blob, now, identities.get(blob.key), None if blob.models else likely_model(inventory, blob))
        for blob in (inventory.blobs if blobs is None else blobs)
    )
    return {"store": clean(inventory.store.root), "blobs": Rows(rows)}


def blob_row(blob: Blob, now: float, identity: str | None = None, likely: str | None = None) -> BlobRow:
    """One row of ``blobs/``."""
    files = blob.files
    idle_since, clock = blob.idle
    links: int | None
    if len(files) == 1:  # nearly always
        links, target = files[0].links, files[0].target
    else:
        links = max([file.links for file in files], default=None)
        target = next((file.target for file in files if file.target), None)
    return BlobRow(
        blob.digest,
        blob.state,
        blob.kind and clean(blob.kind),
        blob.size,
        blob.allocated,
        tuple([clean(file.path) for file in files]),
        blob.models,
        None if idle_since is None else max(int(now - idle_since), 0),
        clock,
        links,
        target and clean(target),
        identity and clean(identity),
        likely,
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
    row = {**msgspec.to_builtins(model_row(inventory, model)), "problems": problem_rows(inventory.problems_of(model))}
    return {"store": clean(inventory.store.root), **row, "layers": layers}


def blob_document(inventory: Inventory, blob: Blob, now: float, identity: str | None = None) -> Document:
    """The document of ``why``: the blob, its models, its state and age."""
    row = msgspec.to_builtins(blob_row(blob, now, identity, likely_model(inventory, blob)))
    blocked = problem_rows(inventory.blocking) if blob.state == "unreferenced" else []
    return {"store": clean(inventory.store.root), **row, "blocked": blocked}


def df_document(
    inventory: Inventory, retention: int, other: OtherFiles | None, noted: Sequence[Noted] = ()
) -> Document:
    """The document of ``df``; what is older than ``retention`` (seconds) can be pruned now, the rest later.

    ``other`` are the other files in the store, if known; ``noted`` is what it took before, if that is wanted.
    """
    sums = totals(inventory)
    now, later = prunable(inventory, inventory.scanned_at, retention)
    return {
        "store": clean(inventory.store.root),
        **picked(sums, "models", "listed", "allocated", "referenced", *SHARES),
        "other": other.allocated if other else None,
        "other_entries": [{"path": clean(name), "allocated": count} for name, count in other.entries[:_MOST_ENTRIES]]
        if other
        else [],
        "notes": list(other.notes) if other else [],
        "difference": sums.allocated - sums.listed,
        "reclaimable": reclaimable(inventory, inventory.scanned_at),
        "prunable": {"now": now, "later": later},
        **picked(sums, "counted_twice", "disk_total", "disk_free"),
        "growth": growth_document(noted, sums) if noted else None,
    }
