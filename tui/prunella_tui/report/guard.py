"""The guard in words."""

from collections.abc import Iterator

from prunella_core.guard.status import GuardRun, GuardStatus
from prunella_tui.report.format import BY_OLLAMA, counted, names, size, time_left
from prunella_tui.report.lines import Block, field, line


def status_lines(status: GuardStatus) -> Iterator[Block]:
    """Yield whether the guard is on, and what it holds."""
    if status.settings is None:
        yield line(("The guard is off", "head"))
        yield line("What Ollama itself deletes is gone at once. To keep it for a while: prunella guard on")
        return
    keep, limit, free = status.settings.keep, status.settings.max_size, status.settings.min_free
    yield line(("The guard is on", "head"))
    yield line(f"Guards {counted(status.models, 'model')} and {counted(status.blobs, 'blob')}")
    yield field("Keeps", f"{time_left(keep)}, at most {size(limit)}, while at least {size(free)} stay free")
    yield field("Takes", f"{size(status.extra_bytes)}: copies, and what Ollama deleted")
    rescued = counted(len(status.entries), "entry", "entries")
    yield field("Trash", f"{rescued} rescued (prunella trash)")


def run_lines(run: GuardRun) -> Iterator[Block]:
    """Yield what a run of the guard did."""
    for rescued in run.synced.rescued:
        what = names(list(rescued.models)) or "files"
        yield line(("Rescued ", "good"), (what, "strong"), f", {BY_OLLAMA[rescued.cause]}: ", rescued.id)
    if run.synced.rescued:
        yield line(("prunella restore NAME or ID brings it back", "quiet"))
    if run.synced.waits:
        yield line(f"Nothing is rescued right now: {run.synced.waits}")
    if run.emptied:
        files = counted(len(run.emptied.removed), "file")
        yield line(f"Deleted the oldest to stay within the limits: {files}, {size(run.emptied.freed)} freed")
