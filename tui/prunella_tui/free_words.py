"""A proposal of what to let go in words, for the command line and the application."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple, get_args

from prunella_core.advice.free import Guard, Item, ItemKind, Proposal, propose
from prunella_core.base.text import clean
from prunella_core.inventory.records import Inventory
from prunella_tui.presentation import blob_title, counted, removed_title, size

_FEW = 10
"""Rows of rubbish that are worth a line each; more of a kind are summed up."""
_MANY: dict[ItemKind, tuple[str, str]] = {
    "leftover": ("leftover", "left over from creates or uploads"),
    "partial": ("partial download", "they broke off; a new pull would begin anew"),
    "unreferenced": ("unreferenced blob", "no model has needed them for a while"),
    "trash": ("removal in the trash", "they cannot be restored afterwards"),
}
_WHY_NOT: dict[Guard, tuple[str, str]] = {
    "pinned": ("is pinned", "are pinned"),
    "loaded": ("is loaded in the server", "are loaded in the server"),
    "local": ("would not come back whole from anywhere", "would not come back whole from anywhere"),
}


class Row(NamedTuple):
    """A line of a proposal: bytes of its own and with all before it, what goes, and why."""

    frees: int
    sum: int
    what: str
    why: str


def rows(inventory: Inventory, proposal: Proposal) -> Iterator[Row]:
    """What goes, what is recovered most easily first, with the running sum."""
    counts = Counter(item.kind for item in proposal.items)
    entries = {entry.id: removed_title(entry) for entry in inventory.trash}
    total = 0
    summed: dict[ItemKind, int] = {}
    for number, item in enumerate(proposal.items):
        total += item.frees
        if item.kind == "model" or counts[item.kind] <= _FEW:
            yield Row(item.frees, total, _title(inventory, item, entries), item.reason)
            continue
        summed[item.kind] = summed.get(item.kind, 0) + item.frees
        if number + 1 == len(proposal.items) or proposal.items[number + 1].kind != item.kind:
            what, why = _MANY[item.kind]
            yield Row(summed[item.kind], total, _counted(counts[item.kind], what), why)


def _title(inventory: Inventory, item: Item, entries: dict[str, str]) -> str:
    if item.kind == "model":
        return clean(item.key)
    if item.kind == "trash":
        return f"trash: {entries[item.key]}"
    return f"{item.kind} {blob_title(inventory.blob_by_key[item.key])}"


def _counted(count: int, what: str) -> str:
    return counted(count, what, what.replace("removal ", "removals ") if "removal " in what else None)


def summary(proposal: Proposal) -> str:
    """One line: what goes, and how much that frees."""
    if not proposal.items:
        return "Nothing has to go." if proposal.is_met else "There is nothing that may go."
    counts = Counter(item.kind for item in proposal.items)
    parts = [_counted(counts[kind], what) for kind, (what, _why) in _MANY.items() if counts[kind]]
    parts += [counted(counts["model"], "model")] if counts["model"] else []
    return f"{', '.join(parts)}: {size(proposal.reclaims)}"


def shortfall(proposal: Proposal) -> str:
    """What is to be said where the target is out of reach."""
    return f"{size(proposal.target)} cannot be freed: {size(proposal.reachable)} is the most there is"


def what_would_help(inventory: Inventory, proposal: Proposal) -> str:
    """What would have to be allowed to free more, and how much there were then; nothing where that is no more."""
    guards: list[Guard] = [guard for _sentence, guard in not_proposed(proposal)]
    if not guards:
        return ""
    loaded = proposal.removal.loaded or ()
    most = propose(inventory, 0, inventory.scanned_at, loaded=loaded, allowed=get_args(Guard)).reachable
    return f"{' '.join(f'--also-{guard}' for guard in guards)} would make it {size(most)}"


def not_proposed(proposal: Proposal) -> Iterator[tuple[str, Guard]]:
    """For each reason why models are left out, a sentence, and what would have to be allowed."""
    for guard, (one, many) in _WHY_NOT.items():
        names = [left.name for left in proposal.left_out if guard in left.guards]
        if names:
            yield f"{counted(len(names), 'model')} {one if len(names) == 1 else many}", guard


def bound(proposal: Proposal) -> str:
    """How good the choice is."""
    if proposal.is_best:
        return "No other choice would be regretted less."
    return f"This may be regretted up to {proposal.excess:.1%} more than the best choice."
