"""From a plan to its outcome: show it, ask, execute it, and say what really happened."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from prunella_core.apply import Step
from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.export.documents.changing import plan_document, receipt_document
from prunella_core.inventory.records import Inventory
from prunella_core.ollama.client import Server, connect, loaded_here
from prunella_core.operations.by_server import refuse_single_files, serving
from prunella_core.operations.carry_out import World, make_ready, refuse_unless_allowed
from prunella_core.operations.carry_out import carry_out as operate
from prunella_core.plan.records import HeldBack, Plan, PrunePolicy, Receipt, Removal
from prunella_tui.cli.codes import DONE, INTERRUPTED, PARTLY, REFUSED
from prunella_tui.cli.meter import Meter
from prunella_tui.cli.options import Wishes
from prunella_tui.cli.output import print_json, show, tell
from prunella_tui.cli.session import collects, look, open_store, retention
from prunella_tui.cli.signals import cancel_on_interrupt
from prunella_tui.report.format import counted, size

if TYPE_CHECKING:
    from prunella_tui.report.lines import Block


def look_for_change(dry_run: bool, *, by_server: bool = False) -> Inventory:
    """Survey the store that something shall be changed in.

    Raises Refused, before anybody is asked anything, where nothing may be changed.
    """
    store = open_store()
    if by_server:
        refuse_unless_allowed(store, by_server=True)
    elif not dry_run and make_ready(store, World(now=time.time)):
        tell("A removal that was interrupted has been finished or undone first.")
    return look(store)


def ask_server(inventory: Inventory) -> tuple[Server | None, frozenset[str] | None]:
    """Return the server, when one is there, and which models of this store it has loaded; ``None`` if it is silent."""
    server = connect(os.environ)
    return server, loaded_here(server, inventory)


def refuse_unless_served(server: Server | None, inventory: Inventory, plan: Plan, wishes: Wishes) -> None:
    """Raise Refused, before anybody is asked, unless the server can delete what ``plan`` takes from this store."""
    refuse_single_files(plan.request)
    if not wishes.dry_run:
        serving(server, inventory)


class Telling(NamedTuple):
    """How a plan is told: as a table of its own, and with ``fields`` that its documents have besides."""

    view: Callable[[Plan], "Iterable[Block]"] | None = None
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
    receipt = _execute(plan, wishes, server)
    _show_receipt(receipt, wishes.as_json, telling)
    return _code_of(receipt)


def show_plan(plan: Plan, as_json: bool, telling: Telling = PLAINLY) -> None:
    """Print a plan."""
    if as_json:
        print_json({**plan_document(plan), **telling.fields})
    else:
        show(_view(plan, telling))


def _view(plan: Plan, telling: Telling) -> "Iterable[Block]":
    from prunella_tui.report.plan import plan_lines

    return (telling.view or plan_lines)(plan)


def _nothing_goes(plan: Plan, wishes: Wishes, telling: Telling) -> int:
    if plan.blocked:
        first = plan.blocked[0]
        what = "restored" if plan.mode == "restore" else "removed"
        hint = "--as NEWNAME gives it another name" if plan.mode == "restore" else "see prunella doctor"
        raise Refused(f"nothing was {what}: {clean(first.path)}: {clean(first.message)} ({hint})")
    if held_back := _unexpectedly_held(plan):
        first_held = held_back[0]
        raise Refused(f"nothing was removed: {clean(first_held.path)}: {first_held.reason} (--force takes it)")
    if not wishes.as_json:
        show_plan(plan, False, telling)
    receipt = _execute(plan, wishes, None)
    if wishes.as_json or receipt.notes or receipt.expired:
        _show_receipt(receipt, wishes.as_json, telling)
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


def _execute(plan: Plan, wishes: Wishes, server: Server | None) -> Receipt:
    meter = Meter()

    def report(step: Step) -> None:
        meter.tell(f"removing: step {step.done:,} of {step.total:,}")

    keeps = retention() if collects(wishes.no_gc) else None
    try:
        with cancel_on_interrupt() as cancelled:
            world = World(now=time.time, server=server, retention=keeps, report=report, cancelled=cancelled)
            return operate(plan, world)
    finally:
        meter.clear()


def _show_receipt(receipt: Receipt, as_json: bool, telling: Telling) -> None:
    if as_json:
        print_json({**receipt_document(receipt), **telling.fields})
    else:
        from prunella_tui.report.plan import receipt_lines

        show(receipt_lines(receipt))


def _code_of(receipt: Receipt) -> int:
    if receipt.cancelled:
        return INTERRUPTED
    plan = receipt.plan
    is_partial = receipt.errors or receipt.returned or plan.blocked or _unexpectedly_held(plan) or plan.missing
    return PARTLY if is_partial else DONE


def _unexpectedly_held(plan: Plan) -> tuple[HeldBack, ...]:
    """What was named and is held back, and models of which the server does not say whether it has them loaded."""
    if isinstance(plan.request, Removal):
        return plan.held_back
    is_silent = isinstance(plan.request, PrunePolicy) and plan.request.loaded is None
    return tuple(held for held in plan.held_back if is_silent and held.path.startswith("manifests"))
