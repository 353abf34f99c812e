"""What is wrong with a store and how it is fixed, in words: problems, doctor, verify, repair."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prunella_core.base.text import clean
from prunella_core.inventory.problems import advice
from prunella_core.inventory.records import Inventory, Problem
from prunella_core.ollama.names import place_of
from prunella_core.plan.records import Plan, Repaired, RepairPlan, RepairReceipt
from prunella_core.plan.recover import damage, why_no_pull
from prunella_core.store import Store
from prunella_core.verify import VerifyProgress, VerifyResult
from prunella_tui.report.format import COMMANDS, Ways, counted, duration, names, number, rate, rest, short_digest, size
from prunella_tui.report.lines import Block, Span, line, names_below, section


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
    if inventory.store.exported_from is None and _is_pulled(inventory, problem):
        yield line(("→ ", "good"), f"Have Ollama pull what is damaged or missing: {ways.repair}", indent=2)
    yield line(("→ ", "good"), fix, indent=2)
    for entry in _trashed_with(inventory, problem):
        yield line(("→ ", "good"), f"Or restore what is in the trash of it: prunella restore {entry}", indent=2)
    if can_mark and problem.path in inventory.broken_by_path:
        yield line(("→ ", "good"), "Or delete the file: mark it with space, then d.", indent=2)


def _is_pulled(inventory: Inventory, problem: Problem) -> bool:
    """Whether it is of a blob that a pull may bring again."""
    model = inventory.model_by_name.get(problem.model or "")
    return model is not None and not why_no_pull(inventory, model) and bool(damage(inventory, model))


def _trashed_with(inventory: Inventory, problem: Problem) -> list[str]:
    """The IDs of removals that hold blobs which a model misses; with ``--swap`` where their own models are here too."""
    model = inventory.model_by_name.get(problem.model or "")
    missing = {blob.key for blob in inventory.blobs_of(model) if not blob.files} if model else set()
    if problem.kind != "missing-blob" or not missing:
        return []
    holding = (file.path for digest in sorted(missing) for file in inventory.trashed_files.get(digest, ()))
    found = {place_of(path).entry for path in holding}
    taken = {e.id for e in inventory.trash if any(each.name in inventory.model_by_name for each in e.models)}
    return [f"--swap {entry}" if entry in taken else entry for entry in sorted(found)]


def doctor_lines(inventory: Inventory, unfinished: bool, server: Mapping[str, Any]) -> Iterator[Block]:
    """Yield the store and why it was chosen, the server, and each problem."""
    yield from _store(inventory.store)
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
        yield line()
        yield from problem_lines(inventory, problem)


def _store(store: Store) -> Iterator[Block]:
    yield line((store.place, "head"))
    is_chosen = store.named and store.exported_from is None
    yield line((f"chosen by {store.why}" if is_chosen else store.why, "quiet"), indent=2)
    yield line(f"owner: {store.owner}; {'writable' if store.writable else 'read-only for you'}", indent=2)
    if not store.named:
        yield line(("Several stores found. Pick one: --store DIR", "warning"), indent=2)
    for other in store.other_stores:
        yield line(f"another store: {other}", indent=2)


def _server(server: Mapping[str, Any]) -> Iterator[Block]:
    if not server["address"]:
        return
    if not server["reachable"]:
        yield line((f"no Ollama server at {server['address']} (none is needed)", "quiet"), indent=2)
        return
    here = "serves this store" if server["serves_this_store"] else "serves another store"
    yield line(f"the Ollama server at {server['address']}, version {server['version'] or 'unknown'}, {here}", indent=2)
    if server["loaded"]:
        yield line((f"loaded: {', '.join(server['loaded'])}; their space returns when unloaded", "warning"), indent=2)


_MOST = 20


def progress_text(progress: VerifyProgress, seconds: float) -> str:
    """Return the progress after ``seconds``: files, bytes, rate and the time left."""
    parts = (
        f"{number(progress.files)} of {counted(progress.of_files, 'file')}",
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
        yield line(f"breaks {names(bad.models, _MOST)}" if bad.models else "no model uses it", indent=2)
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
    checked = f"{counted(result.checked, 'blob')} verified, {size(result.bytes)}"
    pace = f" in {duration(seconds)}, {rate(result.bytes, seconds)}" if seconds >= 1 else ""
    if result.cancelled:
        return line(("Cancelled", "warning"), f": {checked} so far{pace}: ", _outcome(result))
    return line(f"{checked}{pace}: ", _outcome(result))


def _outcome(result: VerifyResult) -> Span:
    if result.bad:
        return counted(len(result.bad), "damaged blob"), "bad"
    if result.changed:
        return f"{number(len(result.changed))} changed meanwhile", "warning"
    return "no damage found", "good"


NOTHING = "Nothing to repair: no blob is missing or known to be damaged"


def repair_lines(plan: RepairPlan) -> Iterator[Block]:
    """Yield what would be pulled, what is kept, and what cannot be repaired."""
    if plan.plans:
        yield line((f"Repair {counted(len(plan.plans), 'model')}: pull {size(plan.size)}", "head"))
        for each in plan.plans:
            yield line((clean(each.models[0]), "strong"), f"  {_harm(each)}", indent=2)
        if plan.along:
            yield line(f"Also repaired, as they need the same blobs: {names(plan.along)}", indent=2)
        yield line()
        yield line("Damaged blobs are moved to the trash, with a copy of the model, until the entry expires.")
        yield line("A pull may bring a newer version: prunella restore --swap ID undoes it.")
    elif not plan.refused:
        yield line((NOTHING, "good"))
        yield line(("prunella verify checks every blob against its hash", "quiet"))
    refused = (f"{each.model}: {each.reason}" for each in plan.refused)
    yield from section("Cannot be repaired", "bad", names_below(refused))


def _harm(plan: Plan) -> str:
    bad = dict.fromkeys(item.digest for item in plan.files if item.digest)
    parts = [f"{counted(len(bad), 'damaged blob')} ({_few(bad)})"] if bad else []
    parts += [f"{counted(len(plan.missing), 'missing blob')} ({_few(plan.missing)})"] if plan.missing else []
    return ", ".join(parts)


def _few(digests: Iterable[str]) -> str:
    return names([short_digest(digest) for digest in digests])


def repaired_title(receipt: RepairReceipt) -> str:
    """Return what happened, in a few words."""
    if receipt.cancelled:
        return "Cancelled"
    whole = any(each.is_whole for each in receipt.repaired)
    return "Repaired" if receipt.done else "Partly repaired" if whole else "Not repaired"


def repaired_lines(receipt: RepairReceipt) -> Iterator[Block]:
    """Yield what became of each model, and how to undo it."""
    for each in receipt.repaired:
        yield from _repaired(each)
    if receipt.expired:
        yield line(f"Expired trash emptied: freed {size(receipt.expired.freed)}")
    for note in receipt.notes:
        yield line((note, "warning"))
    refused = (f"{each.model}: {each.reason}" for each in receipt.plan.refused)
    yield from section("Cannot be repaired", "bad", names_below(refused))


def _repaired(each: Repaired) -> Iterator[Block]:
    if each.is_whole:
        version = "a newer version" if each.is_newer else "the same version"
        yield line(("✓ ", "good"), (clean(each.model), "strong"), f"  repaired, {version}")
    else:
        yield line(("✗ ", "bad"), (clean(each.model), "strong"), f"  not repaired: {clean(each.why_not)}")
    if each.entry and each.is_whole and not each.is_newer:
        yield line(f"The damaged data is in the trash; to free its space: prunella empty {each.entry}", indent=2)
    elif each.entry:
        yield line(f"The previous files are in the trash; to undo: prunella restore --swap {each.entry}", indent=2)
    elif not each.is_whole:
        yield line("It is as it was before.", indent=2)
