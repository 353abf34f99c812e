"""Who shares with whom, in words: for one model every other that needs some of its blobs."""

from collections.abc import Iterator

from textual.content import Content

from prunella_core.base.text import clean
from prunella_core.inventory.records import Blob, Inventory
from prunella_core.space.families import Sharer, reclaims_together, sharers
from prunella_tui import presentation as show

_MUTED = "$foreground 60%"
_FREES = "bold $text-success"
_MOST = 40
_FEW_BLOBS = 3


def sharing_text(inventory: Inventory, name: str) -> Content:
    """Return with whom the model ``name`` shares, what that is, and what they would free together."""
    alone = inventory.usage[name].reclaims
    found = sharers(inventory, name)
    lines = [Content.assemble(f"{clean(name)} alone would free ", (show.size(alone), _FREES), ".")]
    if not found:
        return Content("\n").join([*lines, Content("It shares nothing with another model.")])
    for sharer in found[:_MOST]:
        lines += _sharer(sharer, inventory)
    if len(found) > _MOST:
        lines.append(Content.styled(f"and {show.counted(len(found) - _MOST, 'more model')}", _MUTED))
    if len(found) > 1:
        everybody = (name, *(sharer.name for sharer in found))
        together = show.size(reclaims_together(inventory, everybody))
        lines += [
            Content(""),
            Content.assemble(f"All {show.number(len(everybody))} together would free ", (together, _FREES), "."),
        ]
    return Content("\n").join(lines)


def _sharer(sharer: Sharer, inventory: Inventory) -> Iterator[Content]:
    yield Content("")
    yield Content.assemble((clean(sharer.name), "bold $text-primary"), f"  shares {show.size(sharer.shared)}")
    by_kind: dict[str, list[Blob]] = {}
    for blob in sharer.blobs:
        by_kind.setdefault(blob.kind or "unknown", []).append(blob)
    for kind, blobs in by_kind.items():
        size = show.size(sum(blob.allocated for blob in blobs))
        which = ", ".join(show.short_digest(blob.digest) for blob in blobs[:_FEW_BLOBS])
        many = show.counted(len(blobs), "blob")
        what = which if len(blobs) <= _FEW_BLOBS else many
        yield Content.assemble(f"  {clean(kind):<9} {size:>9}  ", (what, _MUTED))
    alone = show.size(inventory.usage[sharer.name].reclaims)
    yield Content.assemble(f"  alone it would free {alone}, both together ", (show.size(sharer.together), _FREES))
