"""What is wrong with a store and how it is fixed, in words: problems, doctor, verify, repair."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prunella_core.base.text import clean
from prunella_core.inventory.problems import advice
from prunella_core.inventory.records import Inventory, Problem
from prunella_core.ollama.names import place_of
from prunella_core.plan.records import RepairPlan, RepairReceipt
from prunella_core.plan.recover import damage, why_no_pull
from prunella_core.store import Store
from prunella_core.verify import VerifyProgress, VerifyResult
from prunella_tui.report.format import COMMANDS, Ways, counted, duration, names, rate, rest, short_digest, size
from prunella_tui.report.lines import Block, Span, line, listing


def problem_lines(
    inventory: Inventory, problem: Problem, ways: Ways = COMMANDS, *, can_mark: bool = False
) -> Iterator[Block]:
    """Yield a problem; where rows can be marked, it says so of a file that can be deleted."""
    meaning, fix = advice(problem, inventory.store.root)
    mark: Span = ("✗ ", "bad") if problem.blocks_prune else ("! ", "warning")
    yield line(mark, (problem.path, "strong"))
    yield line(problem.message, indent=2, hang=0)
    yield line((meaning, "quiet"), indent=2, hang=0)
    if problem.blocks_prune:
        yield line(("Unreferenced blobs are kept until you fix it.", "quiet"), indent=2, hang=0)
    yield from (
        line(("→ ", "good"), sentence, indent=2) for sentence in _fixes(inventory, problem, fix, ways, can_mark)
    )


def _fixes(inventory: Inventory, problem: Problem, fix: str, ways: Ways, can_mark: bool) -> Iterator[str]:
    model = inventory.model_by_name.get(problem.model or "")
    can_pull = model and inventory.store.exported_from is None and not why_no_pull(inventory, model)
    if model and can_pull and damage(inventory, model):
        yield f"Have Ollama pull what is damaged or missing: {ways.repair}"
    yield fix
    if model and problem.kind == "missing-blob":
        missing = sorted(blob.key for blob in inventory.blobs_of(model) if not blob.files)
        holding = {place_of(file.path).entry for digest in missing for file in inventory.trashed_files.get(digest, ())}
        taken = {e.id for e in inventory.trash if any(each.name in inventory.model_by_name for each in e.models)}
        for entry in sorted(holding):
            swap = "--swap " if entry in taken else ""
            yield f"Or restore what is in the trash of it: prunella restore {swap}{entry}"
    if can_mark and problem.path in inventory.broken_by_path:
        yield "Or delete the file: mark it with space, then d."


def doctor_lines(inventory: Inventory, unfinished: bool, server: Mapping[str, Any]) -> Iterator[Block]:
    """Yield the store and why it was chosen, the server, and each problem."""
    yield from _store(inventory.store)
    if server["address"]:
        yield from _server(server)
    if unfinished:
        yield line(("A removal was interrupted; the next rm or prune repairs it first", "warning"))
    yield line()
    if not inventory.problems:
        yield line(("No problems", "good"))
        return
    effect = "unreferenced blobs are kept until you fix them" if inventory.blocking else "none of them blocks a prune"
    yield line((counted(len(inventory.problems), "problem"), "head"), f"; {effect}")
    for problem in inventory.problems:
        yield from (line(), *problem_lines(inventory, problem))


def _store(store: Store) -> Iterator[Block]:
    yield line((store.place, "head"))
    is_chosen = store.named and store.exported_from is None
    yield line((f"chosen by {store.why}" if is_chosen else store.why, "quiet"), indent=2)
    yield line(f"owner: {store.owner}; {'writable' if store.writable else 'read-only for you'}", indent=2)
    if not store.named:
        yield line(("Several stores found. Pick one: --store DIR", "warning"), indent=2)
    yield from (line(f"another store: {other}", indent=2) for other in store.other_stores)


def _server(server: Mapping[str, Any]) -> Iterator[Block]:
    address = server["address"]
    if not server["reachable"]:
        yield line((f"no Ollama server at {address} (none is needed)", "quiet"), indent=2)
        return
    here = "serves this store" if server["serves_this_store"] else "serves another store"
    yield line(f"the Ollama server at {address}, version {server['version'] or 'unknown'}, {here}", indent=2)
    if server["loaded"]:
        yield line((f"loaded: {', '.join(server['loaded'])}; their space returns when unloaded", "warning"), indent=2)


def progress_text(progress: VerifyProgress, seconds: float) -> str:
    """Return the progress after ``seconds``: files, bytes, rate and the time left."""
    parts = (
        f"{progress.files:,} of {counted(progress.of_files, 'file')}",
        f"{size(progress.bytes)} of {size(progress.of_bytes)}",
        rate(progress.bytes, seconds),
        rest(progress.share, seconds),
    )
    return " · ".join(filter(None, parts))


def verify_lines(result: VerifyResult, seconds: float, ways: Ways = COMMANDS) -> Iterator[Block]:
    """Yield what was found in ``seconds``: each damaged blob with the models it breaks, and the count."""
    for bad in result.bad:
        yield line(("✗ ", "bad"), (bad.path, "strong"))
        yield line(bad.problem, indent=2)
        yield line(f"breaks {names(bad.models, 20)}" if bad.models else "no model uses it", indent=2)
    for check in result.changed:
        yield line(("~ ", "warning"), check.path, ": changed while it was read; verify it again")
    if result.checked or not result.remembered:
        yield _count(result, seconds)
    if result.remembered:
        more = counted(result.remembered, "more blob" if result.checked else "blob")
        yield line(f"{more} verified by an earlier run and unchanged: ", ("no damage", "good"), ways.again)
    if result.cancelled:
        yield line(("The next run resumes here", "quiet"))
    if result.bad:
        yield line((f"To fix it: {ways.fix}", "quiet"))


def _count(result: VerifyResult, seconds: float) -> Block:
    outcome: Span = "no damage found", "good"
    if result.bad:
        outcome = counted(len(result.bad), "damaged blob"), "bad"
    elif result.changed:
        outcome = f"{len(result.changed):,} changed meanwhile", "warning"
    checked = f"{counted(result.checked, 'blob')} verified, {size(result.bytes)}"
    pace = f" in {duration(seconds)}, {rate(result.bytes, seconds)}" if seconds >= 1 else ""
    if result.cancelled:
        return line(("Cancelled", "warning"), f": {checked} so far{pace}: ", outcome)
    return line(f"{checked}{pace}: ", outcome)


def repair_lines(plan: RepairPlan) -> Iterator[Block]:
    """Yield what would be pulled, what is kept, and what cannot be repaired."""
    if plan.plans:
        yield line((f"Repair {counted(len(plan.plans), 'model')}: pull {size(plan.size)}", "head"))
        for each in plan.plans:
            bad = dict.fromkeys(item.digest for item in each.files if item.digest)
            harm = ", ".join(filter(None, (_few(bad, "damaged blob"), _few(each.missing, "missing blob"))))
            yield line((clean(each.models[0]), "strong"), f"  {harm}", indent=2)
        if plan.along:
            yield line(f"Also repaired, as they need the same blobs: {names(plan.along)}", indent=2)
        yield line()
        yield line("Damaged blobs are moved to the trash, with a copy of the model, until the entry expires.")
        yield line("A pull may bring a newer version: prunella restore --swap ID undoes it.")
    elif not plan.refused:
        yield line(("Nothing to repair: no blob is missing or known to be damaged", "good"))
        yield line(("prunella verify checks every blob against its hash", "quiet"))
    yield from _not_repaired(plan)


def _few(digests: Iterable[str], what: str) -> str:
    short = [short_digest(digest) for digest in digests]
    return f"{counted(len(short), what)} ({names(short)})" if short else ""


def _not_repaired(plan: RepairPlan) -> Iterator[Block]:
    return listing("Cannot be repaired", "bad", (f"{name}: {why}" for name, why in plan.refused.items()))


def repaired_title(receipt: RepairReceipt) -> str:
    """Return what happened, in a few words."""
    if receipt.cancelled:
        return "Cancelled"
    whole = any(each.is_whole for each in receipt.repaired)
    return "Repaired" if receipt.done else "Partly repaired" if whole else "Not repaired"


def repaired_lines(receipt: RepairReceipt) -> Iterator[Block]:
    """Yield what became of each model, and how to undo it."""
    for each in receipt.repaired:
        if each.is_whole:
            version = "a newer version" if each.is_newer else "the same version"
            yield line(("✓ ", "good"), (each.model, "strong"), f"  repaired, {version}")
        else:
            yield line(("✗ ", "bad"), (each.model, "strong"), f"  not repaired: {each.why_not}")
        if each.entry and each.is_whole and not each.is_newer:
            yield line(f"The damaged data is in the trash; to free its space: prunella empty {each.entry}", indent=2)
        elif each.entry:
            yield line(f"The previous files are in the trash; to undo: prunella restore --swap {each.entry}", indent=2)
        elif not each.is_whole:
            yield line("It is as it was before.", indent=2)
    if receipt.expired:
        yield line(f"Expired trash emptied: freed {size(receipt.expired.freed)}")
    yield from (line((note, "warning")) for note in receipt.notes)
    yield from _not_repaired(receipt.plan)
