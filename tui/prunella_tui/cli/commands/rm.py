"""``prunella rm``."""

import time

import click

from prunella_core.planning import make_plan
from prunella_tui.cli.completion import complete_targets
from prunella_tui.cli.options import removes
from prunella_tui.cli.removing import Wishes, carry_out, look_for_removal
from prunella_tui.cli.targets import find_removal


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete_targets)
@removes
def command(names: tuple[str, ...], dry_run: bool, yes: bool, force: bool, as_json: bool) -> int:
    """Remove models, or single blobs.

    NAME is a model, the beginning of a blob's digest (sha256:3f1a9c), or a path below the store (blobs/README.txt,
    manifests/...). What models that stay still need is kept, and the plan names them.

    \b
      prunella rm my-assistant llama3.1:8b --dry-run
      prunella rm sha256:3f1a9c
    """
    inventory = look_for_removal(dry_run)
    plan = make_plan(inventory, find_removal(inventory, names, force), time.time())
    return carry_out(inventory, plan, Wishes(dry_run=dry_run, yes=yes, as_json=as_json))
