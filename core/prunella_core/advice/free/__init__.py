"""Proposes what to let go so that a given space becomes free, with the least regret. Nothing is removed here.

The proposal is a ``Removal`` like any other: it is planned, reviewed and executed as such.
"""

from collections.abc import Collection

from prunella_core.advice.free.candidates import Candidate, Guard, ItemKind, LeftOut, candidates
from prunella_core.advice.free.cells import Cells, cells_of
from prunella_core.advice.free.exact import Outcome, improve
from prunella_core.advice.free.greedy import choose, drop_needless
from prunella_core.advice.free.proposal import Item, Proposal, told
from prunella_core.advice.free.reckoning import Reckoning
from prunella_core.inventory.records import Inventory
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Removal

__all__ = ["Candidate", "Guard", "Item", "ItemKind", "LeftOut", "Proposal", "propose"]


def propose(
    inventory: Inventory,
    target: int,
    now: float,
    *,
    loaded: Collection[str] = (),
    allowed: Collection[Guard] = (),
) -> Proposal:
    """Propose what to let go at ``now`` (seconds, UTC) so that ``target`` bytes leave the disk, with the least regret.

    Taking any item out would miss the target. Where all that may go is not enough, the proposal is the most there is.
    Pinned models, ``loaded`` ones, and those that nothing brings back whole are left out unless they are ``allowed``.
    """
    found = candidates(inventory, now, loaded, allowed)
    cells = cells_of(inventory, found.items, now)
    reachable = sum(cell.frees for cell in cells.cells)
    outcome = _solve(cells, max(min(target, reachable), 0))
    items = told(inventory, found.items, Reckoning(cells), outcome.items, now)
    return Proposal(
        target=max(target, 0),
        items=items,
        reachable=reachable,
        plan=make_plan(inventory, _removal(items, loaded), now),
        regret=outcome.regret,
        at_least=outcome.at_least,
        left_out=found.left_out,
        held_back=found.held_back,
        blocked=inventory.blocking,
    )


def _solve(cells: Cells, target: int) -> Outcome:
    reckoning = Reckoning(cells)
    first = choose(reckoning, target)
    outcome = improve(cells, target, first, reckoning.regret)
    reckoning.set_to(outcome.items)
    drop_needless(reckoning, target)
    return outcome._replace(items=frozenset(reckoning.chosen))


def _removal(items: tuple[Item, ...], loaded: Collection[str]) -> Removal:
    rows = ("leftover", "partial", "unreferenced")
    return Removal(
        models=tuple(item.key for item in items if item.kind == "model"),
        blobs=tuple(item.key for item in items if item.kind in rows),
        entries=tuple(item.key for item in items if item.kind == "trash"),
        loaded=frozenset(loaded),
    )
