"""The commands that bring models to another store: copy and move."""

import time
from collections.abc import Iterable
from functools import partial

import click
from msgspec.structs import replace

from prunella_core.apply import World, has_unfinished
from prunella_core.base.errors import InvalidInput, NotFound, PrunellaError, Refused
from prunella_core.base.text import clean, parse_age
from prunella_core.copy.plan import CopyPlan, NotCopied, look_at_target, plan_copy
from prunella_core.copy.run import CopyReceipt, copy_models
from prunella_core.export.results import copied_document, copy_document, move_document, moved_document
from prunella_core.inventory.records import Inventory, Model
from prunella_core.ollama.server import Server
from prunella_core.operations.carry_out import delete_moved, finish_left, plan_moved
from prunella_core.plan.policy import Policy
from prunella_core.plan.records import Plan, Removal
from prunella_core.store import is_pinned
from prunella_tui.cli.options import all_of, command, copies, deletes, is_set, no_log_option
from prunella_tui.cli.output import DONE, FAILED, INTERRUPTED, PARTLY, REFUSED, present, say
from prunella_tui.cli.removing import ask_server, code_of, execute, is_agreed, look_for_change, patiently, reading
from prunella_tui.cli.session import DELETING, complete, look, models, open_store
from prunella_tui.cli.targets import find_model
from prunella_tui.report.format import counted
from prunella_tui.report.lines import line
from prunella_tui.report.plan import plan_lines, receipt_lines
from prunella_tui.report.stores import copied_lines, copy_lines, shortage

_chosen = all_of(
    click.argument("names", metavar="[MODEL|GLOB]...", nargs=-1, shell_complete=complete(models)),
    click.argument("folder", metavar="DIR", type=click.Path()),
    click.option("--all", "everything", is_flag=True, help="Every model."),
    click.option("--unused", metavar="AGE", help="Only models neither changed nor used for that long."),
    click.option("--as", "under", metavar="NEWNAME", help="Give the model another name there."),
)


@command
@_chosen
@copies
def copy(names: tuple[str, ...], folder: str, everything: bool, unused: str | None, under: str | None) -> int:
    """DIR becomes a store like this one: ollama serves it with OLLAMA_MODELS=DIR, prunella reads it with --store DIR.

    Only blobs that DIR does not have yet are copied, shared ones once. Each is hashed on the way and gets its name only
    if the hash matches. No model there is overwritten. An interrupted copy resumes where it stopped.

    \b
      prunella copy llama3.2 /mnt/usb/models
      prunella copy 'qwen*' gemma3 /mnt/usb/models --dry-run
      prunella copy --all --unused 60d /mnt/nas/models
    """
    _require_choice(names, everything, unused)
    store = open_store()
    if not store.named:
        raise Refused(store.refusal() or "")
    inventory = look(store, log_for=DELETING if unused else 0)
    plan = _planned(inventory, folder, _wanted(inventory, names, unused), under)
    if is_set("dry_run"):
        present(lambda: copy_document(plan), lambda: copy_lines(plan))
        return _code_of_plan(plan)
    _refuse_if_prevented(plan)
    begun = time.monotonic()
    receipt = _copied(plan)
    seconds = time.monotonic() - begun
    present(
        lambda: copied_document(receipt), lambda: copied_lines(receipt, seconds) if plan.models else copy_lines(plan)
    )
    return _code_of(receipt)


@command
@_chosen
@click.option("--now", is_flag=True, help="Delete here permanently: frees the space at once, no undo.")
@click.option("--unload", is_flag=True, help="Unload models that Ollama has loaded before they are deleted here.")
@deletes
@no_log_option
def move(
    names: tuple[str, ...],
    folder: str,
    everything: bool,
    unused: str | None,
    under: str | None,
    now: bool,
    unload: bool,
) -> int:
    """Copies like prunella copy, then moves the models here to the trash, or deletes them with --now.

    Blobs already in DIR are hashed too. Models are deleted here only when all of their blobs there are verified and
    written to the disk; models that did not arrive stay. --all and --unused leave pinned and loaded models here.

    \b
      prunella move llama3.3:70b /mnt/usb/models
      prunella move --unused 60d /mnt/nas/models --now
      prunella --store /mnt/usb/models move llama3.3:70b ~/.ollama/models    the way back
    """
    _require_choice(names, everything, unused)
    inventory = look_for_change(with_log=unused is not None)
    server, loaded = ask_server(inventory)
    wanted = _wanted(inventory, names, unused)
    policy = Policy(inventory, time.time(), loaded)
    reasons = {} if names and unused is None else {model.name: policy.model(model) for model in wanted}
    kept = tuple(NotCopied(name=name, reason=reason.text) for name, reason in reasons.items() if reason)
    plan = _planned(inventory, folder, [model for model in wanted if not reasons.get(model.name)], under)
    plan = replace(plan, refused=(*plan.refused, *kept))
    removal = plan_moved(inventory, plan, Removal(to_trash=not now, loaded=loaded), time.time())
    lines = [*copy_lines(plan), *([line(), *plan_lines(inventory, removal)] if plan.models else ())]
    if not is_set("dry_run"):
        _refuse_if_prevented(plan)
    if is_set("dry_run") or not plan.models:
        present(lambda: move_document(plan, removal), lambda: lines)
        return _code_of_plan(plan)
    if not is_agreed(lines, f"{_question(plan, now)} [y/N] "):
        say("Nothing was copied or deleted.")
        return REFUSED
    return _move(plan, removal, server if unload else None)


def _question(plan: CopyPlan, now: bool) -> str:
    what = "it" if len(plan.models) == 1 else "them"
    then = f"delete {what} here permanently" if now else f"move {what} to the trash here"
    return f"Copy {counted(len(plan.models), 'model')} to {clean(plan.target.root)}, then {then}?"


def _move(plan: CopyPlan, removal: Plan, server: Server | None) -> int:
    begun = time.monotonic()
    copied = _copied(plan, verify=True)
    seconds = time.monotonic() - begun
    deleted, why = None, ""
    if copied.models and not copied.cancelled:
        try:
            deleted = execute(partial(delete_moved, copied, removal), server)
        except PrunellaError as error:
            why = str(error)
    present(
        lambda: moved_document(copied, removal, deleted),
        lambda: [
            *copied_lines(copied, seconds),
            *([line(), *receipt_lines(deleted)] if deleted else ()),
            *([line((f"Nothing was deleted here: {why}", "warning"))] if why else ()),
        ],
    )
    if deleted is None:
        return PARTLY if why else _code_of(copied)
    return code_of(deleted) or (DONE if copied.done else PARTLY)


def _require_choice(names: tuple[str, ...], everything: bool, unused: str | None) -> None:
    if bool(names) is everything and (names or unused is None):
        raise click.UsageError("name the models, or use --all or --unused AGE", click.get_current_context())
    if unused is not None:
        parse_age(unused)


def _wanted(inventory: Inventory, names: Iterable[str], unused: str | None) -> list[Model]:
    found = [model for name in names for model in _matching(inventory, name)] if names else inventory.models
    least = 0 if unused is None else parse_age(unused)
    chosen = {model.name: model for model in found if inventory.scanned_at - model.idle_since >= least or not least}
    return list(chosen.values())


def _matching(inventory: Inventory, name: str) -> list[Model]:
    if not set(name) & set("*?["):
        return [find_model(inventory, name)]
    found = [model for model in inventory.models if is_pinned(model.name, (name,))]
    if not found:
        raise NotFound(f"“{clean(name)}” matches no model")
    return found


def _planned(inventory: Inventory, folder: str, wanted: list[Model], under: str | None) -> CopyPlan:
    if under is not None and len(wanted) != 1:
        raise InvalidInput("--as takes one model")
    target = look_at_target(inventory, folder, time.time())
    if not is_set("dry_run") and has_unfinished(target.store):
        patiently(partial(finish_left, target.store, World(now=time.time)))
        say(f"An interrupted operation in {target.store.root} has been finished or undone first.")
        target = look_at_target(inventory, folder, time.time())
    return plan_copy(inventory, target, wanted, under)


def _refuse_if_prevented(plan: CopyPlan) -> None:
    if too_little := shortage(plan):
        raise Refused(f"{too_little}; nothing was copied")
    if plan.refused and not plan.models:
        more = f" (and {len(plan.refused) - 1} more)" if len(plan.refused) > 1 else ""
        raise Refused(f"nothing was copied: {clean(plan.refused[0].name)}: {clean(plan.refused[0].reason)}{more}")


def _copied(plan: CopyPlan, *, verify: bool = False) -> CopyReceipt:
    with reading() as (report, cancelled):
        copying = partial(copy_models, plan, verify=verify, report=partial(report, "copying"), cancelled=cancelled)
        return patiently(copying)


def _code_of_plan(plan: CopyPlan) -> int:
    return REFUSED if shortage(plan) or (plan.refused and not plan.models) else DONE


def _code_of(receipt: CopyReceipt) -> int:
    if receipt.cancelled:
        return INTERRUPTED
    if receipt.done:
        return DONE
    return PARTLY if receipt.models else FAILED
