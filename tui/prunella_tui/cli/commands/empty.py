"""``prunella empty``."""

import time

import click

from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Empty
from prunella_tui.cli import removing
from prunella_tui.cli.completion import complete_entries
from prunella_tui.cli.options import Wishes, changes
from prunella_tui.cli.targets import find_entries


@click.command()
@click.argument("entries", metavar="[ID]...", nargs=-1, shell_complete=complete_entries)
@changes
def command(entries: tuple[str, ...], **wishes: bool) -> int:
    """Free what is in the trash: these removals, or all of them. What goes is gone for good.

    A blob that another removal still needs to be restored stays with it.

    \b
      prunella empty --dry-run
      prunella empty 20260102T030405-6f1d2a
    """
    wanted = Wishes(**wishes)
    inventory = removing.look_for_change(wanted.dry_run)
    plan = make_plan(inventory, Empty(entries=find_entries(inventory, entries)), time.time())
    return removing.carry_out(inventory, plan, wanted)
