"""Where a whole store's bytes are, every file counted once, against what the list of models says."""

from msgspec import Struct

from prunella_core.inventory.records import Inventory
from prunella_core.space.space import space_of


class Totals(Struct, frozen=True, kw_only=True):
    """Bytes on the disk by what they are, and what the list of models says instead."""

    models: int
    listed: int
    """The sum of the sizes in ``ollama list``, which counts a shared blob once for every model."""
    exclusive: int
    """Blobs that one model needs, and the manifests."""
    shared: int
    """Blobs that several models need."""
    unreferenced: int
    partial: int
    leftover: int
    stray: int
    trashed: int
    disk_total: int
    disk_free: int

    @property
    def allocated(self) -> int:
        """Everything in the store."""
        return self.referenced + self.unreferenced + self.partial + self.leftover + self.stray + self.trashed

    @property
    def referenced(self) -> int:
        """What the models need."""
        return self.exclusive + self.shared

    @property
    def counted_twice(self) -> int:
        """What the list of models counts more than once, or counts although it is not on the disk."""
        return self.listed - self.referenced


_OF_MODELS = dict.fromkeys(("referenced", "manifest", "broken"), "exclusive")
_SUMS = ("shared", "exclusive", "unreferenced", "partial", "leftover", "stray", "trashed")


def totals(inventory: Inventory) -> Totals:
    """Add up a store. A file with several links counts once, for the most useful of its names."""
    sums = space_of(inventory).partition(
        lambda cell: "shared" if cell.is_shared else _OF_MODELS.get(cell.kind, cell.kind)
    )
    return Totals(
        models=len(inventory.models),
        listed=sum(model.size for model in inventory.models),
        disk_total=inventory.disk_total,
        disk_free=inventory.disk_free,
        **{name: sums.get(name, 0) for name in _SUMS},
    )
