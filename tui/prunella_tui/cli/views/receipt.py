"""A receipt in words: what was predicted, what was measured, and what went otherwise."""

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType

from prunella_core.plan.records import Receipt
from prunella_tui.cli.views.words import BAD, STRONG, WARNING, line
from prunella_tui.presentation import counted, size


def receipt_view(receipt: Receipt) -> RenderableType:
    """Return what really happened."""
    errors = (f"{error.path}: {error.message}" for error in receipt.errors)
    return Group(
        _headline(receipt),
        *_listed("Could not be removed", BAD, errors),
        *_listed("Went back, because a model that came meanwhile needs it", WARNING, receipt.returned),
    )


def _headline(receipt: Receipt) -> RenderableType:
    removed = counted(len(receipt.removed), "file")
    if receipt.cancelled:
        kept = f"{removed} had gone before" if receipt.removed else "everything was put back"
        return line(("Cancelled", WARNING), f": {kept}; freed {size(receipt.freed)}.")
    planned = receipt.plan.reclaims
    if receipt.plan.mode == "restore":
        return line((f"Brought back {counted(len(receipt.removed), 'file')}", STRONG), f", {size(planned)}.")
    measured = receipt.trashed if receipt.plan.mode == "trash" else receipt.freed
    compared = "as planned" if measured == planned else f"{size(planned)} were planned"
    if receipt.plan.mode == "trash":
        way_back = f"To bring it back: prunella restore {receipt.id}"
        return line((f"In the trash: {size(measured)}", STRONG), f", {compared}, {removed}. {way_back}")
    return line((f"Freed {size(measured)}", STRONG), f", {compared}. Removed {removed}.")


def _listed(title: str, style: str, rows: Iterable[str]) -> Iterator[RenderableType]:
    listed = [line(row, indent=2) for row in rows]
    if listed:
        yield line((f"{title}:", style))
        yield from listed
