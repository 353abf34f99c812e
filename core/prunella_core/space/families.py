"""Who shares with whom: families of models, what a set of models would free together, and what two have in common."""

from collections.abc import Collection, Iterable, Iterator

from msgspec import Struct

from prunella_core.fs.sizes import allocated, reclaimed
from prunella_core.inventory.records import Blob, Inventory

BOND = 100
"""A shared blob ties two models when it is at least this fraction (a hundredth) of what each takes.

Otherwise a licence text, which dozens of models have, would make one family of a whole store.
"""


class Family(Struct, frozen=True, kw_only=True):
    """Models that share: each shares with some other of them, if not with all. One model may be a family by itself."""

    models: tuple[str, ...]
    """The largest first."""
    allocated: int
    """Bytes on the disk that only these models need, and their manifests."""
    shared: int
    """Of these, what two or more of them need."""


def families(inventory: Inventory) -> tuple[Family, ...]:
    """Return every model in one family, the largest family first."""
    usage = inventory.usage
    groups = _groups(inventory)
    found = []
    for names in groups:
        in_order = tuple(sorted(names, key=lambda name: (-usage[name].allocated, name)))
        blobs = _only_needed_by(inventory, frozenset(names))
        manifests = [inventory.model_by_name[name].manifest for name in in_order]
        shared = allocated(file for blob in blobs if len(blob.models) > 1 for file in blob.files)
        whole = allocated([*manifests, *(file for blob in blobs for file in blob.files)])
        found.append(Family(models=in_order, allocated=whole, shared=shared))
    return tuple(sorted(found, key=lambda family: (-family.allocated, family.models)))


def _groups(inventory: Inventory) -> Iterable[list[str]]:
    """Models that are tied, directly or by others (union-find)."""
    leader = {model.name: model.name for model in inventory.models}

    def find(name: str) -> str:
        while leader[name] != name:
            leader[name] = name = leader[leader[name]]
        return name

    for tied in _ties(inventory):
        for name in tied[1:]:
            leader[find(name)] = find(tied[0])
    groups: dict[str, list[str]] = {}
    for name in leader:
        groups.setdefault(find(name), []).append(name)
    return groups.values()


def _ties(inventory: Inventory) -> Iterator[list[str]]:
    """The models that what they share is enough to tie. Of blobs with the same users the sum counts."""
    sums: dict[tuple[str, ...], int] = {}
    for blob in _needed(inventory):
        if len(blob.models) > 1:
            sums[blob.models] = sums.get(blob.models, 0) + blob.allocated
    for users, shared in sums.items():
        yield from filter(None, [[name for name in users if shared * BOND >= inventory.usage[name].allocated]])


def _needed(inventory: Inventory) -> Iterator[Blob]:
    """The rows that models need, each once."""
    needed = dict.fromkeys(digest for model in inventory.models for digest in model.needs)
    return (inventory.blob_by_key[digest] for digest in needed)


def _only_needed_by(inventory: Inventory, names: Collection[str]) -> list[Blob]:
    """The rows that some of these models need, and no other."""
    needed = dict.fromkeys(digest for name in names for digest in inventory.model_by_name[name].needs)
    blobs = (inventory.blob_by_key[digest] for digest in needed)
    return [blob for blob in blobs if all(user in names for user in blob.models)]


def reclaims_together(inventory: Inventory, names: Collection[str]) -> int:
    """Bytes that leave the disk when exactly these models go (problems and settling left out of account)."""
    manifests = (inventory.model_by_name[name].manifest for name in names)
    files = (file for blob in _only_needed_by(inventory, frozenset(names)) for file in blob.files)
    return reclaimed([*manifests, *files])


class Sharer(Struct, frozen=True, kw_only=True):
    """Another model that needs some of the same blobs."""

    name: str
    blobs: tuple[Blob, ...]
    """What both need, in the order of the manifest."""
    shared: int
    """Bytes that these take on the disk."""
    together: int
    """Bytes that leave the disk when both models go, and no other."""


def sharers(inventory: Inventory, name: str) -> tuple[Sharer, ...]:
    """Return who shares with the model ``name``, the one first that shares most."""
    common: dict[str, list[Blob]] = {}
    for blob in inventory.blobs_of(inventory.model_by_name[name]):
        for other in blob.models:
            if other != name:
                common.setdefault(other, []).append(blob)
    found = (
        Sharer(
            name=other,
            blobs=tuple(blobs),
            shared=allocated(file for blob in blobs for file in blob.files),
            together=reclaims_together(inventory, (name, other)),
        )
        for other, blobs in common.items()
    )
    return tuple(sorted(found, key=lambda sharer: (-sharer.shared, sharer.name)))
