"""``prunella doctor``."""

import os
import time

import click

from prunella_core.advice.forecast import is_noprune, next_start
from prunella_core.apply import has_unfinished
from prunella_core.export.documents.checking import doctor_document, next_start_document
from prunella_core.inventory.records import Inventory
from prunella_tui.cli.options import looks
from prunella_tui.cli.output import print_json, show
from prunella_tui.cli.server import server_document
from prunella_tui.cli.session import look, open_store


@click.command()
@click.option("--next-start", "foretells", is_flag=True, help="What Ollama itself removes at its next start.")
@looks
def command(foretells: bool, as_json: bool) -> None:
    """What is wrong with the store, and how to mend it.

    Says too which store this is and why this one, whose it is, and which others are on this machine.

    With --next-start instead: what Ollama's server would do to the store if it started now. Without asking it removes
    what no manifest names and what is a download, when that is over an hour old.
    """
    inventory = look(open_store())
    if foretells:
        _foretell(inventory, as_json)
        return
    unfinished = has_unfinished(inventory.store)
    if as_json:
        print_json({"server": server_document(inventory), **doctor_document(inventory), "unfinished": unfinished})
        return
    from prunella_tui.report.problem import doctor_lines

    show(doctor_lines(inventory, unfinished, server_document(inventory)))


def _foretell(inventory: Inventory, as_json: bool) -> None:
    coming = next_start(inventory, time.time(), is_noprune(os.environ))
    if as_json:
        print_json(next_start_document(inventory, coming))
        return
    from prunella_tui.report.forecast import forecast_lines

    show(forecast_lines(coming))
