"""``prunella df``."""

import click

from prunella_core.documents import df_document
from prunella_tui.cli.options import looks
from prunella_tui.cli.output import print_json, show
from prunella_tui.cli.session import look, open_store


@click.command()
@looks
def command(as_json: bool) -> None:
    """What Ollama lists against what is on the disk.

    Ollama counts weights once for every model that shares them, and nothing that no model needs. This shows where
    the difference lies.
    """
    inventory = look(open_store())
    if as_json:
        print_json(df_document(inventory))
        return
    from prunella_tui.cli.views.usage import usage_view

    show(usage_view(inventory))
