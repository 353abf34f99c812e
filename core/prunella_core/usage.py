"""What each model takes on the disk, alone and with others. All sizes are bytes."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from prunella_core.sizes import allocated, reclaimed

if TYPE_CHECKING:
    from prunella_core.inventory import Blob, Model


class Usage(Struct, frozen=True, kw_only=True, gc=False):
    """What one model takes, in bytes on the disk."""

    allocated: int
    reclaims: int
    """What leaves the disk when this model alone goes (problems and settling left out of account)."""
    shared: int
    """What other models need too."""


def usage_of(models: "Iterable[Model]", blobs: "Mapping[str, Blob]") -> dict[str, Usage]:
    """Return what each of ``models`` takes, under its name; ``blobs`` are the rows that they need, by digest.

    Sizes are only added up. Where links or shared extents come in, a sum would count bytes twice or too many, so such a
    model is reckoned file by file.
    """
    taken, shared, linked = _sizes(blobs)
    return {
        model.name: _exactly(model, [blobs[digest] for digest in model.needs])
        if model.manifest.links > 1 or not linked.isdisjoint(model.needs)
        else _summed(model, sum([taken[digest] for digest in model.needs]), shared)
        for model in models
    }


def _sizes(blobs: "Mapping[str, Blob]") -> tuple[dict[str, int], dict[str, int], set[str]]:
    """What each blob takes, what each that several models need takes, and those that do not simply add up."""
    taken, shared, linked = {}, {}, set()
    for digest, blob in blobs.items():
        size = 0
        for file in blob.files:
            size = file.allocated
            if file.links > 1 or file.shared or len(blob.files) > 1:
                linked.add(digest)
        taken[digest] = size
        if len(blob.models) > 1:
            shared[digest] = size
    return taken, shared, linked


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
