"""``prunella ls``."""

from collections.abc import Iterable

import click

from prunella_core.inventory.records import Inventory, Model
from prunella_core.query import select
from prunella_tui.cli.filters import filters, read_filter
from prunella_tui.cli.options import looks
from prunella_tui.cli.output import print_json, show
from prunella_tui.cli.session import look, open_store

SORTS = ("name", "size", "disk", "frees", "modified")


@click.command()
@click.option("--sort", type=click.Choice(SORTS), default="name", help="Largest or newest first.")
@click.option("--reverse", is_flag=True, help="The other way round.")
@filters("models")
@looks
def command(
    words: tuple[str, ...], states: tuple[str, ...], sort: str, reverse: bool, as_json: bool, **flags: str | None
) -> None:
    """The models: what each takes, shares, and would free.

    SIZE is what Ollama lists, ON DISK what the files take, FREES what comes back when this model alone goes:
    what it shares with other models stays.

    FILTER is words that must occur, and terms of size, disk, frees, shared, age, unused, state and name.

    \b
      prunella ls --sort frees
      prunella ls --unused 30d --min-size 5GB
      prunella ls llama 'unused>30d' 'size>5GB'
      prunella ls --json | jq '.models[] | select(.shared == 0) | .name'
    """
    query = read_filter("models", words, states, flags)
    inventory = look(open_store())
    chosen = select(inventory.models, query, inventory, inventory.scanned_at)
    shown = _in_order(inventory, chosen, sort, reverse)
    if as_json:
        from prunella_core.export.documents.looking import models_document

        print_json(models_document(inventory, shown))
        return
    from prunella_tui.report.tables import models_lines

    show(models_lines(inventory, shown))


def _in_order(inventory: Inventory, models: Iterable[Model], sort: str, reverse: bool) -> list[Model]:
    usage = inventory.usage
    keys = {
        "name": lambda model: model.name,
        "size": lambda model: -model.size,
        "disk": lambda model: -usage[model.name].allocated,
        "frees": lambda model: -usage[model.name].reclaims,
        "modified": lambda model: -model.modified_at,
    }
    in_order = sorted(models, key=keys[sort])
    return in_order[::-1] if reverse else in_order
