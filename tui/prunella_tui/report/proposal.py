"""A proposal of what to delete to free space, in words."""

from collections import Counter
from collections.abc import Iterator
from typing import get_args

from prunella_core.advice.free import Guard, Item, ItemKind, Proposal, propose
from prunella_core.inventory.records import Inventory
from prunella_tui.report.format import blob_title, counted, size, trash_title
from prunella_tui.report.lines import BAD, HEAD, QUIET, STRONG, WARNING, Block, Column, Table, line, table
from prunella_tui.report.plan import lost_lines
from prunella_tui.report.ways import COMMANDS, Ways

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


def proposal_lines(inventory: Inventory, proposal: Proposal, ways: Ways = COMMANDS) -> Iterator[Block]:
    """Yield the whole proposal, as a person should see it before agreeing to it."""
    yield from lost_lines(proposal.plan)
    if not proposal.is_met:
        yield line((f"{shortfall(proposal)}:", WARNING))
    elif proposal.items:
        yield line((f"To free {size(proposal.target)}, delete permanently", HEAD), f" ({summary(proposal)})")
    else:
        yield line((summary(proposal), HEAD))
    yield _rows(inventory, proposal)
    if not proposal.target:
        return
    for sentence, guard in left_out(proposal):
        yield line(f"Left out: {sentence}", (f" (--also-{guard})", QUIET))
    if proposal.held_back:
        held = f"{counted(len(proposal.held_back), 'file')}, {size(sum(row.allocated for row in proposal.held_back))}"
        yield line((f"Held back: {held}; a pull may be running", WARNING))
    if proposal.blocked:
        problems = counted(len(proposal.blocked), "problem")
        yield line((f"Models and blobs left out because of {problems}: {ways.fix}", BAD))


def _rows(inventory: Inventory, proposal: Proposal) -> Table:
    """What to delete, the most easily recovered first, with the running sum."""
    found = table(
        Column("Frees", right=True),
        Column("Sum", right=True),
        Column("What", least=16),
        Column("Why", least=20),
        indent=2,
    )
    counts = Counter(item.kind for item in proposal.items)
    entries = {entry.id: trash_title(entry) for entry in inventory.trash}
    total = summed = 0
    for number, item in enumerate(proposal.items):
        total += item.frees
        if item.kind == "model" or counts[item.kind] <= _FEW:
            title = (_title(inventory, item, entries), STRONG)
            found.add(size(item.frees), (size(total), QUIET), title, (item.reason, QUIET))
            continue
        summed += item.frees
        if number + 1 == len(proposal.items) or proposal.items[number + 1].kind != item.kind:
            what = (_counted(counts[item.kind], item.kind), STRONG)
            found.add(size(summed), (size(total), QUIET), what, (_KINDS[item.kind][2], QUIET))
            summed = 0
    return found


def _title(inventory: Inventory, item: Item, entries: dict[str, str]) -> str:
    if item.kind == "model":
        return item.key
    if item.kind == "trash":
        return f"trash: {entries[item.key]}"
    return f"{item.kind} {blob_title(inventory.blob_by_key[item.key])}"


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
