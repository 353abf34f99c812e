"""What is proposed to be let go, in words: what goes, why, the running sum, and what is left out."""

from collections.abc import Iterator

from rich.console import Group, RenderableType

from prunella_core.advice.free import Proposal
from prunella_core.inventory.records import Inventory
from prunella_core.plan.records import Plan
from prunella_tui.cli.views.grid import Column, Grid
from prunella_tui.cli.views.plan import lost_view
from prunella_tui.cli.views.words import BAD, QUIET, STRONG, WARNING, line
from prunella_tui.free_words import bound, not_proposed, rows, shortfall, summary
from prunella_tui.presentation import counted, size


def proposal_view(inventory: Inventory, proposal: Proposal, plan: Plan) -> RenderableType:
    """Return the whole proposal as a person should see it before agreeing to it."""
    return Group(*lost_view(plan), *_head(proposal), *_table(inventory, proposal), *_notes(proposal))


def _head(proposal: Proposal) -> Iterator[RenderableType]:
    if not proposal.is_met:
        yield line((f"{shortfall(proposal)}:", WARNING))
    elif proposal.items:
        yield line((f"To free {size(proposal.target)}, this can go for good", STRONG), f" ({summary(proposal)})")
    else:
        yield line((summary(proposal), STRONG))


def _table(inventory: Inventory, proposal: Proposal) -> Iterator[RenderableType]:
    grid = Grid(
        Column("Frees", right=True),
        Column("Sum", right=True),
        Column("What", least=16, folds=True),
        Column("Why", least=20, folds=True),
        indent=2,
    )
    for row in rows(inventory, proposal):
        grid.add(size(row.frees), (size(row.sum), QUIET), (row.what, STRONG), (row.why, QUIET))
    if grid.rows:
        yield grid


def _notes(proposal: Proposal) -> Iterator[RenderableType]:
    if not proposal.target:
        return
    if proposal.items and proposal.is_met:
        yield line((bound(proposal), QUIET))
    for sentence, guard in not_proposed(proposal):
        yield line(f"Not proposed: {sentence}", (f" (--also-{guard})", QUIET))
    if proposal.held_back:
        held = f"{counted(len(proposal.held_back), 'file')}, {size(sum(row.allocated for row in proposal.held_back))}"
        yield line((f"Held back for now: {held}; they may belong to a pull that is running", WARNING))
    if proposal.blocked:
        count = counted(len(proposal.blocked), "problem")
        yield line((f"No model or blob is proposed because of {count} (prunella doctor says how to mend it)", BAD))
