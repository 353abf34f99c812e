"""From a plan to its outcome: show it, ask, execute it, and say what really happened."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from prunella_core.apply import Step, apply, has_unfinished
from prunella_core.base.errors import PrunellaError, Refused
from prunella_core.base.text import clean
from prunella_core.export.documents.changing import plan_document, receipt_document
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.survey import look_again
from prunella_core.ollama.client import Server, connect, loaded_here
from prunella_core.operations.expire import collect_expired
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Plan, Receipt, Removal
from prunella_core.store.locate import Store
from prunella_tui.cli.codes import DONE, INTERRUPTED, PARTLY, REFUSED
from prunella_tui.cli.meter import Meter
from prunella_tui.cli.options import Wishes
from prunella_tui.cli.output import print_json, show, tell
from prunella_tui.cli.session import collects, look, open_store, retention
from prunella_tui.cli.signals import cancel_on_interrupt
from prunella_tui.presentation import counted, size

if TYPE_CHECKING:
    from rich.console import RenderableType


def look_for_change(dry_run: bool) -> Inventory:
    """Survey the store that something shall be changed in.

    Raises Refused, before anybody is asked anything, where nothing may be changed.
    """
    store = open_store()
    unfinished = has_unfinished(store)
    if not dry_run and (unfinished or not (store.named and store.writable)):
        # To execute a plan of nothing is to check the store, and to finish or undo what a killed run left.
        apply(make_plan(look_again(store, time.time()), Removal(), time.time()), time.time)
        if unfinished:
            tell("A removal that was interrupted has been finished or undone first.")
    return look(store)


def ask_server(inventory: Inventory) -> tuple[Server | None, frozenset[str]]:
    """Return the server, when one is there, and which models of this store it has loaded."""
    server = connect(os.environ)
    return server, frozenset(loaded_here(server, inventory))


class Telling(NamedTuple):
    """How a plan is told: as a table of its own, and with ``fields`` that its documents have besides."""

    view: Callable[[Plan], "RenderableType"] | None = None
    fields: Mapping[str, Any] = MappingProxyType({})


PLAINLY = Telling()


def carry_out(
    inventory: Inventory, plan: Plan, wishes: Wishes, telling: Telling = PLAINLY, server: Server | None = None
) -> int:
    """Do with ``plan`` what was wished, and return the exit code. ``server`` lets go of what it has loaded first."""
    if wishes.dry_run:
        show_plan(plan, wishes.as_json, telling)
        return DONE
    if not plan.files:
        return _nothing_goes(plan, wishes, telling)
    if plan.mode != "restore" and not is_agreed(inventory, plan, wishes, telling):
        tell("Nothing was removed.")
        return REFUSED
    unload(server, plan)
    receipt = _execute(plan)
    _show_receipt(receipt, wishes.as_json, telling)
    for sentence in receipt.notes:
        tell(sentence)
    if not receipt.cancelled:
        _collect(plan.store, wishes)
    return _code_of(receipt)


def show_plan(plan: Plan, as_json: bool, telling: Telling = PLAINLY) -> None:
    """Print a plan."""
    if as_json:
        print_json({**plan_document(plan), **telling.fields})
    else:
        show(_view(plan, telling))


def _view(plan: Plan, telling: Telling) -> "RenderableType":
    from prunella_tui.cli.views.plan import plan_view

    return (telling.view or plan_view)(plan)


def _nothing_goes(plan: Plan, wishes: Wishes, telling: Telling) -> int:
    if plan.blocked:
        first = plan.blocked[0]
        what = "restored" if plan.mode == "restore" else "removed"
        hint = "--as NEWNAME gives it another name" if plan.mode == "restore" else "see prunella doctor"
        raise Refused(f"nothing was {what}: {clean(first.path)}: {clean(first.message)} ({hint})")
    if plan.held_back and isinstance(plan.request, Removal):
        first_held = plan.held_back[0]
        raise Refused(f"nothing was removed: {clean(first_held.path)}: {first_held.reason} (--force takes it)")
    if wishes.as_json:
        _show_receipt(Receipt(plan=plan, id="", done=True, freed=0, removed=()), True, telling)
    else:
        show_plan(plan, False, telling)
    _collect(plan.store, wishes)
    return DONE


def is_agreed(inventory: Inventory, plan: Plan, wishes: Wishes, telling: Telling = PLAINLY) -> bool:
    """Show the plan and ask, unless that was answered before. Raises Refused where nobody can be asked."""
    if wishes.yes:
        if not wishes.as_json:
            show_plan(plan, False, telling)
        return True
    if not sys.stdin.isatty():
        raise Refused("there is no terminal to ask on; say --yes to remove, or --dry-run to look. Nothing was removed")
    show(_view(plan, telling), on_stderr=True)
    if len(plan.models) == len(inventory.models) > 0:
        return _ask("These are all the models. Type “everything” to remove them: ") == "everything"
    what = f"{counted(len(plan.files), 'file')}, {size(plan.reclaims)}"
    question = "Move this to the trash" if plan.mode == "trash" else "Remove this for good"
    return _ask(f"{question} ({what})? [y/N] ").lower() in ("y", "yes")


def _ask(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):  # Ctrl-D leaves the cursor behind the question
        sys.stderr.write("\n")
    return answer.strip()


def unload(server: Server | None, plan: Plan) -> None:
    """Let the server let go of what the plan takes; where it will not, say so and go on."""
    for name in plan.loaded if server else ():
        try:
            server.unload(name) if server else None
        except PrunellaError as error:
            tell(f"{name} could not be unloaded: {error}")


def _execute(plan: Plan) -> Receipt:
    meter = Meter()

    def report(step: Step) -> None:
        meter.tell(f"removing: step {step.done:,} of {step.total:,}")

    try:
        with cancel_on_interrupt() as cancelled:
            return apply(plan, time.time, report=report, cancelled=cancelled)
    finally:
        meter.clear()


def _show_receipt(receipt: Receipt, as_json: bool, telling: Telling) -> None:
    if as_json:
        print_json({**receipt_document(receipt), **telling.fields})
        return
    from prunella_tui.cli.views.receipt import receipt_view

    show(receipt_view(receipt))


def _collect(store: Store, wishes: Wishes) -> None:
    """Let the trash go of what has expired, and say what and how much."""
    if not collects(wishes.no_gc):
        return
    try:
        receipt = collect_expired(store, retention(), time.time)
    except Refused as error:  # another Prunella is at it, or the store changes: the next run collects
        tell(f"What has expired in the trash is still there: {error}")
        return
    if receipt:
        tell(f"Expired in the trash: {counted(len(receipt.removed), 'file')} removed, {size(receipt.freed)} freed.")


def _code_of(receipt: Receipt) -> int:
    if receipt.cancelled:
        return INTERRUPTED
    plan = receipt.plan
    named_but_held = plan.held_back if isinstance(plan.request, Removal) else ()
    is_partial = receipt.errors or receipt.returned or plan.blocked or named_but_held or plan.missing
    return PARTLY if is_partial else DONE
