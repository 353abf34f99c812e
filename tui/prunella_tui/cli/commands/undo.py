"""The trash and the log: trash, restore, empty, log."""

import time
from typing import Any

import click

from prunella_core.base.text import clean
from prunella_core.export.documents.changing import log_document, trash_document
from prunella_core.ledger.history import History, history
from prunella_core.ledger.log import read_log
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Empty
from prunella_tui.cli import removing
from prunella_tui.cli.completion import complete_entries, complete_trash
from prunella_tui.cli.options import Wishes, deletes, looks, restores
from prunella_tui.cli.output import present, tell
from prunella_tui.cli.session import look, open_store, retention
from prunella_tui.cli.targets import find_entries, find_restore
from prunella_tui.report.trash import emptying_lines, log_lines, trash_lines


@click.command()
@looks
def trash(as_json: bool) -> None:
    """List what is in the trash, and when it expires.

    \b
      prunella restore NAME      restore a model
      prunella restore ID        restore everything one command deleted
      prunella empty ID          free its space
    """
    inventory = look(open_store())
    keeps, now = retention(), inventory.scanned_at
    present(as_json, lambda: trash_document(inventory, keeps, now), lambda: trash_lines(inventory, keeps, now))


@click.command()
@click.argument("name", metavar="NAME|ID", shell_complete=complete_trash)
@click.option("--as", "under", metavar="NEWNAME", help="Restore it under another name.")
@restores
def restore(name: str, under: str | None, **wishes: Any) -> int:
    """Restore a model or a whole trash entry: the same bytes, times and ID, without a download.

    ID may be shortened. A name that exists is never overwritten. If a name was deleted several times, the last one is
    restored.

    \b
      prunella restore my-assistant
      prunella restore my-assistant --as my-assistant:old
    """
    wanted = Wishes(**wishes)
    inventory = removing.look_for_change(wanted.dry_run)
    plan = make_plan(inventory, find_restore(inventory, name, under), time.time())
    return removing.carry_out(inventory, plan, wanted)


@click.command()
@click.argument("entries", metavar="[ID]...", nargs=-1, shell_complete=complete_entries)
@deletes
def empty(entries: tuple[str, ...], **wishes: Any) -> int:
    """Delete trash entries permanently: these, or all. No undo.

    ID may be shortened. Blobs that another trash entry needs are kept.

    \b
      prunella empty --dry-run
      prunella empty 20260102T030405-6f1d2a
    """
    wanted = Wishes(**wishes)
    inventory = removing.look_for_change(wanted.dry_run)
    plan = make_plan(inventory, Empty(entries=find_entries(inventory, entries)), time.time())
    review = removing.Review(lambda inventory, plan: emptying_lines(inventory, plan, read_log(inventory.store)))
    return removing.carry_out(inventory, plan, wanted, review)


@click.command()
@click.option("--pull-list", is_flag=True, help="Print the ollama pull commands that download what is gone.")
@looks
def log(pull_list: bool, as_json: bool) -> None:
    """Show the history: what was deleted, and where it is now.

    It covers the last 1,000 operations of Prunella, not what Ollama itself deleted.

    \b
      prunella log
      prunella log --pull-list | sh
    """
    inventory = look(open_store())
    found = history(read_log(inventory.store), inventory)
    if pull_list and not as_json:
        _print_pulls(found)
    else:
        present(as_json, lambda: log_document(found, inventory.store), lambda: log_lines(found))


def _print_pulls(found: History) -> None:
    for name in found.pullable:
        click.echo(f"ollama pull {name}")
    if found.lost:
        tell(f"Not recoverable: {', '.join(map(clean, found.lost))}")
    trashed = {
        model.name
        for event in found.events
        for model, fate in zip(event.line.models, event.fates, strict=True)
        if fate == "trashed"
    }
    if trashed:
        tell(f"Still in the trash (prunella restore): {', '.join(map(clean, sorted(trashed)))}")
