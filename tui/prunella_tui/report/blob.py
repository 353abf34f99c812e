"""A blob in words: what it is, which models use it, and since when none does."""

from collections.abc import Iterator

from prunella_core.inventory.records import Blob, Inventory, State
from prunella_core.ledger.ages import likely_model
from prunella_tui.report.format import STATE_MARKS, blob_title, counted, size, when
from prunella_tui.report.lines import Block, Tone, field, line, names_below, section

STATE_TONES: dict[State, Tone] = {
    State.REFERENCED: "good",
    State.UNREFERENCED: "warning",
    State.PARTIAL: "warning",
    State.LEFTOVER: "warning",
    State.MISSING: "bad",
}
_MOST = 20
_MEANINGS = {
    State.REFERENCED: "in use",
    State.UNREFERENCED: "no model uses it; prune deletes it",
    State.PARTIAL: "an interrupted download; pulling the model again resumes it",
    State.LEFTOVER: "a temporary file of an interrupted create or upload",
    State.STRAY: "not a file of Ollama; only deleted when you name it",
    State.MISSING: "not on disk; models that use it cannot run",
    State.TRASHED: "in the trash, can be restored",
}


def state_text(state: State) -> tuple[str, Tone]:
    """Return a state's sign and word."""
    return f"{STATE_MARKS[state]} {state.value}", STATE_TONES.get(state, "quiet")


def blob_lines(inventory: Inventory, blob: Blob, identity: str | None, now: float) -> Iterator[Block]:
    """Yield everything about a blob at ``now`` (seconds, UTC); ``identity`` is what its first bytes say it is."""
    yield line((blob.digest or blob_title(blob), "head"))
    yield line(state_text(blob.state), f": {_MEANINGS.get(blob.state, '')}")
    yield line()
    yield field("Kind", blob.kind or "unknown")
    if likely := contents(inventory, blob, identity):
        yield field("Content", likely)
    yield field("Size", size(blob.size))
    yield field("On disk", size(blob.allocated) if blob.files else "nothing")
    yield from _times(blob, now)
    if blob.state is State.UNREFERENCED and inventory.blocking:
        problems = (line(f"{problem.path}: {problem.message}", indent=2) for problem in inventory.blocking)
        yield from section("! Kept while these problems could hide a model that needs it", "bad", problems)
    yield from section(f"Used by {counted(len(blob.models), 'model')}", "strong", names_below(blob.models))
    yield from section("Files", "strong", _files(blob))


def contents(inventory: Inventory, blob: Blob, identity: str | None) -> str:
    """Return what an unreferenced row likely is: from its first bytes, and from which model."""
    model = likely_model(inventory, blob)
    older = "" if blob.state is State.PARTIAL else "an older "
    return ", ".join(filter(None, (identity, f"likely from {older}{model}" if model else None)))


def _times(blob: Blob, now: float) -> Iterator[Block]:
    if blob.written_at is not None:
        yield field("Written", when(blob.written_at, now))
    if blob.removed_at is not None:
        yield field("Deleted", when(blob.removed_at, now))
    elif blob.clock == "seen-referenced" and blob.idle_since is not None:
        yield field("In use", f"{when(blob.idle_since, now)}, last seen; its age counts from there")


def _files(blob: Blob) -> Iterator[Block]:
    for file in sorted(blob.files, key=lambda file: (len(file.path), file.path))[:_MOST]:  # part 2 before part 10
        yield line(file.path, indent=2)
        if file.target is not None:
            yield line((f"a link to {file.target}; deleting it keeps the target", "quiet"), indent=4)
        elif file.links > 1:
            yield line((f"{file.links} hard links: its space returns with the last one", "quiet"), indent=4)
        if file.shared:
            yield line((f"{size(file.shared)} shared with other files (reflink) stay on disk", "quiet"), indent=4)
    if len(blob.files) > _MOST:
        yield line((f"and {counted(len(blob.files) - _MOST, 'more file')}", "quiet"), indent=2)
