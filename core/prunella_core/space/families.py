"""Which models share: families of models, and what two have in common."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from prunella_core.inventory.records import Blob, Inventory
from prunella_core.space.cells import Cell, Holder
from prunella_core.space.space import Space, space_of

BOND = 100
"""A shared cell ties a model when it is at least this fraction (a hundredth) of what the model takes.

Otherwise a licence text, which dozens of models have, would make one family of a whole store.
"""


def families(space: Space) -> list[tuple[str, ...]]:
    """Return every model in one family: each shares with some other of it, if not with all; the largest model first."""
    leader = {name: name for name in space.models}

    def find(name: str) -> str:
        while leader[name] != name:
            leader[name] = name = leader[leader[name]]
        return name

    for tied in _ties(space):
        for name in tied[1:]:
            leader[find(name)] = find(tied[0])
    found: dict[str, list[str]] = {}
    for name in leader:
        found.setdefault(find(name), []).append(name)
    return [tuple(sorted(names, key=lambda name: (-space.models[name].allocated, name))) for names in found.values()]


def _ties(space: Space) -> Iterator[list[str]]:
    for cell in space.cells:
        if cell.is_shared:
            shared = cell.allocated * BOND
            if tied := [name for name in cell.models if shared >= space.models[name].allocated]:
                yield tied


class Sharer(Struct, frozen=True, kw_only=True):
    """Another model that needs some of the same blobs."""

    name: str
    blobs: tuple[Blob, ...]
    """What both need."""
    shared: int
    """Bytes that these take on the disk."""
    together: int
    """Bytes that leave the disk when both models go, and no other."""


def sharers(inventory: Inventory, name: str) -> tuple[Sharer, ...]:
    """Return which models share with the model ``name``, the one first that shares most."""
    space = space_of(inventory)
    common: dict[str, list[Cell]] = {}
    for cell in space.of[Holder("model", name)]:
        for other in cell.models:
            if other != name:
                common.setdefault(other, []).append(cell)
    found = (
        Sharer(
            name=other,
            blobs=tuple(blob for cell in cells for blob in cell.blobs),
            shared=sum(cell.allocated for cell in cells),
            together=reclaims_together(inventory, (name, other)),
        )
        for other, cells in common.items()
    )
    return tuple(sorted(found, key=lambda sharer: (-sharer.shared, sharer.name)))


def reclaims_together(inventory: Inventory, names: Iterable[str]) -> int:
    """Bytes that leave the disk when exactly these models go (problems and settling left out of account)."""
    return space_of(inventory).frees([Holder("model", name) for name in names])
