"""What takes longer than a key press, each as one flow from the key to the result. Flows run in workers."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal, NamedTuple

from prunella_core.apply import Step, World, has_unfinished
from prunella_core.base.errors import PrunellaError
from prunella_core.base.text import clean
from prunella_core.copy.plan import CopyPlan, look_at_target, plan_copy
from prunella_core.copy.run import CopyReceipt, copy_models
from prunella_core.inventory.records import Model, TrashEntry
from prunella_core.ledger.log import read_log
from prunella_core.operations.carry_out import carry_out, delete_moved, finish_left, plan_moved
from prunella_core.plan.records import Empty, Plan, Receipt, Removal, Restore
from prunella_core.store.access import toggle_pin
from prunella_core.verify import VerifyProgress
from prunella_tui.app.here import Here, repair, sharing, show_map, verify
from prunella_tui.app.screens.asking import CopyDialog, FreeDialog
from prunella_tui.app.screens.review import Review
from prunella_tui.app.screens.working import Cancelled, Report, Result, Working
from prunella_tui.app.session import Session
from prunella_tui.report import format as show
from prunella_tui.report.format import KEYS
from prunella_tui.report.health import progress_text
from prunella_tui.report.lines import Block, line
from prunella_tui.report.plan import plan_lines
from prunella_tui.report.stores import copied_lines, copied_title, copy_lines
from prunella_tui.report.textual import Drawing
from prunella_tui.report.trash import emptying_lines

_TITLES = {"trash": "Moving to trash", "delete": "Deleting", "server": "Deleting", "restore": "Restoring"}


async def delete(here: Here) -> None:
    """Review what is marked, else the row under the cursor, and delete it in the way that is confirmed."""
    session, tab, key = here.session, here.tables.tab.id, here.tables.table.key
    before = session.marks
    if tab == "trash":
        await empty(here)
    elif refusal := session.refusal(by_server=True):
        await here.say("Nothing can be deleted here", refusal)
    elif not before.count and (why_not := session.toggle(tab, key) if key else ""):
        here.app.notify(why_not, severity="warning")
    elif session.marks.count:

        def review(force: bool) -> Review:
            plans = session.removal_plans(here.inventory, force=force)
            wipes = "every model" if 0 < len(here.inventory.models) == len(plans[0].models) else ""
            return _review(session, plans, plan_lines(here.inventory, plans[0], KEYS), wipes)

        plan = await _answer(here, review)
        if plan == "copy":
            models = session.removal_plans(here.inventory, force=False)[0].models
            done = await _copy(here, [here.inventory.model_by_name[name] for name in models], moves=True)
        else:
            done = plan is not None and await _carry_out(here, plan)
        if done:
            session.forget_marks()
        else:
            session.put_back(before)


async def empty(here: Here) -> None:
    """Review the trash, or what is marked in it, or on its tab the row, and delete it permanently."""
    session, inventory, table = here.session, here.inventory, here.tables.table
    if refusal := session.refusal():
        await here.say("Nothing can be deleted here", refusal)
    elif session.last_removal is None:
        here.app.notify("The trash is empty")
    else:
        whole = frozenset(entry.id for entry in inventory.trash if not entry.is_spent)
        row = {table.key} if here.tables.tab.id == "trash" and table.key else whole
        entries, log = session.marks.trash or row, read_log(session.store)

        def review(force: bool) -> Review:
            plan = session.plan(inventory, Empty(entries=tuple(entries), force=force))
            wipes = "the whole trash" if whole <= entries else ""
            return _review(session, [plan], emptying_lines(inventory, plan, log), wipes)

        plan = await _answer(here, review)
        if isinstance(plan, Plan) and await _carry_out(here, plan):
            session.unmark("trash", entries)


async def undo(here: Here) -> None:
    """Put back dropped marks, else bring back the last removal; on the trash tab, the row."""
    session, row = here.session, here.tables.table.row
    entry = row if isinstance(row, TrashEntry) else session.last_removal
    if session.dropped and not isinstance(row, TrashEntry):
        session.put_back()
    elif (refusal := session.refusal()) and (entry or session.store.read_only):
        await here.say("Nothing can be restored here", refusal)
    elif entry is None:
        here.app.notify("Nothing to undo")
    elif (plan := session.plan(here.inventory, Restore(entry=entry.id))).blocked:
        taken = "\n".join(clean(problem.message) for problem in plan.blocked)
        ways = [f"{plan.models[0]} --as NEWNAME", f"--swap {entry.id}"] if plan.models else []
        hints = "\n".join(f"prunella restore {clean(way)}" for way in ways)
        await here.say("That name is taken", f"{taken}\n\n{hints}")
    else:
        await _carry_out(here, plan)


async def free(here: Here) -> None:
    """Ask how much space to free, and mark what is suggested for it."""
    session = here.session
    if refusal := session.refusal(by_server=True):
        await here.say("Nothing can be freed here", refusal)
    elif proposal := await here.app.push_screen_wait(FreeDialog(here.inventory, session.setup.now, session.loaded)):
        session.propose(proposal.removal)
        here.app.notify("Marked. Change it as you like; d reviews it.")


async def pin(here: Here) -> None:
    """Pin the model under the cursor, or unpin it."""
    model = here.tables.table.row
    if refusal := here.session.refusal():
        await here.say("Nothing can be pinned here", refusal)
    elif isinstance(model, Model):
        try:
            here.app.notify(toggle_pin(here.session.store, model.name, model.is_pinned))
        except (PrunellaError, OSError) as error:
            await here.say("The pins were not changed", str(error))
        here.rescan()
    else:
        here.app.notify("Put the cursor on a model (tab 1)", severity="warning")


async def copy(here: Here) -> None:
    """Copy or move the models that are marked, else the one under the cursor, to another disk."""
    session, row = here.session, here.tables.table.row
    names = session.marks.models or {row.name if isinstance(row, Model) else ""}
    if refusal := session.store.read_only:
        await here.say("Nothing can be copied here", refusal)
    elif not (wanted := [model for model in here.inventory.models if model.name in names]):
        here.app.notify("Put the cursor on a model (tab 1), or mark models", severity="warning")
    elif await _copy(here, wanted):
        session.forget_marks()


async def _copy(here: Here, wanted: list[Model], *, moves: bool = False) -> bool:
    """Ask where to, and copy there or move; return whether the models were deleted here."""
    session, now = here.session, here.session.setup.now
    chosen = await here.app.push_screen_wait(
        CopyDialog(here.inventory, wanted, now, moves=moves, refusal=session.refusal() or "")
    )
    if chosen is None:
        return False
    if not chosen.moves:
        if copied := await _copied(here, chosen.plan):
            await here.say(copied_title(copied.receipt), Drawing(copied.lines))
        return False

    def review(force: bool) -> Review:
        requests = (Removal(to_trash=way, force=force, loaded=session.loaded) for way in (True, False))
        plans = [plan_moved(here.inventory, chosen.plan, request, now()) for request in requests]
        blocks = [*copy_lines(chosen.plan), line(), *plan_lines(here.inventory, plans[0], KEYS)]
        title = f"Copy {show.counted(len(chosen.plan.models), 'model')}, then delete here?"
        return _review(session, plans, blocks, title=title)

    removal = await _answer(here, review)
    return isinstance(removal, Plan) and await _move(here, chosen.plan, removal)


async def _move(here: Here, plan: CopyPlan, removal: Plan) -> bool:
    copied = await _copied(here, plan, verify=True)
    if copied is None:
        return False
    if copied.receipt.models and not copied.receipt.cancelled:
        return await _carry_out(here, removal, partial(delete_moved, copied.receipt), [*copied.lines, line()])
    await here.say(copied_title(copied.receipt), Drawing(copied.lines))
    return False


class _Copied(NamedTuple):
    receipt: CopyReceipt
    lines: list[Block]
    """What happened, in words."""


async def _copied(here: Here, plan: CopyPlan, *, verify: bool = False) -> _Copied | None:
    """Copy what ``plan`` says; what was interrupted in the other store is finished or undone first."""
    now = here.session.setup.now

    def job(report: Report, cancelled: Cancelled) -> _Copied:
        began, ready = time.monotonic(), plan
        if has_unfinished(plan.target):
            finish_left(plan.target, World(now=now))
            wanted = [here.inventory.model_by_name[model.name] for model in plan.models]
            ready = plan_copy(here.inventory, look_at_target(here.inventory, plan.target.root, now()), wanted)

        def advance(progress: VerifyProgress) -> None:
            report(progress.share, progress_text(progress, time.monotonic() - began))

        receipt = copy_models(ready, verify=verify, now=now, report=advance, cancelled=cancelled)
        return _Copied(receipt, [*copied_lines(receipt, time.monotonic() - began)])

    title = f"Copying {show.counted(len(plan.models), 'model')} to {clean(plan.target.root)}"
    return await here.work(Working(title, job, stop="Cancel", stopping="Stopping …"), "Nothing was copied")


def _review(
    session: Session, plans: list[Plan], blocks: Iterable[Block], wipes: str = "", *, title: str = ""
) -> Review:
    undo_hint = "" if session.store.writable else f"; to be able to undo: {session.store.as_owner}"
    copies = not title and bool(plans[0].models) and isinstance(plans[0].request, Removal) and not session.refusal()
    retention = session.setup.retention
    return Review(plans, blocks, title=title, retention=retention, wipes=wipes, undo_hint=undo_hint, copies=copies)


async def _answer(here: Here, review: Callable[[bool], Review]) -> Plan | Literal["copy"] | None:
    """Show a review, forced or not, until there is an answer: the plan to carry out, file by file."""
    answer = await here.app.push_screen_wait(review(False))
    while answer == "force":
        answer = await here.app.push_screen_wait(review(True))
    return answer


async def _carry_out(
    here: Here, plan: Plan, do: Callable[[Plan, World], Receipt] | None = None, before: Iterable[Block] = ()
) -> bool:
    """Do exactly what was confirmed, and show what happened; return whether it was not undone.

    ``before`` says what was done first.
    """

    def job(report: Report, cancelled: Cancelled) -> Receipt:
        began = time.monotonic()

        def advance(step: Step) -> None:
            steps = show.stepping(step.done, step.total, time.monotonic() - began)
            text = steps if step.what == "removing" else f"{step.what[0].upper()}{step.what[1:]}"
            report(step.done / step.total if step.total else None, text)

        return (do or carry_out)(plan, here.world(report=advance, cancelled=cancelled))

    stop = "" if plan.mode == "restore" else "Cancel"
    stopping = "Stopping …" if plan.mode == "server" else "Putting everything back …"
    failed = "Copied, and nothing was deleted here" if before else "Nothing was changed"
    receipt = await here.work(Working(_TITLES[plan.mode], job, stop=stop, stopping=stopping), failed)
    if receipt:
        await here.app.push_screen_wait(Result(receipt, before))
    return receipt is not None and not receipt.cancelled


FLOWS = {flow.__name__: flow for flow in (delete, empty, undo, free, copy, pin, verify, repair, sharing, show_map)}
