"""``prunella free``."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from prunella_tui.cli.options import Wishes, changes

if TYPE_CHECKING:
    from prunella_core.advice.free import Guard, Proposal
    from prunella_core.inventory.records import Inventory
    from prunella_core.plan.records import Plan
    from prunella_tui.cli.removing import Telling
    from prunella_tui.report.lines import Block


@click.command()
@click.argument("amount", metavar="[SIZE]", required=False)
@click.option("--until-free", metavar="SIZE|PERCENT", help="Until so much of the file system is free.")
@click.option("--max-store", metavar="SIZE", help="Until the store takes no more than this.")
@click.option("--also-local", is_flag=True, help="Models too that would not come back whole from anywhere.")
@click.option("--also-pinned", is_flag=True, help="Pinned models too.")
@click.option("--also-loaded", is_flag=True, help="Models too that the server has loaded; they are unloaded first.")
@changes
def command(
    amount: str | None,
    until_free: str | None,
    max_store: str | None,
    also_local: bool,
    also_pinned: bool,
    also_loaded: bool,
    **wishes: bool,
) -> int:
    """Free so much space, with the least regret: propose what can go, say why, and ask.

    What nothing needs goes first: leftovers, partial downloads, unreferenced blobs, the trash. Then models, by what it
    would take to bring them back and how long nobody used them. Models that share weights are one decision. Nothing is
    proposed that is not needed for the size. What goes is gone for good. Where there is not enough, nothing goes.

    Pinned and loaded models, and models that nothing brings back whole, are left alone unless you ask for them.

    \b
      prunella free 50GB --dry-run        what would go
      prunella free --until-free 20%      until a fifth of the disk is free
      prunella free --max-store 300GB     until the store takes no more than that
    """
    from prunella_core.advice.free import propose
    from prunella_tui.cli import removing
    from prunella_tui.cli.output import tell

    _refuse_unless_one([amount, until_free, max_store])
    wanted = Wishes(**wishes)
    inventory = removing.look_for_change(wanted.dry_run)
    target = _target(inventory, amount, until_free, max_store)
    server, loaded = removing.ask_server(inventory)
    asked: dict[Guard, bool] = {"local": also_local, "pinned": also_pinned, "loaded": also_loaded}
    allowed = [guard for guard in asked if asked[guard]]
    if loaded is None:  # then any of them may be
        loaded = frozenset(inventory.model_by_name)
        tell("The server does not answer, so every model counts as loaded.")
    proposal = propose(inventory, target, time.time(), loaded=loaded, allowed=allowed)
    telling = _telling(inventory, proposal)
    if not proposal.is_met:
        return _fall_short(inventory, proposal, wanted, telling)
    return removing.carry_out(inventory, proposal.plan, wanted, telling, server)


def _refuse_unless_one(goals: list[str | None]) -> None:
    if len([goal for goal in goals if goal is not None]) != 1:
        raise click.UsageError("say how much: one of SIZE, --until-free and --max-store", click.get_current_context())


def _target(inventory: "Inventory", amount: str | None, until: str | None, most: str | None) -> int:
    """Return the bytes that have to go. Raises InvalidInput."""
    from prunella_core.advice.free.goals import down_to, until_free
    from prunella_core.base.units import parse_size

    if until is not None:
        return until_free(inventory, until)
    return down_to(inventory, most) if most is not None else parse_size(amount or "")


def _telling(inventory: "Inventory", proposal: "Proposal") -> "Telling":
    from prunella_core.advice.free.document import proposal_fields
    from prunella_tui.cli.removing import Telling

    def view(_plan: "Plan") -> "Iterable[Block]":
        from prunella_tui.report.proposal import proposal_lines

        return proposal_lines(inventory, proposal)

    return Telling(view, proposal_fields(proposal))


def _fall_short(inventory: "Inventory", proposal: "Proposal", wishes: Wishes, telling: "Telling") -> int:
    """Tell what the most is that there is. Raises Refused unless only that was asked for."""
    from prunella_core.base.errors import Refused
    from prunella_tui.cli.codes import REFUSED
    from prunella_tui.cli.output import tell
    from prunella_tui.cli.removing import show_plan
    from prunella_tui.report.proposal import shortfall, what_would_help

    hint = f"{shortfall(proposal)}; {help_}" if (help_ := what_would_help(inventory, proposal)) else shortfall(proposal)
    if not wishes.dry_run:
        raise Refused(f"{hint}. Nothing was removed")
    show_plan(proposal.plan, wishes.as_json, telling)
    tell(f"{hint}.")
    return REFUSED
