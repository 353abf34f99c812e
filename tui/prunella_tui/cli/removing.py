"""From a plan to its outcome: show it, ask, carry it out, and say what happened."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from prunella_core.apply import Step
from prunella_core.base.errors import Locked, Refused
from prunella_core.base.text import clean
from prunella_core.export.documents.changing import plan_document, receipt_document
from prunella_core.inventory.records import Inventory
from prunella_core.ollama.client import Server, connect
from prunella_core.ollama.quiet import is_quiet
from prunella_core.operations.by_server import refuse_single_files, serving
from prunella_core.operations.carry_out import World, make_ready, refuse_unless_allowed
from prunella_core.operations.carry_out import carry_out as operate
from prunella_core.operations.served import loaded_here
from prunella_core.plan.records import Empty, HeldBack, Plan, PrunePolicy, Receipt, Removal
from prunella_tui.cli.options import Wishes
from prunella_tui.cli.output import DONE, INTERRUPTED, PARTLY, REFUSED, Meter, discard, present, show, tell
from prunella_tui.cli.session import collects, duration_setting, look, open_store, retention
from prunella_tui.cli.signals import cancelling
from prunella_tui.report.format import counted, size
from prunella_tui.report.lines import Block
from prunella_tui.report.plan import plan_lines, receipt_lines

_Result = TypeVar("_Result")


def look_for_change(dry_run: bool, *, by_server: bool = False) -> Inventory:
    """Scan the store that is to be changed. Raises Refused, before any question, where it may not be."""
    store = open_store()
    if by_server:
        refuse_unless_allowed(store, by_server=True)
    elif not dry_run and _patiently(partial(make_ready, store, World(now=time.time)), Meter()):
        tell("An interrupted operation has been finished or undone first.")
    return look(store)


def ask_server(inventory: Inventory) -> tuple[Server | None, frozenset[str] | None]:
    """Return the server, if there is one, and which models of this store it has loaded; ``None`` if it is silent."""
    server = connect(os.environ)
    return server, loaded_here(server, inventory)


def refuse_unless_served(server: Server | None, inventory: Inventory, plan: Plan, wishes: Wishes) -> None:
    """Raise Refused, before any question, unless the server can delete what ``plan`` names from this store."""
    refuse_single_files(plan.request)
    if not wishes.dry_run:
        serving(server, inventory)


class Review(NamedTuple):
    """How a plan is shown: in lines of its own, and with more ``fields`` in its documents."""

    lines: Callable[[Inventory, Plan], Iterable[Block]] = plan_lines
    fields: Mapping[str, Any] = MappingProxyType({})


PLAIN = Review()


def carry_out(
    inventory: Inventory, plan: Plan, wishes: Wishes, review: Review = PLAIN, server: Server | None = None
) -> int:
    """Do with ``plan`` what was wished, and return the exit code. ``server`` first unloads what it has loaded."""
    if wishes.dry_run:
        show_plan(inventory, plan, wishes.as_json, review)
        return DONE
    if not plan.files:
        return _nothing_to_do(inventory, plan, wishes, review)
    if plan.mode != "restore" and not _is_agreed(inventory, plan, wishes, review):
        tell("Nothing was deleted.")
        return REFUSED
    receipt = _execute(plan, wishes, server)
    return _code_of(receipt) if _is_said(receipt, wishes, review) else PARTLY


def show_plan(inventory: Inventory, plan: Plan, as_json: bool, review: Review = PLAIN) -> None:
    """Print a plan."""
    present(as_json, lambda: {**plan_document(plan), **review.fields}, lambda: review.lines(inventory, plan))


def _nothing_to_do(inventory: Inventory, plan: Plan, wishes: Wishes, review: Review) -> int:
    if plan.blocked:
        first = plan.blocked[0]
        what = "restored" if plan.mode == "restore" else "deleted"
        hint = "--as NEWNAME restores it under another name" if plan.mode == "restore" else "see prunella doctor"
        raise Refused(f"nothing was {what}: {clean(first.path)}: {clean(first.message)} ({hint})")
    if held_back := _unexpectedly_held(plan):
        held = held_back[0]
        raise Refused(f"nothing was deleted: {clean(held.path)}: {held.reason} (--force includes it)")
    if not wishes.as_json:
        show_plan(inventory, plan, False, review)
    receipt = _execute(plan, wishes, None)
    if wishes.as_json or receipt.notes or receipt.expired:
        return DONE if _is_said(receipt, wishes, review) else PARTLY
    return DONE


def _is_agreed(inventory: Inventory, plan: Plan, wishes: Wishes, review: Review) -> bool:
    """Show the plan and ask, unless --yes was given. Raises Refused without a terminal to ask on."""
    if wishes.yes:
        if not wishes.as_json:
            show_plan(inventory, plan, False, review)
        return True
    if not sys.stdin.isatty():
        raise Refused("not a terminal: use --yes or --dry-run; nothing was deleted")
    show(review.lines(inventory, plan), on_stderr=True)
    if everything := _everything(inventory, plan):
        return _ask(f"This is {everything}. Type “everything” to delete it: ") == "everything"
    what = counted(len(plan.models), "model") if plan.models else counted(len(plan.files), "file")
    frees = f"{counted(len(plan.files), 'file')}, {size(plan.reclaims)}"
    question = f"Move {what} to the trash" if plan.mode == "trash" else f"Delete {what} permanently"
    return _ask(f"{question} ({frees})? [y/N] ").lower() in ("y", "yes")


def _everything(inventory: Inventory, plan: Plan) -> str:
    """Return what is emptied as a whole: all models, or the whole trash."""
    if isinstance(plan.request, Empty):
        kept = [entry.id for entry in inventory.trash if not entry.is_spent]
        return "" if plan.request.entries and set(kept) - set(plan.request.entries) else "the whole trash"
    return "every model" if len(plan.models) == len(inventory.models) > 0 else ""


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
        meter.tell(f"{step.what}: step {step.done:,} of {step.total:,}")

    keeps = retention() if collects(wishes.no_gc) else None
    try:
        with cancelling() as cancelled:
            world = World(
                now=time.time,
                server=server,
                retention=keeps,
                settle=duration_setting("settle", "10s"),
                is_quiet=partial(is_quiet, os.environ),
                report=report,
                cancelled=cancelled,
            )
            return _patiently(partial(operate, plan, world), meter)
    finally:
        meter.clear()


def _patiently(change: Callable[[], _Result], meter: Meter) -> _Result:
    """Return what ``change`` returns; while another run has the store, try again until --wait is over."""
    until = time.monotonic() + duration_setting("wait", "5s")
    while True:
        try:
            return change()
        except Locked:
            if time.monotonic() >= until:
                raise
        meter.tell("waiting for another Prunella to finish")
        time.sleep(0.1)


def _is_said(receipt: Receipt, wishes: Wishes, review: Review) -> bool:
    """Print a receipt. Where stdout takes no more, say what happened on stderr: something has been changed."""
    try:
        document = {**receipt_document(receipt), **review.fields}
        present(wishes.as_json, lambda: document, lambda: receipt_lines(receipt))
    except OSError as error:
        discard(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            tell(f"prunella: done, {size(receipt.freed)} freed, but cannot write the output: {error.strerror}")
        return False
    return True


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
