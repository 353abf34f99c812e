"""``prunella doctor``."""

import click

from prunella_core.apply import has_unfinished
from prunella_core.documents import doctor_document
from prunella_tui.cli.options import looks
from prunella_tui.cli.output import print_json, show
from prunella_tui.cli.server import server_document
from prunella_tui.cli.session import look, open_store


@click.command()
@looks
def command(as_json: bool) -> None:
    """What is wrong with the store, and how to mend it.

    Says too which store this is and why this one, whose it is, and which others are on this machine.
    """
    inventory = look(open_store())
    unfinished = has_unfinished(inventory.store)
    if as_json:
        print_json({"server": server_document(inventory), **doctor_document(inventory), "unfinished": unfinished})
        return
    from prunella_tui.cli.views.health import health_view

    show(health_view(inventory, unfinished, server_document(inventory)))
