"""The commands that delete, protect and undo: rm, prune, free, pin, trash, restore, empty, log."""

import time
from functools import partial
from typing import get_args

import click
from msgspec.structs import replace

from prunella_core.advice.choice import Guard
from prunella_core.advice.free import Proposal, down_to, proposal_fields, propose, to_free
from prunella_core.advice.free import until_free as to_have_free
from prunella_core.base.errors import Refused
from prunella_core.base.text import clean, parse_age
from prunella_core.export.results import log_document, trash_document
from prunella_core.ledger.log import History, history, read_log
from prunella_core.operations.carry_out import plan_to_make_room, swap
from prunella_core.operations.server import refuse_single_files, serving
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Empty, PruneClass, PrunePolicy
from prunella_core.store import access, read_pins
from prunella_tui.cli.options import command, deletes, force_option, is_set, looks, no_log_option, restores, retention
from prunella_tui.cli.output import REFUSED, present, say
from prunella_tui.cli.removing import Change, ask_server, look_for_change
from prunella_tui.cli.session import clear_digests, complete, look, models, open_store, trash_entries, trashed_models
from prunella_tui.cli.targets import find_entries, find_removal, find_restore, unmatched
from prunella_tui.report.lines import field
from prunella_tui.report.plan import plan_lines, proposal_lines, shortfall, what_would_help
from prunella_tui.report.trash import emptying_lines, log_lines, trash_lines

_CLASSES = [each.value for each in PruneClass]
_WITHOUT_MODELS = frozenset(PruneClass) - {PruneClass.MODEL}


@command
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete(models, clear_digests))
@click.option("--now", is_flag=True, help="Delete permanently: frees the space at once, no undo.")
@click.option("--unload", is_flag=True, help="Unload models that Ollama has loaded first.")
@click.option("--by-server", is_flag=True, help="Let Ollama delete, where the store is read-only for you: no undo.")
@force_option
@deletes
def rm(names: tuple[str, ...], now: bool, unload: bool, by_server: bool, force: bool) -> int:
    """prunella restore brings them back until they expire.

    NAME is a model, the start of a digest (sha256:3f1a9c), or a path in the store (blobs/README.txt, manifests/...).
    Blobs that other models use are kept, and the plan names those models.

    \b
      prunella rm my-assistant llama3.1:8b --dry-run
      prunella rm my-assistant              then: prunella restore my-assistant
      prunella rm --now sha256:3f1a9c
    """
    inventory = look_for_change(by_server=by_server)
    request = find_removal(inventory, names, force, to_trash=not now)
    server, loaded = ask_server(inventory)
    request = replace(request, loaded=loaded, by_server=by_server)
    plan = make_plan(inventory, request, time.time())
    if loaded is None and plan.models:
        say("The server does not answer: a model that it has loaded keeps its space until it is unloaded.")
    if by_server:
        refuse_single_files(request)
    if by_server and not is_set("dry_run"):
        serving(server, inventory)  # raises Refused before any question
    unloads = server if unload or by_server else None
    return Change(inventory, plan, plan_lines(inventory, plan), server=unloads).carry_out()


@command
@click.option("--age", metavar="AGE", help="Delete what is at least this old: 7d, 12h, 2w, 1d12h or 0.  [7d]")
@click.option("--all", "with_models", is_flag=True, help="Also models neither changed nor used for that long.")
@click.option("--class", "classes", type=click.Choice(_CLASSES), multiple=True, help="Only these; may be repeated.")
@force_option
@deletes
@no_log_option
def prune(age: str | None, with_models: bool, classes: tuple[str, ...], force: bool) -> int:
    """Deletes unreferenced blobs, partial downloads, leftovers and expired trash permanently. No undo.

    Without --age it deletes what is older than the retention (7 days by default). Age counts from when a blob was
    written or last seen in use, whichever is later. Blobs that a model in the store or in the trash needs are kept.
    --all never deletes a pinned or loaded model.

    \b
      prunella prune --dry-run            show what would be deleted
      prunella prune --age 0              everything unused, and the trash, now
      prunella prune --age 90d --all      also models not used for 90 days
      prunella prune --class partial -y   only interrupted downloads
    """
    seconds = retention() if age is None else parse_age(age)
    chosen = frozenset(map(PruneClass, classes)) or _WITHOUT_MODELS
    chosen |= {PruneClass.MODEL} if with_models else frozenset()
    inventory = look_for_change(with_log=PruneClass.MODEL in chosen)
    loaded = ask_server(inventory)[1] if PruneClass.MODEL in chosen else frozenset()
    policy = PrunePolicy(age=seconds, classes=chosen, force=force, loaded=loaded)
    plan = make_plan(inventory, policy, time.time())
    return Change(inventory, plan, plan_lines(inventory, plan)).carry_out()


@command
@click.argument("amount", metavar="[SIZE|PERCENT]", required=False)
@click.option("--until-free", metavar="SIZE|PERCENT", help="Until this much of the file system is free.")
@click.option("--max-store", metavar="SIZE", help="Until the store takes no more than this.")
@click.option("--also-local", is_flag=True, help="Include models that can't be fully downloaded again.")
@click.option("--also-pinned", is_flag=True, help="Include pinned models.")
@click.option("--also-loaded", is_flag=True, help="Include models that Ollama has loaded; they are unloaded first.")
@deletes
@no_log_option
def free(amount: str | None, until_free: str | None, max_store: str | None, **also: bool) -> int:
    """Suggests what to delete and why, then asks. No undo.

    It suggests leftovers, partial downloads, unreferenced blobs and the trash first, then models: those that are easy
    to download again and unused for long come first. Models that share weights count together. It never suggests more
    than the amount needs. If there is not enough, nothing is deleted.

    Pinned and loaded models, and models that can't be fully downloaded again, are left out unless you include them.

    \b
      prunella free 50GB --dry-run        show what would be deleted
      prunella free 20%                   until a fifth of the disk is free
      prunella free --max-store 300GB     until the store takes no more than that
    """
    goals = [goal for goal in (amount, until_free, max_store) if goal is not None]
    if len(goals) != 1:
        raise click.UsageError("say how much: one of SIZE, --until-free and --max-store", click.get_current_context())
    inventory = look_for_change(with_log=True)
    if max_store is not None:
        target = down_to(inventory, max_store)
    else:
        target = to_free(inventory, amount) if amount else to_have_free(inventory, until_free or "")
    server, loaded = ask_server(inventory)
    if loaded is None:  # then any of them may be
        loaded = frozenset(inventory.model_by_name)
        say("The server does not answer, so every model counts as loaded.")
    allowed = [guard for guard in get_args(Guard) if also[f"also_{guard}"]]
    proposal = propose(inventory, target, time.time(), loaded=loaded, allowed=allowed)
    lines = proposal_lines(inventory, proposal)
    change = Change(inventory, proposal.plan, lines, proposal_fields(proposal), server)
    return change.carry_out() if proposal.is_met else _fall_short(change, proposal)


def _fall_short(change: Change, proposal: Proposal) -> int:
    """Say how much there is at most. Raises Refused unless this is a dry run."""
    why = "; ".join(filter(None, (shortfall(proposal), what_would_help(change.inventory, proposal))))
    if not is_set("dry_run"):
        raise Refused(f"{why}. Nothing was deleted")
    change.show()
    say(f"{why}.")
    return REFUSED


@command
@click.argument("patterns", metavar="[NAME|GLOB]...", nargs=-1, shell_complete=complete(models))
@click.option("--remove", is_flag=True, help="Unpin these.")
@looks
def pin(patterns: tuple[str, ...], remove: bool) -> None:
    """Without NAME, lists the pins and the models they protect.

    \b
      prunella pin llama3.2 'qwen*'
      prunella pin --remove 'qwen*'
    """
    store = open_store()
    if patterns:
        (access.unpin if remove else access.pin)(store, patterns)
    inventory = look(store)
    for warning in () if remove else unmatched(inventory, patterns):
        say(warning)
    pinned = [clean(model.name) for model in inventory.models if model.is_pinned]
    pins = [clean(pattern) for pattern in read_pins(store)]
    present(
        lambda: {"store": clean(store.root), "pins": pins, "models": pinned},
        lambda: [field(what, ", ".join(some) or "none") for what, some in (("Pins", pins), ("Models", pinned))],
    )


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
