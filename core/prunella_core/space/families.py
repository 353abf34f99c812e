"""Which models share: families of models, and what two have in common."""

from collections.abc import Iterator

from msgspec import Struct

from prunella_core.inventory.records import Blob, Inventory
from prunella_core.space.cells import Cell, Holder, taken_by
from prunella_core.space.space import Space, space_of

BOND = 100
"""A shared cell ties a model when it is at least this fraction (a hundredth) of what the model takes.

Otherwise a licence text, which dozens of models have, would make one family of a whole store.
"""


def families(space: Space) -> list[tuple[str, ...]]:
    """Return every model in one family: each shares with some other of it, if not with all; the largest model first."""
    family_of = {name: [name] for name in space.models}
    for first, *others in _ties(space):
        for name in others:
            small, large = sorted((family_of[first], family_of[name]), key=len)
            if small is not large:
                large += small
                family_of.update(dict.fromkeys(small, large))
    distinct = {id(family): family for family in family_of.values()}.values()
    return [tuple(sorted(names, key=lambda name: (-space.models[name].allocated, name))) for names in distinct]


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
            common.setdefault(other, []).append(cell)
    del common[name]
    found = (
        Sharer(
            name=other,
            blobs=tuple(blob for cell in cells for blob in cell.blobs),
            shared=taken_by(cells),
            together=space.frees_models([name, other]),
        )
        for other, cells in common.items()
    )
    return tuple(sorted(found, key=lambda sharer: (-sharer.shared, sharer.name)))
