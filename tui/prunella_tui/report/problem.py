"""Problems and the state of a store in words: what is wrong, what it means, and how to fix it."""

from collections.abc import Iterator, Mapping
from typing import Any

from prunella_core.inventory.problems import advice
from prunella_core.inventory.records import Inventory, Problem
from prunella_core.ollama.paths import place_of
from prunella_core.plan.repair import damage, why_no_pull
from prunella_core.store.locate import Store
from prunella_tui.report.format import counted
from prunella_tui.report.lines import Block, Span, line
from prunella_tui.report.ways import COMMANDS, Ways


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
    return model is not None and not why_no_pull(inventory, model) and bool(damage(inventory, model).digests)


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
