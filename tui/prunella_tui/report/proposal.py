"""A proposal of what to delete to free space, in words."""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import get_args

from prunella_core.advice.free import Item, Proposal, propose
from prunella_core.advice.free.candidates import Guard, ItemKind
from prunella_core.inventory.records import Inventory
from prunella_tui.report.format import blob_title, counted, size, trash_title
from prunella_tui.report.lines import Block, Column, Table, line, table
from prunella_tui.report.plan import warning_lines

_FEW = 10
"""Rows of one kind worth a line each; more are summed up."""
_KINDS: dict[ItemKind, tuple[str, str, str]] = {
    "leftover": ("leftover", "leftovers", "temporary files of interrupted creates or uploads"),
    "partial": ("interrupted download", "interrupted downloads", "pulling again starts over"),
    "unreferenced": ("unreferenced blob", "unreferenced blobs", "no model uses them"),
    "trash": ("trash entry", "trash entries", "can't be restored afterwards"),
    "model": ("model", "models", ""),
}
_WHY_NOT: dict[Guard, tuple[str, str]] = {
    "pinned": ("is pinned", "are pinned"),
    "loaded": ("is loaded in Ollama", "are loaded in Ollama"),
    "local": ("can't be fully downloaded again", "can't be fully downloaded again"),
}


def proposal_lines(inventory: Inventory, proposal: Proposal) -> Iterator[Block]:
    """Yield the whole proposal, as a person should see it before agreeing to it."""
    yield from warning_lines(inventory, proposal.plan)
    if not proposal.is_met:
        yield line((f"{shortfall(proposal)}:", "warning"))
    elif proposal.items:
        yield line((f"To free {size(proposal.target)}, delete permanently", "head"), f" ({summary(proposal)})")
    else:
        yield line((summary(proposal), "head"))
    yield _rows(inventory, proposal)
    if not proposal.target:
        return
    for sentence, guard in left_out(proposal):
        yield line(f"Left out: {sentence}", (f" (--also-{guard})", "quiet"))
    if proposal.held_back:
        held = f"{counted(len(proposal.held_back), 'file')}, {size(sum(row.allocated for row in proposal.held_back))}"
        yield line((f"Held back: {held}; a pull may be running", "warning"))
    if proposal.blocked:
        problems = counted(len(proposal.blocked), "problem")
        yield line((f"Models and blobs left out because of {problems}: prunella doctor", "bad"))


def _rows(inventory: Inventory, proposal: Proposal) -> Table:
    """What to delete, the most easily recovered first, with the running sum."""
    why = Column("Why", least=20)
    found = table(Column("Frees", right=True), Column("Sum", right=True), Column("What", least=16), why, indent=2)
    entries = {entry.id: trash_title(entry) for entry in inventory.trash}
    total = 0
    for kind, items in groupby(proposal.items, key=lambda item: item.kind):
        group = list(items)
        rows = [(item.frees, _title(inventory, item, entries), item.reason) for item in group]
        if kind != "model" and len(group) > _FEW:
            rows = [(sum(item.frees for item in group), _counted(len(group), kind), _KINDS[kind][2])]
        for frees, what, reason in rows:
            total += frees
            found.add(size(frees), (size(total), "quiet"), (what, "strong"), (reason, "quiet"))
    return found


def _title(inventory: Inventory, item: Item, entries: dict[str, str]) -> str:
    if item.kind == "model":
        return item.key
    title = entries[item.key] if item.kind == "trash" else blob_title(inventory.blob_by_key[item.key])
    return f"{item.kind} {title}"


def _counted(count: int, kind: ItemKind) -> str:
    return counted(count, _KINDS[kind][0], _KINDS[kind][1])


def summary(proposal: Proposal) -> str:
    """Return in one line what is deleted, and the bytes that this frees."""
    if not proposal.items:
        return "Nothing to do: enough is already free" if proposal.is_met else "Nothing can be deleted"
    counts = Counter(item.kind for item in proposal.items)
    return f"{', '.join(_counted(counts[kind], kind) for kind in _KINDS if counts[kind])}: {size(proposal.reclaims)}"


def shortfall(proposal: Proposal) -> str:
    """Return what to say where the target is out of reach."""
    return f"Can't free {size(proposal.target)}: at most {size(proposal.reachable)}"


def left_out(proposal: Proposal) -> Iterator[tuple[str, Guard]]:
    """Yield a sentence for each reason why models are left out, with the guard to lift."""
    for guard, (one, many) in _WHY_NOT.items():
        count = sum(1 for left in proposal.left_out if guard in left.guards)
        if count:
            yield f"{counted(count, 'model')} {one if count == 1 else many}", guard


def what_would_help(inventory: Inventory, proposal: Proposal) -> str:
    """Return which flags would free more, and how much; nothing where none would."""
    guards = [guard for _sentence, guard in left_out(proposal)]
    if not guards:
        return ""
    loaded = proposal.removal.loaded or frozenset()
    most = propose(inventory, 0, inventory.scanned_at, loaded=loaded, allowed=get_args(Guard)).reachable
    return f"{' '.join(f'--also-{guard}' for guard in guards)} would allow {size(most)}"
