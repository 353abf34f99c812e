"""``prunella ls``."""

import click

from prunella_core.documents import models_document
from prunella_core.inventory import Inventory, Model
from prunella_tui.cli.options import looks
from prunella_tui.cli.output import print_json, show
from prunella_tui.cli.session import look, open_store

SORTS = ("name", "size", "disk", "frees", "modified")


@click.command()
@click.option("--sort", type=click.Choice(SORTS), default="name", help="Largest or newest first.")
@click.option("--reverse", is_flag=True, help="The other way round.")
@looks
def command(sort: str, reverse: bool, as_json: bool) -> None:
    """The models: what each takes, shares, and would free.

    SIZE is what Ollama lists, ON DISK what the files take, FREES what comes back when this model alone goes:
    what it shares with other models stays.

    \b
      prunella ls --sort frees
      prunella ls --json | jq '.models[] | select(.shared == 0) | .name'
    """
    inventory = look(open_store())
    models = _in_order(inventory, sort, reverse)
    if as_json:
        print_json(models_document(inventory, models))
        return
    from prunella_tui.cli.views.models import models_view

    show(models_view(inventory, models))


def _in_order(inventory: Inventory, sort: str, reverse: bool) -> list[Model]:
    usage = inventory.usage
    keys = {
        "name": lambda model: model.name,
        "size": lambda model: -model.size,
        "disk": lambda model: -usage[model.name].allocated,
        "frees": lambda model: -usage[model.name].reclaims,
        "modified": lambda model: -model.modified_at,
    }
    in_order = sorted(inventory.models, key=keys[sort])
    return in_order[::-1] if reverse else in_order
