"""What each model takes on the disk, alone and with others. All sizes are bytes."""

from typing import TYPE_CHECKING

from msgspec import Struct

from prunella_core.fs.sizes import allocated, reclaimed

if TYPE_CHECKING:
    from prunella_core.inventory.records import Blob, Inventory, Model


class Usage(Struct, frozen=True, kw_only=True, gc=False):
    """What one model takes, in bytes on the disk."""

    allocated: int
    reclaims: int
    """What leaves the disk when this model alone goes (problems and settling left out of account)."""
    shared: int
    """What other models need too."""


def usage_of(inventory: "Inventory") -> dict[str, Usage]:
    """Return what each model takes, under its name.

    Sizes are only added up. Where links or shared extents come in, a sum would count bytes twice or too many, so such a
    model is reckoned file by file.
    """
    needed = [blob for blob in inventory.blobs if blob.models and blob.digest == blob.key]
    taken = {blob.key: blob.allocated for blob in needed}
    shared = {blob.key: blob.allocated for blob in needed if len(blob.models) > 1}
    linked = {blob.key for blob in needed if _is_linked(blob)}
    return {
        model.name: _exactly(model, inventory.blobs_of(model))
        if model.manifest.links > 1 or (linked and not linked.isdisjoint(model.needs))
        else _summed(model, sum(map(taken.__getitem__, model.needs)), shared)
        for model in inventory.models
    }


def _is_linked(blob: "Blob") -> bool:
    return len(blob.files) > 1 or any(file.links > 1 or file.shared for file in blob.files)


def _summed(model: "Model", taken: int, shared: dict[str, int]) -> Usage:
    common = sum([shared[digest] for digest in model.needs if digest in shared])
    manifest = model.manifest
    return Usage(allocated=manifest.allocated + taken, reclaims=manifest.own + taken - common, shared=common)


def _exactly(model: "Model", blobs: "list[Blob]") -> Usage:
    own = [file for blob in blobs if len(blob.models) == 1 for file in blob.files]
    common = [file for blob in blobs if len(blob.models) > 1 for file in blob.files]
    shared = allocated(common)
    return Usage(
        allocated=shared + allocated([model.manifest, *own]), reclaims=reclaimed([model.manifest, *own]), shared=shared
    )
