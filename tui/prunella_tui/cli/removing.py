"""From a plan to its outcome: show it, ask, execute it, and say what really happened."""

import sys
import time
from typing import NamedTuple

from prunella_core.apply import Step, apply, has_unfinished
from prunella_core.documents import plan_document, receipt_document
from prunella_core.errors import Refused
from prunella_core.inventory import Inventory
from prunella_core.plan import Plan, Receipt, Removal
from prunella_core.planning import make_plan
from prunella_core.text import clean
from prunella_tui.cli.codes import DONE, INTERRUPTED, PARTLY, REFUSED
from prunella_tui.cli.meter import Meter
from prunella_tui.cli.output import print_json, show, tell
from prunella_tui.cli.session import look, open_store
from prunella_tui.cli.signals import cancel_on_interrupt


class Wishes(NamedTuple):
    """How somebody wants a removal done."""

    dry_run: bool
    yes: bool
    as_json: bool


def look_for_removal(dry_run: bool) -> Inventory:
    """Scan the store that something shall be removed from.

    Raises Refused, before anybody is asked anything, where nothing may be removed.
    """
    store = open_store()
    inventory = look(store)
    unfinished = has_unfinished(store)
    if dry_run or (store.named and store.writable and not unfinished):
        return inventory
    # To execute a plan of nothing is to check the store, and to finish or undo what a killed run left.
    apply(make_plan(inventory, Removal(), time.time()), time.time)
    if unfinished:
        tell("A removal that was interrupted has been finished or undone first.")
    return look(store)


def carry_out(inventory: Inventory, plan: Plan, wishes: Wishes) -> int:
    """Do with ``plan`` what was wished, and return the exit code."""
    if wishes.dry_run:
        _show_plan(plan, wishes.as_json)
        return DONE
    if not plan.files:
        return _nothing_goes(plan, wishes.as_json)
    if not wishes.yes and not _is_agreed(inventory, plan):
        tell("Nothing was removed.")
        return REFUSED
    if wishes.yes and not wishes.as_json:
        _show_plan(plan, as_json=False)
    receipt = _execute(plan)
    _show_receipt(receipt, wishes.as_json)
    return _code_of(receipt)


def _show_plan(plan: Plan, as_json: bool) -> None:
    if as_json:
        print_json(plan_document(plan))
        return
    from prunella_tui.cli.views.plan import plan_view

    show(plan_view(plan))


def _nothing_goes(plan: Plan, as_json: bool) -> int:
    if plan.blocked:
        first = plan.blocked[0]
        raise Refused(f"nothing was removed: {clean(first.path)}: {clean(first.message)} (see prunella doctor)")
    if plan.held_back and isinstance(plan.request, Removal):
        first_held = plan.held_back[0]
        raise Refused(f"nothing was removed: {clean(first_held.path)}: {first_held.reason} (--force takes it)")
    if as_json:
        print_json(receipt_document(Receipt(plan=plan, id="", done=True, freed=0, removed=())))
    else:
        from prunella_tui.cli.views.plan import plan_view

        show(plan_view(plan))
    return DONE


def _is_agreed(inventory: Inventory, plan: Plan) -> bool:
    if not sys.stdin.isatty():
        raise Refused("there is no terminal to ask on; say --yes to remove, or --dry-run to look. Nothing was removed")
    from prunella_tui.cli.views.plan import plan_view
    from prunella_tui.presentation import counted, size

    show(plan_view(plan), on_stderr=True)
    takes_all = len(plan.models) == len(inventory.models) > 0
    if takes_all:
        return _ask("These are all the models. Type “everything” to remove them: ") == "everything"
    what = f"{counted(len(plan.files), 'file')}, {size(plan.reclaims)}"
    return _ask(f"Remove this for good ({what})? [y/N] ").lower() in ("y", "yes")


def _ask(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):  # Ctrl-D leaves the cursor behind the question
        sys.stderr.write("\n")
    return answer.strip()


def _execute(plan: Plan) -> Receipt:
    meter = Meter()

    def report(step: Step) -> None:
        meter.tell(f"removing: step {step.done:,} of {step.total:,}")

    try:
        with cancel_on_interrupt() as cancelled:
            return apply(plan, time.time, report=report, cancelled=cancelled)
    finally:
        meter.clear()


def _show_receipt(receipt: Receipt, as_json: bool) -> None:
    if as_json:
        print_json(receipt_document(receipt))
        return
    from prunella_tui.cli.views.receipt import receipt_view

    show(receipt_view(receipt))


def _code_of(receipt: Receipt) -> int:
    if receipt.cancelled:
        return INTERRUPTED
    plan = receipt.plan
    named_but_held = plan.held_back if isinstance(plan.request, Removal) else ()
    return PARTLY if receipt.errors or receipt.returned or plan.blocked or named_but_held else DONE
