"""What ``doctor`` shows."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding

from prunella_core.inventory.problems import advice
from prunella_core.inventory.records import Inventory, Problem
from prunella_core.store.locate import Store
from prunella_tui.cli.views.words import BAD, GOOD, QUIET, STRONG, WARNING, line
from prunella_tui.presentation import counted


def health_view(inventory: Inventory, unfinished: bool, server: Mapping[str, Any]) -> RenderableType:
    """Return the store and why this one, the server, and each problem with its meaning and mend."""
    parts: list[RenderableType] = [*_store(inventory.store), *_server(server)]
    if unfinished:
        parts.append(line(("A removal was interrupted; the next rm or prune finishes or undoes it first.", WARNING)))
    parts += [line(), *_problems(inventory)]
    return Group(*parts)


def _store(store: Store) -> Iterator[RenderableType]:
    yield line((store.place, STRONG))
    is_chosen = store.named and store.exported_from is None
    yield line((f"chosen because of {store.why}" if is_chosen else store.why, QUIET), indent=2)
    may = "you may remove things from it" if store.writable else "you may not remove anything from it"
    yield line(f"owned by {store.owner}; {may}", indent=2)
    if not store.named:
        yield line(("Nothing is removed until you say which store you mean: --store DIR", WARNING), indent=2)
    for other in store.other_stores:
        yield line(f"another store: {other}", indent=2)


def _server(server: Mapping[str, Any]) -> Iterator[RenderableType]:
    if not server["address"]:
        return
    if not server["reachable"]:
        yield line((f"no server answers at {server['address']}; none is needed", QUIET), indent=2)
        return
    here = "works on this store" if server["serves_this_store"] else "does not list the models of this store"
    yield line(f"the server at {server['address']} {here}", indent=2)
    if server["loaded"]:
        yield line(
            (f"loaded: {', '.join(server['loaded'])}; their space returns when they are unloaded", WARNING), indent=2
        )


def _problems(inventory: Inventory) -> Iterator[RenderableType]:
    if not inventory.problems:
        yield line(("No problems.", GOOD))
        return
    blocking = len(inventory.blocking)
    consequence = "no blob is removed as unreferenced meanwhile" if blocking else "none of them stops a prune"
    yield line((counted(len(inventory.problems), "problem"), STRONG), f"; {consequence}")
    for problem in inventory.problems:
        yield line()
        yield from _problem(problem, inventory.store)


def _problem(problem: Problem, store: Store) -> Iterator[RenderableType]:
    meaning, mend = advice(problem, store.root)
    mark = ("✗ ", BAD) if problem.blocks_prune else ("! ", WARNING)
    yield line(mark, (problem.path, STRONG))
    yield Padding(line(problem.message), (0, 0, 0, 2), expand=False)
    yield Padding(line((meaning, QUIET)), (0, 0, 0, 2), expand=False)
    yield Padding(line(("→ ", GOOD), mend), (0, 0, 0, 2), expand=False)
