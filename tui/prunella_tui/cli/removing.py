"""From a plan to its outcome: show it, ask, carry it out, and say what happened."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from prunella_core.apply import Step, World
from prunella_core.base.errors import Locked, Refused
from prunella_core.base.text import clean
from prunella_core.export.results import plan_document, receipt_document
from prunella_core.inventory.records import Inventory
from prunella_core.ollama.server import Server, connect, is_quiet
from prunella_core.operations.carry_out import carry_out as operate
from prunella_core.operations.carry_out import make_ready
from prunella_core.operations.server import loaded_here
from prunella_core.plan.records import Empty, HeldBack, Plan, PrunePolicy, Receipt, Removal
from prunella_tui.cli.options import duration_setting, is_on, is_set, retention
from prunella_tui.cli.output import DONE, INTERRUPTED, PARTLY, REFUSED, Meter, cancelling, discard, present, say, show
from prunella_tui.cli.session import DELETING, look, open_store
from prunella_tui.report.format import counted, size
from prunella_tui.report.lines import Block
from prunella_tui.report.plan import receipt_lines

if TYPE_CHECKING:
    from prunella_core.verify import VerifyProgress  # late: a removal does without

_Result = TypeVar("_Result")


def look_for_change(*, by_server: bool = False, with_log: bool = False) -> Inventory:
    """Scan the store that is to be changed. Raises Refused, before any question, where it may not be."""
    store = open_store()
    if by_server:
        store.check_changeable(by_server=True)
    elif not is_set("dry_run") and patiently(partial(make_ready, store, World(now=time.time))):
        say("An interrupted operation has been finished or undone first.")
    return look(store, log_for=DELETING if with_log else 0)


def ask_server(inventory: Inventory) -> tuple[Server | None, frozenset[str] | None]:
    """Return the server, if there is one, and which models of this store it has loaded; ``None`` if it is silent."""
    server = connect(os.environ)
    return server, loaded_here(server, inventory)


class Change(NamedTuple):
    """A plan, its ``lines`` for people, more ``fields`` for its documents, and the ``server`` that unloads models."""

    inventory: Inventory
    plan: Plan
    lines: Iterable[Block]
    fields: Mapping[str, Any] = MappingProxyType({})
    server: Server | None = None
    how: Callable[[Plan, World], Receipt] | None = None
    """How it is done, where that is more than the plan."""

    def carry_out(self) -> int:
        """Do with the plan what the flags of the run say, and return the exit code. Raises Refused."""
        if is_set("dry_run"):
            self.show()
            return DONE
        if not self.plan.files:
            _refuse_if_prevented(self.plan)
            _show_unless_json(self.lines)
        elif self.plan.mode != "restore" and self.how is None and not self._is_agreed():
            say("Nothing was deleted.")
            return REFUSED
        receipt = execute(partial(self.how or operate, self.plan), self.server)
        is_news = self.plan.files or is_set("json") or receipt.notes or receipt.expired
        return code_of(receipt) if not is_news or self._is_said(receipt) else PARTLY

    def show(self) -> None:
        """Print the plan."""
        present(lambda: {**plan_document(self.plan), **self.fields}, lambda: self.lines)

    def _is_agreed(self) -> bool:
        if everything := _everything(self.inventory, self.plan):
            question = f"This is {everything}. Type “everything” to delete it: "
            return is_agreed(self.lines, question, "everything")
        return is_agreed(self.lines, f"{_question(self.plan)} [y/N] ")

    def _is_said(self, receipt: Receipt) -> bool:
        """Print a receipt. Where stdout takes no more, say what happened on stderr: something has been changed."""
        try:
            present(lambda: {**receipt_document(receipt), **self.fields}, lambda: receipt_lines(receipt))
        except OSError as error:
            discard(sys.stdout)
            if not isinstance(error, BrokenPipeError):
                say(f"prunella: done, {size(receipt.freed)} freed, but cannot write the output: {error.strerror}")
            return False
        return True


def execute(change: Callable[[World], _Result], server: Server | None) -> _Result:
    """Return what ``change`` does in the world of this run, with its steps on stderr; Ctrl-C cancels it."""
    with cancelling() as cancelled, Meter() as meter:

        def report(step: Step) -> None:
            meter.show(f"{step.what}: step {step.done:,} of {step.total:,}")

        return patiently(partial(change, world_for(server, report, cancelled)))


@contextmanager
def reading() -> "Iterator[tuple[Callable[[str, VerifyProgress], None], Callable[[], bool]]]":
    """What work that reads files is given: a report of what it does and how far it is, and whether it is cancelled."""
    from prunella_tui.report.health import progress_text

    begun = time.monotonic()
    with cancelling() as cancelled, Meter() as meter:

        def report(what: str, progress: "VerifyProgress") -> None:
            meter.show(f"{clean(what)}: {progress_text(progress, time.monotonic() - begun)}")

        yield report, cancelled


def world_for(server: Server | None, report: Callable[[Step], None], cancelled: Callable[[], bool]) -> World:
    """Return what an operation of this run is given, as its settings say."""
    return World(
        now=time.time,
        server=server,
        retention=retention() if is_on("gc") else None,
        settle=duration_setting("settle", "10s"),
        is_quiet=partial(is_quiet, os.environ),
        report=report,
        cancelled=cancelled,
    )


def _refuse_if_prevented(plan: Plan) -> None:
    """Raise Refused where a plan is empty because something is in its way."""
    is_restore = plan.mode == "restore"
    for problem in plan.blocked[:1]:
        hint = "--as NEWNAME restores it under another name" if is_restore else "see prunella doctor"
        what = f"{clean(problem.path)}: {clean(problem.message)} ({hint})"
        raise Refused(f"nothing was {'restored' if is_restore else 'deleted'}: {what}")
    for held in _unexpectedly_held(plan)[:1]:
        raise Refused(f"nothing was deleted: {clean(held.path)}: {held.reason} (--force includes it)")


def _question(plan: Plan) -> str:
    files = counted(len(plan.files), "file")
    what = counted(len(plan.models), "model") if plan.models else files
    frees = f"({files}, {size(plan.reclaims)})"
    return f"Move {what} to the trash {frees}?" if plan.mode == "trash" else f"Delete {what} permanently {frees}?"


def _everything(inventory: Inventory, plan: Plan) -> str:
    """Return what is emptied as a whole: all models, or the whole trash."""
    if isinstance(plan.request, Empty):
        kept = {entry.id for entry in inventory.trash if not entry.is_spent}
        return "" if plan.request.entries and kept - set(plan.request.entries) else "the whole trash"
    return "every model" if len(plan.models) == len(inventory.models) > 0 else ""


def is_agreed(lines: Iterable[Block], question: str, *answers: str) -> bool:
    """Show what is planned and ask, unless --yes was given. Raises Refused without a terminal to ask on."""
    if is_set("yes"):
        _show_unless_json(lines)
        return True
    if not sys.stdin.isatty():
        raise Refused("not a terminal: use --yes or --dry-run; nothing was changed")
    show(lines, on_stderr=True)
    return ask(question) in answers if answers else ask(question).lower() in ("y", "yes")


def _show_unless_json(lines: Iterable[Block]) -> None:
    if not is_set("json"):
        show(lines)


def ask(question: str) -> str:
    """Return the answer to a question on stderr."""
    sys.stderr.write(question)
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):  # Ctrl-D leaves the cursor behind the question
        sys.stderr.write("\n")
    return answer.strip()


def patiently(change: Callable[[], _Result]) -> _Result:
    """Return what ``change`` returns; while another run has the store, try again until --wait is over."""
    until = time.monotonic() + duration_setting("wait", "5s")
    with Meter() as meter:
        while True:
            try:
                return change()
            except Locked:
                if time.monotonic() >= until:
                    raise
            meter.show("waiting for another Prunella to finish")
            time.sleep(0.1)


def code_of(receipt: Receipt) -> int:
    """Return the exit code of an operation."""
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
