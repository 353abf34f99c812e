"""The trash and the log: trash, restore, empty, log."""

import time
from functools import partial

import click

from prunella_core.base.text import clean
from prunella_core.export.documents.changing import log_document, trash_document
from prunella_core.ledger.log import History, history, read_log
from prunella_core.operations.carry_out import plan_to_make_room, swap
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Empty
from prunella_tui.cli.completion import complete, trash_entries, trashed_models
from prunella_tui.cli.options import command, deletes, is_set, looks, restores
from prunella_tui.cli.output import present, say
from prunella_tui.cli.removing import Change, look_for_change
from prunella_tui.cli.session import look, open_store, retention
from prunella_tui.cli.targets import find_entries, find_restore
from prunella_tui.report.plan import plan_lines
from prunella_tui.report.trash import emptying_lines, log_lines, trash_lines


@command
@looks
def trash() -> None:
    """IDs may be shortened.

    \b
      prunella restore NAME      restore a model
      prunella restore ID        restore everything that one command deleted
      prunella empty ID          delete it permanently, to free its space
    """
    inventory = look(open_store())
    keeps, now = retention(), inventory.scanned_at
    present(lambda: trash_document(inventory, keeps, now), lambda: trash_lines(inventory, keeps, now))


@command
@click.argument("name", metavar="NAME|ID", shell_complete=complete(trashed_models, trash_entries))
@click.option("--as", "under", metavar="NEWNAME", help="Restore it under another name.")
@click.option("--swap", "swaps", is_flag=True, help="Move what has the name now to the trash.")
@restores
def restore(name: str, under: str | None, swaps: bool) -> int:
    """The same bytes, times and ID, without a download.

    ID may be shortened. A name that exists is never overwritten. If a name was deleted several times, the last one is
    restored.

    \b
      prunella restore my-assistant
      prunella restore my-assistant --as my-assistant:old
      prunella restore my-assistant --swap
    """
    inventory = look_for_change()
    request = find_restore(inventory, name, under)
    room = plan_to_make_room(inventory, request, time.time()) if swaps else None
    if room:
        how = partial(swap, request)
        return Change(inventory, room, plan_lines(inventory, room), how=how).carry_out()
    plan = make_plan(inventory, request, time.time())
    return Change(inventory, plan, plan_lines(inventory, plan)).carry_out()


@command
@click.argument("entries", metavar="[ID]...", nargs=-1, shell_complete=complete(trash_entries))
@deletes
def empty(entries: tuple[str, ...]) -> int:
    """Without an ID, empties the whole trash. No undo.

    ID may be shortened. Blobs that another trash entry needs are kept.

    \b
      prunella empty --dry-run
      prunella empty 20260102T030405-6f1d2a
    """
    inventory = look_for_change()
    plan = make_plan(inventory, Empty(entries=find_entries(inventory, entries)), time.time())
    lines = emptying_lines(inventory, plan, read_log(inventory.store))
    return Change(inventory, plan, lines).carry_out()


@command
@click.option("--pull-list", is_flag=True, help="Print the ollama pull commands that download what is gone.")
@looks
def log(pull_list: bool) -> None:
    """Covers the last 1,000 operations of Prunella, not what Ollama itself deleted.

    \b
      prunella log
      prunella log --pull-list | sh
    """
    inventory = look(open_store())
    found = history(read_log(inventory.store), inventory)
    if pull_list and not is_set("json"):
        _print_pulls(found)
    else:
        present(lambda: log_document(found, inventory.store), lambda: log_lines(found))


def _print_pulls(found: History) -> None:
    for name in found.pullable:
        click.echo(f"ollama pull {name}")
    if found.lost:
        say(f"Not recoverable: {', '.join(map(clean, found.lost))}")
    trashed = {
        model.name
        for event in found.events
        for model, fate in zip(event.line.models, event.fates, strict=True)
        if fate == "trashed"
    }
    if trashed:
        say(f"Still in the trash (prunella restore): {', '.join(map(clean, sorted(trashed)))}")
