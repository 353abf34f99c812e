"""Where a whole store's bytes are: every file on the disk counted once, in the first share that claims it."""

from collections.abc import Iterator

from msgspec import Struct

from prunella_core.fs.sizes import File
from prunella_core.inventory.records import Blob, Inventory, State


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


_OF_STATE = {
    State.UNREFERENCED: "unreferenced",
    State.PARTIAL: "partial",
    State.LEFTOVER: "leftover",
    State.STRAY: "stray",
    State.TRASHED: "trashed",
}


def totals(inventory: Inventory) -> Totals:
    """Add up a store. A file with several links counts once, for the most useful of its names."""
    sums = dict.fromkeys(("shared", "exclusive", *_OF_STATE.values()), 0)
    linked: dict[str, list[File]] = {share: [] for share in sums}
    for share, file in _files(inventory):
        if file.links > 1:
            linked[share].append(file)
        else:
            sums[share] += file.allocated
    seen: set[tuple[int, int]] = set()
    for share, files in linked.items():  # in the order of use
        for file in files:
            sums[share] += 0 if (file.device, file.inode) in seen else file.allocated
            seen.add((file.device, file.inode))
    return Totals(
        models=len(inventory.models),
        listed=sum(model.size for model in inventory.models),
        disk_total=inventory.disk_total,
        disk_free=inventory.disk_free,
        **sums,
    )


def _files(inventory: Inventory) -> Iterator[tuple[str, File]]:
    """Every file, once for each of its names."""
    for model in inventory.models:
        yield "exclusive", model.manifest
    for problem in inventory.broken_by_path.values():
        if problem.file:
            yield "exclusive", problem.file
    for entry in inventory.trash:
        for file in entry.files:
            yield "trashed", file
    for blob in inventory.blobs:
        if blob.state is not State.TRASHED:  # its files were counted with the entries
            for file in blob.files:
                yield _share(blob), file


def _share(blob: Blob) -> str:
    if blob.models and blob.state is State.REFERENCED:
        return "shared" if len(blob.models) > 1 else "exclusive"
    return _OF_STATE.get(blob.state, "exclusive")
