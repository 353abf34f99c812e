"""``prunella log``."""

import click

from prunella_core.base.text import clean
from prunella_core.export.documents.changing import log_document
from prunella_core.ledger.history import History, history
from prunella_core.ledger.log import read_log
from prunella_tui.cli.options import looks
from prunella_tui.cli.output import print_json, show, tell
from prunella_tui.cli.session import look, open_store


@click.command()
@click.option("--pull-list", is_flag=True, help="Print the ollama pull lines that bring back what is gone.")
@looks
def command(pull_list: bool, as_json: bool) -> None:
    """What went when, and what became of it: in the trash, restored, back by a pull, or gone.

    It tells of the last 1,000 removals and restores by Prunella, not of what Ollama itself deleted.

    \b
      prunella log
      prunella log --pull-list | sh
    """
    inventory = look(open_store())
    told = history(read_log(inventory.store), inventory)
    if as_json:
        print_json(log_document(told, inventory.store))
    elif pull_list:
        _print_pulls(told)
    else:
        from prunella_tui.report.trash import log_lines

        show(log_lines(told))


def _print_pulls(told: History) -> None:
    for name in told.pullable:
        click.echo(f"ollama pull {name}")
    if told.lost:
        tell(f"No pull brings back: {', '.join(clean(name) for name in told.lost)}.")
    trashed = {
        model.name
        for event in told.events
        for model, fate in zip(event.line.models, event.fates, strict=True)
        if fate == "trashed"
    }
    if trashed:
        tell(f"Still in the trash, prunella restore brings it back: {', '.join(map(clean, sorted(trashed)))}.")
