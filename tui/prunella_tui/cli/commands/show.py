"""``prunella show``."""

import click

from prunella_core.export.documents.looking import model_document
from prunella_tui.cli.completion import complete_models
from prunella_tui.cli.options import looks
from prunella_tui.cli.output import print_json, show
from prunella_tui.cli.session import look, open_store
from prunella_tui.cli.targets import find_model


@click.command()
@click.argument("model", shell_complete=complete_models)
@looks
def command(model: str, as_json: bool) -> None:
    """One model and its layers, and who shares each.

    MODEL is a name as Ollama takes it: no tag means latest, in any case.

    \b
      prunella show llama3.2
      prunella show hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M
    """
    inventory = look(open_store())
    found = find_model(inventory, model)
    if as_json:
        print_json(model_document(inventory, found))
        return
    from prunella_tui.report.model import model_lines

    show(model_lines(inventory, found, inventory.scanned_at))
