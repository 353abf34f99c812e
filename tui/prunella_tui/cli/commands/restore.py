"""``prunella restore``."""

import time

import click

from prunella_core.plan.build import make_plan
from prunella_tui.cli import removing
from prunella_tui.cli.completion import complete_trash
from prunella_tui.cli.options import Wishes, changes
from prunella_tui.cli.targets import find_restore


@click.command()
@click.argument("name", metavar="NAME|ID", shell_complete=complete_trash)
@click.option("--as", "under", metavar="NEWNAME", help="Bring it back under another name.")
@changes
def command(name: str, under: str | None, **wishes: bool) -> int:
    """Bring back a model or a whole removal from the trash: the same bytes, times and ID, without a download.

    A name that exists again is never overwritten. Of several removals of one name the last comes back.

    \b
      prunella restore my-assistant
      prunella restore my-assistant --as my-assistant:old
    """
    wanted = Wishes(**wishes)
    inventory = removing.look_for_change(wanted.dry_run)
    plan = make_plan(inventory, find_restore(inventory, name, under), time.time())
    return removing.carry_out(inventory, plan, wanted)
