"""Which models share data with one model, in words."""

from collections.abc import Iterator

from prunella_core.inventory.records import Blob, Inventory
from prunella_core.space.families import Sharer, sharers
from prunella_core.space.space import space_of
from prunella_tui.report.format import counted, number, short_digest, size
from prunella_tui.report.lines import Block, line

_MOST = 40
_FEW_BLOBS = 3


def sharing_lines(inventory: Inventory, name: str) -> Iterator[Block]:
    """Yield the models that share with ``name``, the largest share first, and what they free together."""
    yield line(f"{name} frees ", (size(space_of(inventory).models[name].frees), "good"), " alone")
    found = sharers(inventory, name)
    if not found:
        yield line("It shares nothing with another model")
    for sharer in found[:_MOST]:
        yield from _sharer(inventory, sharer)
    if len(found) > _MOST:
        yield line((f"and {counted(len(found) - _MOST, 'more model')}", "quiet"))
    if len(found) > 1:
        together = (name, *(sharer.name for sharer in found))
        freed = size(space_of(inventory).frees_models(together))
        yield line()
        yield line(f"All {number(len(together))} together free ", (freed, "good"))


def _sharer(inventory: Inventory, sharer: Sharer) -> Iterator[Block]:
    yield line()
    yield line((sharer.name, "head"), f"  shares {size(sharer.shared)}")
    by_kind: dict[str, list[Blob]] = {}
    for blob in sharer.blobs:
        by_kind.setdefault(blob.kind or "unknown", []).append(blob)
    for kind, blobs in by_kind.items():
        which = ", ".join(short_digest(blob.digest) for blob in blobs)
        what = which if len(blobs) <= _FEW_BLOBS else counted(len(blobs), "blob")
        yield line(f"{kind:<9} {size(sum(blob.allocated for blob in blobs)):>9}  ", (what, "quiet"), indent=2)
    alone = size(space_of(inventory).models[sharer.name].frees)
    yield line(f"frees {alone} alone, ", (size(sharer.together), "good"), " together", indent=2)
