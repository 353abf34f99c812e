"""A plan and a receipt in words, for the review and the result."""

from collections.abc import Iterable, Iterator

from textual.content import Content

from prunella_core.base.text import clean
from prunella_core.plan.records import HeldBack, Plan, PlannedFile, Receipt
from prunella_tui import presentation as show
from prunella_tui.origin_words import lost_by_title, lost_for_good

_MUTED = "$foreground 60%"
_MOST = 200


def plan_text(plan: Plan) -> Content:
    """Everything that goes, everything that stays, and why."""
    return Content("\n").join(
        [*_lost(plan), *_goes(plan), *_loaded(plan), *_stays(plan), *_held(plan), *_blocked(plan)]
    )


def _lost(plan: Plan) -> Iterator[Content]:
    """What cannot come back, first and apart: whole models, then those that lose a part."""
    for title, rows in lost_by_title(plan):
        yield _heading(f"{title}: {show.counted(len(rows), 'model')}", "bold $text-error")
        for lost in rows[:_MOST]:
            yield Content.assemble(f"  ! {clean(lost.model)}  ", (lost_for_good(lost), _MUTED))
        yield from _and_more(len(rows))
        yield Content("")


def _loaded(plan: Plan) -> Iterator[Content]:
    if plan.loaded:
        yield Content("")
        yield _heading(f"Loaded in the server: {show.names(plan.loaded)}", "bold $text-warning")
        yield Content.styled("  It is unloaded first, since its space returns only then.", _MUTED)


def _heading(text: str, style: str = "bold") -> Content:
    return Content.styled(text, style)


def _goes(plan: Plan) -> Iterator[Content]:
    if not plan.files:
        yield _heading("Nothing goes.")
        return
    yield _heading(f"Goes: {_counts(plan)}", "bold $text-error")
    for name in plan.models[:_MOST]:
        yield Content(f"  model  {clean(name)}")
    for item in plan.manifests:
        if not item.models or item.models[0] not in plan.models:
            yield Content(f"  broken manifest  {clean(item.file.path)}")
    blobs = _blobs(plan)
    for items in blobs[:_MOST]:
        yield from _blob(items)
    yield from _and_more(len(blobs))
    for item in sorted(plan.trashed, key=lambda item: -item.reclaims)[:_MOST]:
        if item.digest:
            what = show.short_digest(item.digest)
            yield Content.assemble(f"  trash  {what:<12} {show.size(item.reclaims):>9}  ", (clean(item.reason), _MUTED))
    yield from _and_more(len(plan.trashed))


def _blobs(plan: Plan) -> list[list[PlannedFile]]:
    """The files of each blob together, the largest blob first: a download may have many parts."""
    together: dict[str, list[PlannedFile]] = {}
    for item in plan.blobs:
        together.setdefault(f"{item.digest or item.file.path} {item.reason}", []).append(item)
    return sorted(together.values(), key=lambda items: -sum(item.reclaims for item in items))


def _blob(items: list[PlannedFile]) -> Iterator[Content]:
    what = show.short_digest(items[0].digest) or clean(items[0].file.path.removeprefix("blobs/"))
    frees = sum(item.reclaims for item in items)
    many = f" ({show.counted(len(items), 'file')})" if len(items) > 1 else ""
    yield Content.assemble(f"  blob   {what:<12} {show.size(frees):>9}  ", (clean(items[0].reason) + many, _MUTED))
    if frees < sum(item.file.allocated for item in items):
        yield Content.styled("         other links or shared extents keep its bytes on the disk", _MUTED)


def _counts(plan: Plan) -> str:
    counts = [show.counted(len(plan.models), "model")] if plan.models else []
    broken = len(plan.manifests) - len(plan.models)
    counts += [show.counted(broken, "broken manifest")] if broken else []
    counts += [show.counted(len(plan.blobs), "file") + " in blobs/"] if plan.blobs else []
    counts += [show.counted(len(plan.trashed), "file") + " in the trash"] if plan.trashed else []
    return ", ".join(counts)


def _stays(plan: Plan) -> Iterator[Content]:
    if not plan.kept:
        return
    yield Content("")
    total = show.size(sum(kept.allocated for kept in plan.kept))
    yield _heading(f"Stays: {show.counted(len(plan.kept), 'blob')}, {total}", "bold $text-success")
    for kept in sorted(plan.kept, key=lambda kept: -kept.allocated)[:_MOST]:
        why = f"used by {show.names(kept.used_by, 2)}" if kept.used_by else kept.reason
        size = show.size(kept.allocated)
        yield Content.assemble(f"  blob   {show.short_digest(kept.digest):<12} {size:>9}  ", (why, _MUTED))
    yield from _and_more(len(plan.kept))


def _held(plan: Plan) -> Iterator[Content]:
    for title, rows in (("Held back", plan.held_back), ("Forced, although", plan.overridden)):
        if rows:
            yield Content("")
            yield _heading(f"{title}: {show.counted(len(rows), 'file')}", "bold $text-warning")
            yield from _held_rows(rows)


def _held_rows(rows: tuple[HeldBack, ...]) -> Iterator[Content]:
    for row in rows[:_MOST]:
        yield Content.assemble(f"  {clean(row.path.removeprefix('blobs/'))[:30]}  ", (row.reason, _MUTED))
    yield from _and_more(len(rows))


def _blocked(plan: Plan) -> Iterator[Content]:
    if not plan.blocked:
        return
    yield Content("")
    yield _heading("Blobs are kept because of", "bold $text-error")
    for problem in plan.blocked[:_MOST]:
        yield Content(f"  {clean(problem.model or problem.path)}: {clean(problem.message)}")
    yield Content.styled("  See the tab Problems for how to mend it.", _MUTED)


def _and_more(count: int) -> Iterator[Content]:
    if count > _MOST:
        yield Content.styled(f"  and {show.number(count - _MOST)} more", _MUTED)


_DONE = {
    "trash": "Moved to trash",
    "delete": "Deleted",
    "restore": "Restored",
    "server": "Deleted by the server",
}


def receipt_title(receipt: Receipt) -> str:
    """What happened, in a line."""
    if receipt.cancelled:
        return "Cancelled"
    done = _DONE[receipt.plan.mode]
    return done if receipt.done else f"{done}, in part"


def receipt_text(receipt: Receipt) -> Content:
    """What really happened: measured and expected, how to undo it, and everything that went otherwise."""
    lines = [*_sizes(receipt), Content.assemble((_LABELS["files"], _MUTED), show.counted(len(receipt.removed), "file"))]
    if receipt.plan.mode == "trash" and receipt.removed:
        lines += [Content(""), Content("Nothing freed yet: e empties the trash, u undoes this")]
    if receipt.cancelled and not receipt.removed:
        lines.append(Content.styled("Cancelled: everything is where it was.", "$text-warning"))
    if receipt.plan.missing:
        many = show.counted(len(receipt.plan.missing), "blob is", "blobs are")
        lines.append(Content.styled(f"{many} missing: pull the model again.", "$text-warning"))
    if receipt.expired:
        lines += [Content(""), Content(f"Expired trash emptied: {show.size(receipt.expired.freed)} freed.")]
    lines += [Content.styled(clean(note), "$text-warning") for note in receipt.notes]
    lines += _list("Put back, because a new manifest needs them", receipt.returned)
    lines += _list("Could not be deleted", (f"{error.path}: {error.message}" for error in receipt.errors))
    return Content("\n").join(lines)


_LABELS = {
    "trash": "In the trash  ",
    "delete": "Freed         ",
    "restore": "Restored      ",
    "server": "Freed         ",
    "files": "Files         ",
}


def _sizes(receipt: Receipt) -> list[Content]:
    mode = receipt.plan.mode
    measured = {"trash": receipt.trashed, "restore": receipt.plan.reclaims}.get(mode, receipt.freed)
    rows = [Content.assemble((_LABELS[mode], _MUTED), (show.size(measured), "bold $text-success"), _exact(measured))]
    if mode != "restore":
        predicted = receipt.plan.reclaims
        rows.append(Content.assemble(("Expected      ", _MUTED), show.size(predicted), _exact(predicted)))
    return rows


def _exact(count: int) -> tuple[str, str]:
    return f"  ({show.number(count)} bytes)", _MUTED


def _list(title: str, items: Iterable[str]) -> list[Content]:
    rows = [Content(f"  {clean(item)}") for item in items]
    return [Content(""), _heading(title, "bold $text-warning"), *rows[:_MOST]] if rows else []
