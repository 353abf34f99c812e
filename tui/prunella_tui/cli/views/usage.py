"""What ``df`` shows."""

from rich.console import Group, RenderableType

from prunella_core.inventory.records import Inventory
from prunella_core.space.totals import Totals, totals
from prunella_tui.cli.views.grid import Column, Grid
from prunella_tui.cli.views.words import QUIET, STRONG, line
from prunella_tui.presentation import counted, share_bar, size

_BAR = 20


def usage_view(inventory: Inventory) -> RenderableType:
    """Return the way from what Ollama lists to what is on the disk, and the shares of the disk."""
    sums = totals(inventory)
    return Group(
        line((inventory.store.root, STRONG), (f"  ({inventory.store.why})", QUIET)),
        line(),
        _difference(sums),
        line(),
        _shares(sums),
        line(),
        line(f"{size(sums.disk_free)} of {size(sums.disk_total)} are free on this file system."),
    )


def _difference(sums: Totals) -> Grid:
    grid = Grid(Column(""), Column("", right=True), Column("", rank=1, least=20), has_head=False)
    grid.add("  Ollama lists", size(sums.listed), (counted(sums.models, "model"), QUIET))
    sign = "−" if sums.counted_twice >= 0 else "+"
    why = "counted again, or holes in files" if sign == "−" else "manifests and whole blocks"
    grid.add(f"{sign} listed, but not on the disk", size(abs(sums.counted_twice)), (why, QUIET))
    grid.add("+ what no model needs", size(sums.allocated - sums.referenced), ("Ollama lists none of it", QUIET))
    grid.add(("= on the disk", STRONG), (size(sums.allocated), STRONG), "")
    return grid


def _shares(sums: Totals) -> Grid:
    grid = Grid(Column(""), Column("", right=True), Column(""), Column("", least=16, rank=1), indent=2, has_head=False)
    for word, count, meaning, style in (
        ("exclusive", sums.exclusive, "one model needs it", "green"),
        ("shared", sums.shared, "several models need it", "blue"),
        ("unreferenced", sums.unreferenced, "prune removes it", "yellow"),
        ("partial", sums.partial, "unfinished downloads", "cyan"),
        ("leftover", sums.leftover, "of a create or upload", "magenta"),
        ("stray", sums.stray, "no files of Ollama's", ""),
    ):
        if not count:
            continue
        share = count / sums.allocated if sums.allocated else 0.0
        grid.add(word, size(count), (share_bar(share, _BAR), style), (f"{share:4.0%}  {meaning}", QUIET))
    return grid
