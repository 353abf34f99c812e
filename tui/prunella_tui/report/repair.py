"""A repair in words: what is downloaded again, what cannot be, and what became of each model."""

from collections.abc import Iterable, Iterator

from prunella_core.base.text import clean
from prunella_core.plan.records import Plan
from prunella_core.plan.repair import Repaired, RepairPlan, RepairReceipt
from prunella_tui.report.format import counted, names, short_digest, size
from prunella_tui.report.lines import Block, line, names_below, section

NOTHING = "Nothing to repair: no blob is missing or known to be damaged"


def repair_lines(plan: RepairPlan) -> Iterator[Block]:
    """Yield what would be pulled, what is kept, and what cannot be repaired."""
    if plan.plans:
        yield line((f"Repair {counted(len(plan.plans), 'model')}: pull {size(plan.size)}", "head"))
        for each in plan.plans:
            yield line((clean(each.models[0]), "strong"), f"  {_harm(each)}", indent=2)
        if plan.along:
            yield line(f"Also repaired, as they need the same blobs: {names(plan.along)}", indent=2)
        yield line()
        yield line("Damaged blobs are moved to the trash, with a copy of the model, until the entry expires.")
        yield line("A pull may bring a newer version: prunella restore --swap ID undoes it.")
    elif not plan.refused:
        yield line((NOTHING, "good"))
        yield line(("prunella verify checks every blob against its hash", "quiet"))
    refused = (f"{each.model}: {each.reason}" for each in plan.refused)
    yield from section("Cannot be repaired", "bad", names_below(refused))


def _harm(plan: Plan) -> str:
    bad = dict.fromkeys(item.digest for item in plan.files if item.digest)
    parts = [f"{counted(len(bad), 'damaged blob')} ({_few(bad)})"] if bad else []
    parts += [f"{counted(len(plan.missing), 'missing blob')} ({_few(plan.missing)})"] if plan.missing else []
    return ", ".join(parts)


def _few(digests: Iterable[str]) -> str:
    return names([short_digest(digest) for digest in digests])


def repaired_title(receipt: RepairReceipt) -> str:
    """Return what happened, in a few words."""
    if receipt.cancelled:
        return "Cancelled"
    whole = any(each.is_whole for each in receipt.repaired)
    return "Repaired" if receipt.done else "Partly repaired" if whole else "Not repaired"


def repaired_lines(receipt: RepairReceipt) -> Iterator[Block]:
    """Yield what became of each model, and how to undo it."""
    for each in receipt.repaired:
        yield from _repaired(each)
    if receipt.expired:
        yield line(f"Expired trash emptied: freed {size(receipt.expired.freed)}")
    for note in receipt.notes:
        yield line((note, "warning"))
    refused = (f"{each.model}: {each.reason}" for each in receipt.plan.refused)
    yield from section("Cannot be repaired", "bad", names_below(refused))


def _repaired(each: Repaired) -> Iterator[Block]:
    if each.is_whole:
        version = "a newer version" if each.is_newer else "the same version"
        yield line(("✓ ", "good"), (clean(each.model), "strong"), f"  repaired, {version}")
    else:
        yield line(("✗ ", "bad"), (clean(each.model), "strong"), f"  not repaired: {clean(each.why_not)}")
    if each.entry and each.is_whole and not each.is_newer:
        yield line(f"The damaged data is in the trash; to free its space: prunella empty {each.entry}", indent=2)
    elif each.entry:
        yield line(f"The previous files are in the trash; to undo: prunella restore --swap {each.entry}", indent=2)
    elif not each.is_whole:
        yield line("It is as it was before.", indent=2)
