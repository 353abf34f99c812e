"""What ``why`` shows."""

from collections.abc import Iterator

from rich.console import Group, RenderableType

from prunella_core.inventory.records import Blob, Inventory, State
from prunella_core.ledger.likely import likely_model
from prunella_tui.cli.views.words import BAD, QUIET, STATE_STYLES, STRONG, line
from prunella_tui.presentation import STATE_MARKS, counted, date, duration, size, whose

_MEANING = {
    State.UNREFERENCED: "no model needs it; prunella prune removes it",
    State.PARTIAL: "a download that never ended; pulling the model again would go on with it",
    State.LEFTOVER: "left over from a create or upload that never ended",
    State.TRASHED: "removed; prunella restore brings it back, prunella empty frees it",
    State.STRAY: "no file of Ollama's; it goes only when it is named: prunella rm",
}


def blob_view(inventory: Inventory, blob: Blob, identity: str | None, now: float) -> RenderableType:
    """Return what a blob is, and the answer to why it is there; ``identity`` is what its first bytes tell."""
    return Group(
        line((blob.digest or blob.key, STRONG)),
        line(f"{STATE_MARKS[blob.state]} {_answer(blob)}", indent=2),
        *(line(("● ", STATE_STYLES[State.REFERENCED]), name, indent=4) for name in blob.models),
        *_identity(inventory, blob, identity),
        *_facts(blob),
        *_since(blob, now),
        *_blocked(inventory, blob),
    )


def _answer(blob: Blob) -> str:
    users = counted(len(blob.models), "model")
    if blob.state is State.REFERENCED:
        return f"referenced: {users} {'needs' if len(blob.models) == 1 else 'need'} it"
    if blob.state is State.MISSING:
        return f"missing: it is not on the disk, and {users} cannot run without it"
    return f"{blob.state.value}: {_MEANING[blob.state]}"


def _identity(inventory: Inventory, blob: Blob, identity: str | None) -> Iterator[RenderableType]:
    if identity:
        yield line("by its first bytes: ", (identity, STRONG), indent=2)
    if model := likely_model(inventory, blob):
        yield line(whose(blob, model), indent=2)


def _facts(blob: Blob) -> Iterator[RenderableType]:
    what = f"{blob.kind}, " if blob.kind else ""
    taken = f"{size(blob.allocated)} on the disk" if blob.files else "nothing on the disk"
    yield line((f"{what}{size(blob.size)}, {taken}", QUIET), indent=2)
    for file in blob.files[:3]:
        target = f" → {file.target}" if file.target else ""
        links = f" ({file.links} hard links)" if file.links > 1 else ""
        yield line((f"{file.path}{target}{links}", QUIET), indent=2)
        if file.shared:
            kept = f"{size(file.shared)} of it lie in extents that other files share, and stay when it goes"
            yield line((kept, QUIET), indent=2)
    if len(blob.files) > 3:
        yield line((f"and {counted(len(blob.files) - 3, 'more file')}", QUIET), indent=2)


def _since(blob: Blob, now: float) -> Iterator[RenderableType]:
    if blob.written_at is None:
        return
    yield line((f"written {date(blob.written_at)}, {duration(now - blob.written_at)} ago", QUIET), indent=2)
    if blob.clock == "seen-referenced" and blob.idle_since is not None:
        seen = f"{date(blob.idle_since)}, {duration(now - blob.idle_since)} ago"
        yield line((f"last seen with a model {seen}: prune counts its age from there", QUIET), indent=2)
    elif blob.removed_at is not None:
        yield line((f"removed {date(blob.removed_at)}, {duration(now - blob.removed_at)} ago", QUIET), indent=2)
    elif blob.state is State.UNREFERENCED:
        yield line(("since when no model needs it is not known: prune counts its age from there", QUIET), indent=2)
    elif blob.state in (State.PARTIAL, State.LEFTOVER):
        yield line(("prune counts its age from there", QUIET), indent=2)


def _blocked(inventory: Inventory, blob: Blob) -> Iterator[RenderableType]:
    if blob.state is not State.UNREFERENCED:
        return
    for problem in inventory.blocking:
        yield line((f"! kept while there is a problem: {problem.path}: {problem.message}", BAD), indent=2)
