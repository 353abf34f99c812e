"""``prunella trash``."""

import click

from prunella_core.export.documents.changing import trash_document
from prunella_tui.cli.options import looks
from prunella_tui.cli.output import print_json, show
from prunella_tui.cli.session import look, open_store, retention


@click.command()
@looks
def command(as_json: bool) -> None:
    """What was removed, and until when it can come back.

    \b
      prunella restore NAME      bring back a model
      prunella restore ID        bring back a whole removal
      prunella empty ID          free its space
    """
    inventory = look(open_store())
    if as_json:
        print_json(trash_document(inventory, retention(), inventory.scanned_at))
        return
    from prunella_tui.report.trash import trash_lines

    show(trash_lines(inventory, retention(), inventory.scanned_at))
