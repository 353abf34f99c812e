"""The stores of a machine, and a copy from one to another, in words."""

import os
from collections.abc import Iterable, Iterator, Sequence

from prunella_core.base.text import clean, for_a_shell
from prunella_core.copy.plan import CopyPlan, Target
from prunella_core.copy.run import CopyReceipt
from prunella_core.store import Store
from prunella_core.store.locate import FoundStore, blob_bytes
from prunella_tui.report.format import counted, duration, names, rate, size
from prunella_tui.report.lines import Block, Column, line, listing, table_of


def stores_lines(found: Sequence[FoundStore], chosen: Store | None) -> Iterator[Block]:
    """Yield the stores that were found, and which one is used."""
    here = chosen.root if chosen and chosen.named else None
    if found:
        yield table_of(
            found,
            (Column(), lambda store: "✓" if here is not None and store.is_at(here) else ""),
            (Column("STORE", is_name=True), lambda store: (store.path, "strong")),
            (Column("ON DISK", right=True), _bytes),
            (Column("OWNER"), lambda store: store.owner),
            (Column("WHY"), lambda store: (store.why, "quiet")),
        )
        yield line()
    yield from closed_lines(found)
    if chosen and chosen.named:
        yield line(f"Used here: {chosen.root} ({chosen.why})")
    elif chosen:
        yield line(("Several stores found. Pick one: --store DIR, PRUNELLA_STORE, or store in config.toml", "warning"))


def about(store: FoundStore) -> str:
    """Return what is known of a store."""
    return f"{_bytes(store)} · owner {store.owner} · {store.why}"


def closed_lines(found: Iterable[FoundStore]) -> Iterator[Block]:
    """Yield how to look into stores that this user can't read."""
    for store in found:
        if not store.is_readable:
            yield line(("! ", "warning"), f"You can't read {store.path} ({store.why}). Try:")
            yield line(store.way_in, indent=2)


def _bytes(store: FoundStore) -> str:
    count = blob_bytes(store.path)
    return "?" if count is None else size(count)


def target_text(target: Target) -> str:
    """Return what a folder is before anything is copied to it."""
    where = f" on {clean(target.file_system)}" if target.file_system else ""
    if target.is_store:
        return f"An Ollama store with {counted(len(target.models), 'model')}{where}"
    return f"{'An empty' if os.path.exists(target.store.root) else 'A new'} folder{where}"


def copy_lines(plan: CopyPlan) -> Iterator[Block]:
    """Yield what would be copied, what is there already, and what cannot be copied."""
    if plan.models:
        amount = f"{size(plan.written)} to write in {counted(len(plan.copies), 'blob')}"
        what = "everything is there already" if plan.is_empty else amount
        yield line((f"Copy {counted(len(plan.models), 'model')} to {clean(plan.target.root)}: {what}", "head"))
        renamed = [each.name if each.name == each.under else f"{each.name} as {each.under}" for each in plan.models]
        yield line((names(renamed, 20), "strong"), indent=2)
    elif not plan.refused:
        yield line("Nothing to copy: no model matches")
    if plan.skipped:
        yield line(f"Already there: {size(plan.skipped)}", indent=2)
    if plan.shared:
        yield line(f"Shared by these models, copied once: {size(plan.shared)}", indent=2)
    if plan.copies:
        room = "as reflinks, which take almost no space" if plan.shares else f"{size(plan.free)} free there"
        yield line(f"Needs {size(plan.needed)}, {room}", indent=2)
    yield from _not_copied(plan)


def _not_copied(plan: CopyPlan) -> Iterator[Block]:
    return listing("Not copied", "bad", (f"{each.name}: {each.reason}" for each in plan.refused))


def shortage(plan: CopyPlan) -> str | None:
    """Return in a sentence why the other file system has too little room; ``None`` where it has enough."""
    if plan.needed <= plan.free:
        return None
    return f"{clean(plan.target.root)} has {size(plan.free)} free, and the copy needs {size(plan.needed)}"


def copied_title(receipt: CopyReceipt) -> str:
    """Return what happened, in a few words."""
    if receipt.cancelled:
        return "Cancelled"
    if not receipt.models:
        return "Nothing was copied"
    return "Copied" if receipt.done else "Partly copied"


def copied_lines(receipt: CopyReceipt, seconds: float) -> Iterator[Block]:
    """Yield what was copied in ``seconds``, how to use it, and what was not copied."""
    target = receipt.plan.target.root
    if receipt.models:
        done = f"{counted(len(receipt.models), 'model')} {'is' if len(receipt.models) == 1 else 'are'}"
        has_pace = seconds >= 1 and receipt.written
        parts = (
            f"{size(receipt.written)} written",
            f"in {duration(seconds)}, {rate(receipt.written, seconds)}" if has_pace else "",
            f"{size(receipt.cloned)} as reflinks" if receipt.cloned else "",
            f"{size(receipt.skipped)} already there" if receipt.skipped else "",
            f"{size(receipt.verified)} of it verified" if receipt.verified else "",
        )
        yield line((f"{done} in {clean(target)}", "strong"), f": {', '.join(filter(None, parts))}")
    if receipt.cancelled:
        yield line(("Cancelled", "warning"), f": {size(receipt.written)} written; copying again resumes here")
    elif receipt.models:
        yield line((f"Use it: OLLAMA_MODELS={for_a_shell(target)} ollama serve", "quiet"))
    yield from _not_copied(receipt.plan)
    yield from listing("Failed", "bad", (f"{error.path}: {error.message}" for error in receipt.errors))
