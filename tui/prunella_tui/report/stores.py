"""The stores of a machine, and a copy from one to another, in words."""

import os
from collections.abc import Iterable, Iterator, Sequence

from prunella_core.base.text import clean, for_a_shell
from prunella_core.copy import CopyPlan, CopyReceipt, NotCopied, Target
from prunella_core.store import Store
from prunella_core.store.locate import FoundStore, blob_bytes
from prunella_tui.report.format import counted, duration, names, rate, size
from prunella_tui.report.lines import Block, Column, line, names_below, section, table


def stores_lines(found: Sequence[FoundStore], chosen: Store | None) -> Iterator[Block]:
    """Yield the stores that were found, and which one is used."""
    rows = table(Column(), Column("STORE", is_name=True), Column("ON DISK", right=True), Column("OWNER"), Column("WHY"))
    for store in found:
        mark = "✓" if chosen and chosen.named and store.is_at(chosen.root) else ""
        rows.add(mark, (store.path, "strong"), _bytes(store), store.owner, (store.why, "quiet"))
    if found:
        yield from (rows, line())
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


_MOST = 20


def copy_lines(plan: CopyPlan) -> Iterator[Block]:
    """Yield what would be copied, what is there already, and what cannot be copied."""
    if plan.models:
        yield line((f"Copy {counted(len(plan.models), 'model')} to {clean(plan.target.root)}: {_amount(plan)}", "head"))
        yield line((names([_renamed(model.name, model.under) for model in plan.models], _MOST), "strong"), indent=2)
    elif not plan.refused:
        yield line("Nothing to copy: no model matches")
    if plan.skipped:
        yield line(f"Already there: {size(plan.skipped)}", indent=2)
    if plan.shared:
        yield line(f"Shared by these models, copied once: {size(plan.shared)}", indent=2)
    if plan.copies:
        room = "as reflinks, which take almost no space" if plan.shares else f"{size(plan.free)} free there"
        yield line(f"Needs {size(plan.needed)}, {room}", indent=2)
    yield from _refused(plan.refused)


def target_text(target: Target) -> str:
    """Return what a folder is before anything is copied to it."""
    where = f" on {clean(target.file_system)}" if target.file_system else ""
    if target.is_store:
        return f"An Ollama store with {counted(len(target.models), 'model')}{where}"
    return f"{'An empty' if os.path.exists(target.store.root) else 'A new'} folder{where}"


def _amount(plan: CopyPlan) -> str:
    if plan.is_empty:
        return "everything is there already"
    return f"{size(plan.written)} to write in {counted(len(plan.copies), 'blob')}"


def _renamed(name: str, under: str) -> str:
    return name if name == under else f"{name} as {under}"


def _refused(refused: Iterable[NotCopied]) -> Iterator[Block]:
    yield from section("Not copied", "bad", names_below(f"{each.name}: {each.reason}" for each in refused))


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
    plan = receipt.plan
    if receipt.models:
        done = f"{counted(len(receipt.models), 'model')} {'is' if len(receipt.models) == 1 else 'are'}"
        yield line((f"{done} in {clean(plan.target.root)}", "strong"), f": {_written(receipt, seconds)}")
    if receipt.cancelled:
        yield line(("Cancelled", "warning"), f": {size(receipt.written)} written; copying again resumes here")
    elif receipt.models:
        yield line((f"Use it: OLLAMA_MODELS={for_a_shell(plan.target.root)} ollama serve", "quiet"))
    yield from _refused(plan.refused)
    errors = (f"{error.path}: {error.message}" for error in receipt.errors)
    yield from section("Failed", "bad", names_below(errors))


def _written(receipt: CopyReceipt, seconds: float) -> str:
    parts = [f"{size(receipt.written)} written"]
    if seconds >= 1 and receipt.written:
        parts.append(f"in {duration(seconds)}, {rate(receipt.written, seconds)}")
    parts += [f"{size(receipt.cloned)} as reflinks"] if receipt.cloned else []
    parts += [f"{size(receipt.skipped)} already there"] if receipt.skipped else []
    parts += [f"{size(receipt.verified)} of it verified"] if receipt.verified else []
    return ", ".join(parts)
