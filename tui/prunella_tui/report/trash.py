"""The trash, the log and the guard in words."""

from collections import Counter
from collections.abc import Iterable, Iterator

from prunella_core.guard.status import GuardStatus
from prunella_core.guard.sync import GuardRun
from prunella_core.inventory.records import Inventory, TrashEntry
from prunella_core.ledger.log import Event, Fate, History, LogLine
from prunella_core.plan.build import trash_reclaims
from prunella_core.plan.records import Empty, Plan
from prunella_core.space.totals import totals
from prunella_tui.report import format as show
from prunella_tui.report.lines import Block, Column, field, line, listing, table_of
from prunella_tui.report.plan import plan_lines

_FATES: dict[Fate, str] = {"trashed": "in trash", "restored": "restored", "back": "back", "gone": "gone"}
_ACTIONS = {
    "trash": "to trash",
    "guard": "rescued",
    "move": "moved",
    "prune": "pruned",
    "empty": "emptied",
    "expire": "expired",
    "restore": "restored",
    "repair": "repaired",
}


def entry_lines(
    inventory: Inventory, entry: TrashEntry, now: float, retention: int, ways: show.Ways = show.COMMANDS
) -> Iterator[Block]:
    """Yield everything about an entry of the trash; ``retention`` in seconds."""
    remaining = entry.expires_at(retention) - now
    yield line((show.trash_title(entry), "head"))
    yield line()
    yield field("Deleted", show.when(entry.happened_at or entry.removed_at, now))
    if entry.happened_at is not None:
        yield field("Rescued", f"by the guard, {show.when(entry.removed_at, now)}")
    yield field("Expires", f"in {show.time_left(remaining)}" if remaining > 0 else "with the next operation")
    yield field("Frees", f"{show.size(trash_reclaims(inventory, entry))} when emptied ({ways.empty})")
    yield field("Restore", ways.restore.format(entry.id))
    yield field("ID", entry.id)
    yield from listing("Models", "strong", (f"{model.name}  {show.size(model.size)}" for model in entry.models))
    files = (file.path.split("/", 3)[3] for file in entry.files if not show.is_ours(file.path))
    yield from listing("Files", "strong", files)


def trash_lines(inventory: Inventory, retention: int, now: float) -> Iterator[Block]:
    """Yield the whole trash, the newest entry first; ``retention`` in seconds."""
    entries = [entry for entry in inventory.trash if not entry.is_spent]
    if not entries:
        yield line("The trash is empty")
        return
    yield table_of(
        entries[::-1],
        (Column("ID"), lambda entry: entry.id),
        (Column("DELETED", right=True), lambda entry: show.age(now - entry.removed_at)),
        (Column("EXPIRES", right=True), lambda entry: show.left(entry.expires_at(retention) - now)),
        (Column("FREES", right=True), lambda entry: show.size(trash_reclaims(inventory, entry))),
        (Column("MODELS", least=16), lambda entry: (show.trash_title(entry), "strong")),
    )
    total = show.size(totals(inventory).trashed)
    yield from (line(), line((f"{show.counted(len(entries), 'entry', 'entries')}, {total} on disk", "strong")))
    yield line(("prunella restore NAME or ID undoes a removal, prunella empty frees the space", "quiet"))


def emptying_lines(inventory: Inventory, plan: Plan, log: Iterable[LogLine]) -> Iterator[Block]:
    """Yield the models that a plan to empty the trash deletes, those first that exist nowhere else; then the plan."""
    request = plan.request
    chosen = request.entries if isinstance(request, Empty) else ()
    entries = [entry for entry in inventory.trash if not entry.is_spent and (chosen is None or entry.id in chosen)]
    pulls = {(model.entry, model.name): model.pull for logged in log for model in logged.models}
    found = [(model, pulls.get((entry.id, model.name))) for entry in entries for model in entry.models]
    lost = [(model.name, show.size(model.size)) for model, pull in found if pull == ""]
    if lost:
        yield line((f"Not recoverable: {show.counted(len(lost), 'model')}", "bad"))
        yield from (line(("! ", "bad"), (name, "strong"), f"  {taken}", indent=2) for name, taken in lost)
    for model, pull in found:
        if pull != "":
            again = f"  ollama pull {pull}" if pull else ""
            yield line((model.name, "strong"), f"  {show.size(model.size)}", (again, "quiet"), indent=2)
    if found:
        yield line()
    yield from plan_lines(inventory, plan)


def log_lines(history: History) -> Iterator[Block]:
    """Yield every removal and restore, the newest first, and how to download what is gone."""
    if not history.events:
        yield line("The log is empty")
        return
    yield table_of(
        history.events[::-1],
        (Column("WHEN"), lambda event: show.date(event.line.at)),
        (Column("WHAT"), lambda event: _ACTIONS.get(event.line.action) or _ACTIONS.get(event.line.mode, "deleted")),
        (Column("SIZE", right=True), lambda event: "–" if event.line.size is None else show.size(event.line.size)),
        (Column("NOW"), _now),
        (Column("MODELS", least=16), _what),
        (Column("ID", rank=1), lambda event: (event.line.id, "quiet")),
    )
    for logged in (event.line for event in reversed(history.events) if event.line.note):
        yield line((f"{logged.id}: {logged.note}", "warning"))
    if history.pullable:
        gone = f"{show.counted(len(history.pullable), 'model')} can be downloaded again: "
        yield from (line(), line(gone, ("prunella log --pull-list", "strong")))


def _what(event: Event) -> str:
    what = show.names([model.name for model in event.line.models]) or show.counted(event.line.files, "file")
    return f"{what} → {event.line.target}" if event.line.target else what


def _now(event: Event) -> str:
    counts = Counter(event.fates or (event.fate,))
    if len(counts) == 1:
        return _FATES[next(iter(counts))]
    return ", ".join(f"{count} {_FATES[fate]}" for fate, count in counts.items())


def status_lines(status: GuardStatus) -> Iterator[Block]:
    """Yield whether the guard is on, and what it holds."""
    if status.settings is None:
        yield line(("The guard is off", "head"))
        yield line("What Ollama itself deletes is gone at once. To keep it for a while: prunella guard on")
        return
    keep, limit, free = status.settings.keep, status.settings.max_size, status.settings.min_free
    yield line(("The guard is on", "head"))
    yield line(f"Guards {show.counted(status.models, 'model')} and {show.counted(status.blobs, 'blob')}")
    yield field(
        "Keeps", f"{show.time_left(keep)}, at most {show.size(limit)}, while at least {show.size(free)} stay free"
    )
    yield field("Takes", f"{show.size(status.extra_bytes)}: copies, and what Ollama deleted")
    rescued = show.counted(len(status.entries), "entry", "entries")
    yield field("Trash", f"{rescued} rescued (prunella trash)")


def run_lines(run: GuardRun) -> Iterator[Block]:
    """Yield what a run of the guard did."""
    for rescued in run.synced.rescued:
        what = show.names(list(rescued.models)) or "files"
        yield line(("Rescued ", "good"), (what, "strong"), f", {show.BY_OLLAMA[rescued.cause]}: ", rescued.id)
    if run.synced.rescued:
        yield line(("prunella restore NAME or ID brings it back", "quiet"))
    if run.synced.waits:
        yield line(f"Nothing is rescued right now: {run.synced.waits}")
    if run.emptied:
        files = show.counted(len(run.emptied.removed), "file")
        yield line(f"Deleted the oldest to stay within the limits: {files}, {show.size(run.emptied.freed)} freed")
