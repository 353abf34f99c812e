"""A plan, its receipt, and a proposal to free space in words: what is deleted, what is kept, and why."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple, get_args

from prunella_core.advice.choice import Guard, ItemKind
from prunella_core.advice.free import Proposal, propose
from prunella_core.base.text import clean
from prunella_core.inventory.records import Inventory
from prunella_core.plan.records import Lost, Plan, PlannedFile, Receipt
from prunella_tui.report.format import (
    COMMANDS,
    Ways,
    blob_title,
    counted,
    files_of,
    names,
    only_here,
    short_digest,
    size,
    trash_title,
)
from prunella_tui.report.lines import Block, Column, Part, Table, line, listing, section, table

_FEW = 20
"""Rows worth a line each; of more, those with the same reason share a line."""
_FEW_OF_A_KIND = 10
"""Rows of one kind of a proposal worth a line each; more are summed up."""
_SMALL = 1_000
"""Files below this fraction (a thousandth) of the whole share a line."""
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


class _Row(NamedTuple):
    bytes: int
    what: str
    why: str
    files: int = 1


def plan_lines(inventory: Inventory, plan: Plan, ways: Ways = COMMANDS) -> Iterator[Block]:
    """Yield the whole plan, as a person should see it before agreeing to it."""
    yield from warning_lines(inventory, plan)
    yield line((_headline(plan, ways), "head"))
    if plan.models:
        yield line((", ".join(map(clean, plan.models)), "strong"), indent=2, hang=0)
    yield _table(_folded([*_deleted(plan)]))
    if plan.loaded:
        yield line((f"Loaded in Ollama: {names(plan.loaded)}; {ways.unload}", "warning"))
    yield from _missing(plan)
    kept = [
        _Row(row.allocated, short_digest(row.digest), f"used by {names(row.used_by)}" if row.used_by else row.reason)
        for row in plan.kept
    ]
    taken = size(sum(row.bytes for row in kept))
    yield from section(f"Keeps {counted(len(kept), 'blob')}, {taken}", "good", [_table(kept)])
    for title, rows in ((f"Held back ({ways.include})", plan.held_back), ("Forced despite", plan.overridden)):
        held = [_Row(row.allocated, row.path.removeprefix("blobs/"), row.reason) for row in rows]
        yield from section(title, "warning", [_table(held)])
    problems = (line(("✗ ", "bad"), f"{found.path}: {found.message}", indent=2) for found in plan.blocked)
    yield from section(f"Unreferenced blobs are kept until you fix this: {ways.fix}", "bad", problems)
    if plan.younger:
        taken = size(sum(row.allocated for row in plan.younger))
        yield line((f"Too recent: {counted(len(plan.younger), 'blob')}, {taken}", "quiet"))


def warning_lines(inventory: Inventory, plan: Plan) -> Iterator[Block]:
    """Yield the pinned models that are deleted, and those that cannot be downloaded again, wholly or in part."""
    models = filter(None, map(inventory.model_by_name.get, plan.models))
    if plan.mode != "restore" and (pinned := [model.name for model in models if model.is_pinned]):
        yield from (line(("⚑ Pinned: ", "warning"), (", ".join(pinned), "strong")), line())
    when = " once the trash is emptied" if plan.mode == "trash" else ""
    for title, is_whole in (("Not recoverable", True), ("Only partly recoverable", False)):
        if found := [lost for lost in plan.lost if lost.is_weights is is_whole]:
            yield line((f"{title}{when}: {counted(len(found), 'model')}", "bad"))
            for lost in found:
                yield line(("! ", "bad"), (lost.model, "strong"), (f"  {_why_lost(lost)}", "quiet"), indent=2)
            yield line()


def _why_lost(lost: Lost) -> str:
    if lost.is_weights:
        return f"created here; no other copy of its weights{'' if lost.origin.certainty == 'known' else ' (likely)'}"
    source = f"; the rest: ollama pull {lost.origin.source}" if lost.origin.source else ""
    return f"{only_here(lost.kinds)}{source}"


def _headline(plan: Plan, ways: Ways) -> str:
    models = f"{counted(len(plan.models), 'model')}, " if plan.models else ""
    what, taken = f"{models}{files_of(item.file.path for item in plan.files)}", size(plan.reclaims)
    if plan.mode == "restore":
        return f"Restore {what}: {taken}" if plan.files else "Nothing to restore"
    if not plan.files:
        return "Nothing to delete"
    if plan.mode == "trash":
        return f"Move to trash: {what}. Frees {taken} when emptied{ways.now}"
    return f"Delete {what}{' through Ollama' if plan.mode == 'server' else ''}. Frees {taken}"


def _deleted(plan: Plan) -> Iterator[_Row]:
    own = [item for item in plan.manifests if item.models and item.models[0] in plan.models]
    if own:
        yield _row(own, counted(len(own), "manifest"), "")
    yield from (_row([item], item.file.path, item.reason) for item in plan.manifests if item not in own)
    for _key, group in groupby(plan.blobs, key=lambda item: (item.digest or item.file.path, item.reason)):
        first, *more = items = list(group)
        what = short_digest(first.digest) or first.file.path.removeprefix("blobs/")
        why = f"only used by {names(first.models)}" if first.models else first.reason
        row = _row(items, f"{what} ({counted(len(items), 'file')})" if more else what, why)
        is_linked = row.bytes < sum(item.file.allocated for item in items)
        yield row._replace(why=f"{why}; other links keep its bytes") if is_linked else row
    for why, group in groupby(plan.trashed, key=lambda item: item.reason):
        items = list(group)
        digests = [item.digest for item in items if item.digest]
        yield _row(items, short_digest(digests[0]) if len(digests) == 1 else counted(len(items), "file"), why)


def _row(items: Sequence[PlannedFile], what: str, why: str) -> _Row:
    return _Row(sum(item.reclaims for item in items), what, why, len(items))


def _folded(rows: list[_Row]) -> list[_Row]:
    """Fold the trifles into one row: ``+3 small files, 12 kB``."""
    limit = sum(row.bytes for row in rows) // _SMALL
    large, small = ([row for row in rows if (row.bytes < limit * row.files) is wanted] for wanted in (False, True))
    files = sum(row.files for row in small)
    if files < 2:
        return rows
    return [*large, _Row(sum(row.bytes for row in small), f"+{counted(files, 'small file')}", "")]


def _table(rows: list[_Row]) -> Table:
    """The largest first; where there are too many to read, those with the same reason in one row."""
    if len(rows) > _FEW:
        alike: dict[str, list[_Row]] = {}
        for row in rows:
            alike.setdefault(row.why, []).append(row)
        rows = [
            _Row(sum(row.bytes for row in same), f"{len(same):,} blobs", why) if len(same) > 1 else same[0]
            for why, same in alike.items()
        ]
    rows = sorted(rows, key=lambda row: (row.what.startswith("+"), -row.bytes))
    columns = (Column(right=True), Column(least=12), Column(least=20))
    return table(columns, ((size(row.bytes), row.what, (row.why, "quiet")) for row in rows), indent=2)


def _missing(plan: Plan) -> Iterator[Block]:
    if count := len(plan.missing):
        yield line((f"{counted(count, 'blob')} {'is' if count == 1 else 'are'} missing: pull the model again", "bad"))


def receipt_title(receipt: Receipt) -> str:
    """Return what happened, in a few words."""
    if receipt.cancelled:
        return "Cancelled"
    done = {"trash": "Moved to trash", "restore": "Restored"}.get(receipt.plan.mode, "Deleted")
    return done if receipt.done else f"{done}, in part"


def receipt_lines(receipt: Receipt, ways: Ways = COMMANDS) -> Iterator[Block]:
    """Yield what really happened: measured and expected bytes, how to undo it, and everything that went wrong."""
    if receipt.plan.files:
        yield from _outcome(receipt, ways)
    yield from _missing(receipt.plan)
    if expired := receipt.expired:
        yield line(f"Expired trash emptied: freed {size(expired.freed)}, {counted(len(expired.removed), 'file')}")
    yield from (line((note, "warning")) for note in receipt.notes)
    yield from listing("Put back, because a new manifest needs them", "warning", receipt.returned)
    yield from listing("Failed", "bad", (f"{error.path}: {error.message}" for error in receipt.errors))


def _outcome(receipt: Receipt, ways: Ways) -> Iterator[Block]:
    files, plan = files_of(receipt.removed), receipt.plan
    if receipt.cancelled:
        done = f"{files} had already been deleted, {size(receipt.freed)}" if receipt.removed else "nothing was changed"
        yield line(("Cancelled", "warning"), f": {done}")
    elif plan.mode == "restore":
        what = f"{names(plan.models)}: {files}" if plan.models else files
        yield line((f"Restored {what}", "strong"), f", {size(plan.reclaims)}")
    elif plan.mode == "trash":
        moved, exact = size(receipt.trashed), _compared(receipt.trashed, plan)
        yield line((f"Moved to trash: {moved}", "strong"), f"{exact}, {files}")
        yield line(f"Nothing freed yet: {ways.empty} empties the trash")
        yield line(f"Undo: {ways.restore.format(receipt.id)}")
    else:
        yield line((f"Freed {size(receipt.freed)}", "strong"), f"{_compared(receipt.freed, plan)}, {files} deleted")


def _compared(measured: int, plan: Plan) -> str:
    exact = f" ({measured:,} bytes)" if measured >= 1000 else ""
    return f"{exact}, as planned" if measured == plan.reclaims else f"{exact}, {size(plan.reclaims)} planned"


def proposal_lines(inventory: Inventory, proposal: Proposal) -> Iterator[Block]:
    """Yield the whole proposal, as a person should see it before agreeing to it."""
    yield from warning_lines(inventory, proposal.plan)
    if not proposal.is_met:
        yield line((f"{shortfall(proposal)}:", "warning"))
    elif proposal.items:
        yield line((f"To free {size(proposal.target)}, delete permanently", "head"), f" ({summary(proposal)})")
    else:
        yield line((summary(proposal), "head"))
    why = Column("Why", least=20)
    columns = (Column("Frees", right=True), Column("Sum", right=True), Column("What", least=16), why)
    yield table(columns, _proposed(inventory, proposal), indent=2)
    if not proposal.target:
        return
    for sentence, guard in left_out(proposal):
        yield line(f"Left out: {sentence}", (f" (--also-{guard})", "quiet"))
    if held := proposal.held_back:
        files, taken = counted(len(held), "file"), size(sum(row.allocated for row in held))
        yield line((f"Held back: {files}, {taken}; a pull may be running", "warning"))
    if proposal.blocked:
        problems = counted(len(proposal.blocked), "problem")
        yield line((f"Models and blobs left out because of {problems}: prunella doctor", "bad"))


def _proposed(inventory: Inventory, proposal: Proposal) -> Iterator[tuple[Part, ...]]:
    entries = {entry.id: trash_title(entry) for entry in inventory.trash}
    total = 0
    for kind, items in groupby(proposal.items, key=lambda item: item.kind):
        group = list(items)
        if kind == "model":
            rows = [(item.frees, item.key, item.reason) for item in group]
        elif len(group) > _FEW_OF_A_KIND:
            rows = [(sum(item.frees for item in group), counted(len(group), *_KINDS[kind][:2]), _KINDS[kind][2])]
        else:
            titles = [entries.get(item.key) or blob_title(inventory.blob_by_key[item.key]) for item in group]
            rows = [(item.frees, f"{kind} {title}", item.reason) for item, title in zip(group, titles, strict=True)]
        for frees, what, reason in rows:
            total += frees
            yield size(frees), (size(total), "quiet"), (what, "strong"), (reason, "quiet")


def summary(proposal: Proposal) -> str:
    """Return in one line what is deleted, and the bytes that this frees."""
    if not proposal.items:
        return "Nothing to do: enough is already free" if proposal.is_met else "Nothing can be deleted"
    counts = Counter(item.kind for item in proposal.items)
    kinds = ", ".join(counted(counts[kind], one, many) for kind, (one, many, _why) in _KINDS.items() if counts[kind])
    return f"{kinds}: {size(proposal.reclaims)}"


def shortfall(proposal: Proposal) -> str:
    """Return what to say where the target is out of reach."""
    return f"Can't free {size(proposal.target)}: at most {size(proposal.reachable)}"


def left_out(proposal: Proposal) -> Iterator[tuple[str, Guard]]:
    """Yield a sentence for each reason why models are left out, with the guard to lift."""
    for guard, (one, many) in _WHY_NOT.items():
        if count := sum(guard in guards for guards in proposal.left_out.values()):
            yield f"{counted(count, 'model')} {one if count == 1 else many}", guard


def what_would_help(inventory: Inventory, proposal: Proposal) -> str:
    """Return which flags would free more, and how much; nothing where none would."""
    guards = " ".join(f"--also-{guard}" for _sentence, guard in left_out(proposal))
    if not guards:
        return ""
    loaded = proposal.removal.loaded or frozenset()
    most = propose(inventory, 0, inventory.scanned_at, loaded=loaded, allowed=get_args(Guard)).reachable
    return f"{guards} would allow {size(most)}"
