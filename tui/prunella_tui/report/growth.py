"""What became more or less, in ``df --since`` and ``diff``."""

from collections.abc import Iterator, Sequence

from prunella_core.inventory.records import Inventory
from prunella_core.ledger.growth import Noted
from prunella_core.space.totals import Totals, growth, model_changes, totals
from prunella_tui.report.format import date, number, size, when
from prunella_tui.report.lines import Block, Column, line, section, table

_NAMES = {"listed": "ollama list", "allocated": "on disk", "disk_free": "free"}
_STEPS = "▁▂▃▄▅▆▇█"
_MOST_STEPS = 30
_SIGNS = {"came": "+", "went": "−", "changed": "~"}


def growth_lines(noted: Sequence[Noted], sums: Totals, now: float) -> Iterator[Block]:
    """Yield what became more or less since the first of ``noted``, and the total on the way."""
    yield line()
    yield line((f"Since {when(noted[0].at, now)}", "head"))
    yield line("On disk: ", (trend([*(each.totals.allocated for each in noted), sums.allocated]), "info"), indent=2)
    yield _growth(noted[0].totals, sums)


def trend(counts: Sequence[int]) -> str:
    """Return a line of bars from nothing to the largest of ``counts``; of many, some evenly apart and the last."""
    every = -(-len(counts) // _MOST_STEPS)
    shown = counts[::-1][::every][::-1]
    most = max(*shown, 1)
    return "".join(_STEPS[count * (len(_STEPS) - 1) // most] for count in shown)


def diff_lines(old: Inventory, new: Inventory) -> Iterator[Block]:
    """Yield both scans, what became more or less, and the models that came, went or changed."""
    for sign, inventory in (("−", old), ("+", new)):
        yield line((f"{sign} {inventory.store.place}", "head"), (f"  {date(inventory.scanned_at)}", "quiet"))
    yield line()
    yield _growth(totals(old), totals(new))
    found = table(Column(), Column(least=20, is_name=True), Column(right=True), Column(right=True), indent=2)
    for change in model_changes(old, new):
        grown = _signed(change.after - change.before)
        found.add(_SIGNS[change.kind], change.name, grown, (f"{size(change.before)} → {size(change.after)}", "quiet"))
    yield from section("Models", "head", [found])


def _growth(old: Totals, new: Totals) -> Block:
    found = table(Column(), Column(right=True), Column(right=True), indent=2)
    for field, change in growth(old, new).items():
        if change:
            is_count = field == "models"
            now = getattr(new, field)
            grown = _signed(change, is_count=is_count)
            found.add(_NAMES.get(field, field), grown, (f"now {number(now) if is_count else size(now)}", "quiet"))
    return found if found.rows else line(("Nothing became more or less", "quiet"), indent=2)


def _signed(change: int, *, is_count: bool = False) -> str:
    if not change:
        return "±0"
    return ("+" if change > 0 else "−") + (number(abs(change)) if is_count else size(abs(change)))
