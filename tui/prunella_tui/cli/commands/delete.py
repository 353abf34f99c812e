"""The commands that delete, and the pins that protect: rm, prune, free, pin."""

import time
from typing import Any

import click
from msgspec.structs import replace

from prunella_core.advice.free import Guard, Proposal, propose
from prunella_core.advice.free.document import proposal_fields
from prunella_core.advice.free.goals import down_to, to_free, until_free
from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.base.units import parse_age
from prunella_core.inventory.records import Inventory
from prunella_core.operations import pins as pinning
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import PruneClass, PrunePolicy
from prunella_core.store.pins import read_pins
from prunella_tui.cli import removing
from prunella_tui.cli.completion import complete_models, complete_targets
from prunella_tui.cli.options import Wishes, deletes, force_option, looks
from prunella_tui.cli.output import REFUSED, present, tell
from prunella_tui.cli.session import look, open_store, retention
from prunella_tui.cli.targets import find_removal, unmatched
from prunella_tui.report.lines import line
from prunella_tui.report.proposal import proposal_lines, shortfall, what_would_help

_CLASSES = [each.value for each in PruneClass]
_WITHOUT_MODELS = frozenset(PruneClass) - {PruneClass.MODEL}


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete_targets)
@click.option("--now", is_flag=True, help="Delete permanently: frees the space at once, no undo.")
@click.option("--unload", is_flag=True, help="Unload models that Ollama has loaded first.")
@click.option("--by-server", is_flag=True, help="Let Ollama delete, where the store is read-only for you: no undo.")
@force_option
@deletes
def rm(names: tuple[str, ...], now: bool, unload: bool, by_server: bool, force: bool, **wishes: Any) -> int:
    """Move models or single blobs to the trash; restore brings them back until they expire.

    NAME is a model, the start of a digest (sha256:3f1a9c), or a path in the store (blobs/README.txt, manifests/...).
    Blobs that other models use are kept, and the plan names those models.

    \b
      prunella rm my-assistant llama3.1:8b --dry-run
      prunella rm my-assistant              then: prunella restore my-assistant
      prunella rm --now sha256:3f1a9c
    """
    wanted = Wishes(**wishes)
    inventory = removing.look_for_change(wanted.dry_run, by_server=by_server)
    request = find_removal(inventory, names, force, to_trash=not now)
    server, loaded = removing.ask_server(inventory)
    plan = make_plan(inventory, replace(request, loaded=loaded, by_server=by_server), time.time())
    if loaded is None and plan.models:
        tell("The server does not answer: a model that it has loaded keeps its space until it is unloaded.")
    if by_server:
        removing.refuse_unless_served(server, inventory, plan, wanted)
    return removing.carry_out(inventory, plan, wanted, server=server if unload or by_server else None)


@click.command()
@click.option("--age", metavar="AGE", help="Delete what is at least this old: 7d, 12h, 2w, 1d12h or 0.  [7d]")
@click.option("--all", "with_models", is_flag=True, help="Also models neither changed nor used for that long.")
@click.option("--class", "classes", type=click.Choice(_CLASSES), multiple=True, help="Only these; may be repeated.")
@force_option
@deletes
def prune(age: str | None, with_models: bool, classes: tuple[str, ...], force: bool, **wishes: Any) -> int:
    """Delete what no model uses: unreferenced blobs, partial downloads, leftovers, expired trash. No undo.

    Without --age: what is older than the retention (7 days by default). Age counts from when a blob was written or last
    seen in use, whichever is later. Blobs that a model in the store or in the trash needs are kept. --all never deletes
    a pinned or loaded model.

    \b
      prunella prune --dry-run            show what would be deleted
      prunella prune --age 0              everything unused, and the trash, now
      prunella prune --age 90d --all      also models not used for 90 days
      prunella prune --class partial -y   only interrupted downloads
    """
    seconds = retention() if age is None else parse_age(age)
    wanted = Wishes(**wishes)
    chosen = frozenset(map(PruneClass, classes)) or _WITHOUT_MODELS
    chosen |= {PruneClass.MODEL} if with_models else frozenset()
    inventory = removing.look_for_change(wanted.dry_run)
    loaded = removing.ask_server(inventory)[1] if PruneClass.MODEL in chosen else frozenset()
    policy = PrunePolicy(age=seconds, classes=chosen, force=force, loaded=loaded)
    return removing.carry_out(inventory, make_plan(inventory, policy, time.time()), wanted)


@click.command()
@click.argument("amount", metavar="[SIZE|PERCENT]", required=False)
@click.option("--until-free", metavar="SIZE|PERCENT", help="Until this much of the file system is free.")
@click.option("--max-store", metavar="SIZE", help="Until the store takes no more than this.")
@click.option("--also-local", is_flag=True, help="Include models that can't be fully downloaded again.")
@click.option("--also-pinned", is_flag=True, help="Include pinned models.")
@click.option("--also-loaded", is_flag=True, help="Include models that Ollama has loaded; they are unloaded first.")
@deletes
def free(
    amount: str | None,
    until_free: str | None,
    max_store: str | None,
    also_local: bool,
    also_pinned: bool,
    also_loaded: bool,
    **wishes: Any,
) -> int:
    """Free a given amount of space, least-missed first: suggest what to delete, say why, and ask. No undo.

    What no model uses comes first: leftovers, partial downloads, unreferenced blobs, the trash. Then models, by how
    easily they can be downloaded again and how long they were not used. Models that share weights count together.
    Nothing is suggested that the amount does not need. If there is not enough, nothing is deleted.

    Pinned and loaded models, and models that can't be fully downloaded again, are left out unless you include them.

    \b
      prunella free 50GB --dry-run        show what would be deleted
      prunella free 20%                   until a fifth of the disk is free
      prunella free --max-store 300GB     until the store takes no more than that
    """
    wanted = Wishes(**wishes)
    goals = [goal for goal in (amount, until_free, max_store) if goal is not None]
    if len(goals) != 1:
        raise click.UsageError("say how much: one of SIZE, --until-free and --max-store", click.get_current_context())
    inventory = removing.look_for_change(wanted.dry_run)
    target = _target(inventory, amount, until_free, max_store)
    server, loaded = removing.ask_server(inventory)
    asked: dict[Guard, bool] = {"local": also_local, "pinned": also_pinned, "loaded": also_loaded}
    if loaded is None:  # then any of them may be
        loaded = frozenset(inventory.model_by_name)
        tell("The server does not answer, so every model counts as loaded.")
    allowed = [guard for guard in asked if asked[guard]]
    proposal = propose(inventory, target, time.time(), loaded=loaded, allowed=allowed)
    review = removing.Review(lambda inventory, _plan: proposal_lines(inventory, proposal), proposal_fields(proposal))
    if not proposal.is_met:
        return _fall_short(inventory, proposal, wanted, review)
    return removing.carry_out(inventory, proposal.plan, wanted, review, server)


def _target(inventory: Inventory, amount: str | None, until: str | None, most: str | None) -> int:
    """Return how many bytes to delete. Raises InvalidInput."""
    if until is not None:
        return until_free(inventory, until)
    return down_to(inventory, most) if most is not None else to_free(inventory, amount or "")


def _fall_short(inventory: Inventory, proposal: Proposal, wishes: Wishes, review: removing.Review) -> int:
    """Say how much there is at most. Raises Refused unless this was a dry run."""
    help_ = what_would_help(inventory, proposal)
    hint = f"{shortfall(proposal)}; {help_}" if help_ else shortfall(proposal)
    if not wishes.dry_run:
        raise Refused(f"{hint}. Nothing was deleted")
    removing.show_plan(inventory, proposal.plan, wishes.as_json, review)
    tell(f"{hint}.")
    return REFUSED


@click.command()
@click.argument("patterns", metavar="[NAME|GLOB]...", nargs=-1, shell_complete=complete_models)
@click.option("--remove", is_flag=True, help="Unpin these.")
@looks
def pin(patterns: tuple[str, ...], remove: bool, as_json: bool) -> None:
    """Protect models from prune --all and free. Without a name: list the pins and the models they protect.

    \b
      prunella pin llama3.2 'qwen*'
      prunella pin --remove 'qwen*'
    """
    store = open_store()
    if patterns:
        (pinning.unpin if remove else pinning.pin)(store, patterns)
    inventory = look(store)
    for warning in () if remove else unmatched(inventory, patterns):
        tell(warning)
    models = [clean(model.name) for model in inventory.models if model.is_pinned]
    pins = [clean(pattern) for pattern in read_pins(store)]
    present(
        as_json,
        lambda: {"store": clean(store.root), "pins": pins, "models": models},
        lambda: [*map(line, pins), line(f"Pinned models: {', '.join(models) or 'none'}")],
    )
