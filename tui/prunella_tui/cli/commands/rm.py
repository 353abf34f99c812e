"""``prunella rm``."""

import time

import click
from msgspec.structs import replace

from prunella_core.plan.build import make_plan
from prunella_tui.cli.completion import complete_targets
from prunella_tui.cli.options import Wishes, changes, force_option


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete_targets)
@click.option("--now", is_flag=True, help="Free the space at once: no way back, and no free byte needed.")
@click.option("--unload", is_flag=True, help="Let the server let go of loaded models first.")
@click.option("--by-server", is_flag=True, help="Let the server remove them, where you may not write: no way back.")
@force_option
@changes
def command(names: tuple[str, ...], now: bool, unload: bool, by_server: bool, force: bool, **wishes: bool) -> int:
    """Remove models, or single blobs: into the trash, from where they come back until the retention is over.

    NAME is a model, the beginning of a blob's digest (sha256:3f1a9c), or a path below the store (blobs/README.txt,
    manifests/...). What models that stay still need is kept, and the plan names them.

    \b
      prunella rm my-assistant llama3.1:8b --dry-run
      prunella rm my-assistant              then: prunella restore my-assistant
      prunella rm --now sha256:3f1a9c
    """
    from prunella_tui.cli import removing
    from prunella_tui.cli.output import tell
    from prunella_tui.cli.targets import find_removal

    wanted = Wishes(**wishes)
    inventory = removing.look_for_change(wanted.dry_run, by_server=by_server)
    request = find_removal(inventory, names, force, to_trash=not now)
    server, loaded = removing.ask_server(inventory)
    plan = make_plan(inventory, replace(request, loaded=loaded, by_server=by_server), time.time())
    if loaded is None and plan.models:
        tell("The server does not answer: a model that it has loaded keeps its space until it is unloaded.")
    if by_server:
        removing.refuse_unless_served(server, inventory, plan, wanted)
    return removing.carry_out(inventory, plan, wanted, server=server if unload or by_server else None)
