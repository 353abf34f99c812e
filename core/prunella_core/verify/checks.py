"""Which files a verification has to look at."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from prunella_core.inventory.records import Blob, Inventory, State


class Check(Struct, frozen=True, gc=False):
    """A file whose bytes have to hash to ``digest``. ``path`` is relative to the store."""

    digest: str
    path: str
    models: tuple[str, ...] = ()
    """The models that it breaks when they do not."""
    declared: int | None = None
    """The size that a manifest gives it (bytes)."""


def whole_blobs(inventory: Inventory) -> list[Blob]:
    """Every blob of the store that has a digest to be checked against, and those that should be there.

    Downloads that never ended have none yet; what is in the trash is nobody's worry until it is asked for by name.
    """
    return [blob for blob in inventory.blobs if blob.has_hash and blob.state is not State.TRASHED]


def checks_of(inventory: Inventory, blobs: Iterable[Blob]) -> Iterator[Check]:
    """Return what has to be checked of ``blobs``: each file of each; a row whose name is no hash has none."""
    declared = {layer.digest: layer.size for model in inventory.models for layer in model.layers}
    for blob in blobs:
        if blob.digest is not None and blob.has_hash:
            paths = [file.path for file in blob.files] or [f"blobs/{blob.digest.replace(':', '-')}"]
            for path in paths:
                yield Check(blob.digest, path, blob.models, declared.get(blob.digest))
