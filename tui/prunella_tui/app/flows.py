"""What takes longer than a key press, each as one flow from the key to the result. Flows run in workers."""

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal, NamedTuple

from textual.app import App
from textual.visual import Visual

from prunella_core.apply import Step, World, has_unfinished
from prunella_core.base.errors import PrunellaError
from prunella_core.base.text import clean
from prunella_core.copy.plan import CopyPlan, look_at_target, plan_copy
from prunella_core.copy.run import CopyReceipt, copy_models
from prunella_core.inventory.records import Blob, Inventory, Model, Problem, TrashEntry
from prunella_core.ledger.log import read_log
from prunella_core.ollama.names import place_of
from prunella_core.ollama.server import is_quiet
from prunella_core.operations.carry_out import carry_out, delete_moved, finish_left, plan_moved
from prunella_core.operations.repair import plan_repairs
from prunella_core.plan.records import Empty, Plan, Receipt, Removal, Restore
from prunella_core.store.access import toggle_pin
from prunella_core.verify import VerifyProgress, VerifyResult, verify_blobs
from prunella_tui.app.screens.asking import CopyDialog, FreeDialog
from prunella_tui.app.screens.dialog import Reading
from prunella_tui.app.screens.review import Review
from prunella_tui.app.screens.working import Cancelled, Outcome, Report, Result, Verified, Working
from prunella_tui.app.session import Session
from prunella_tui.app.widgets.tables import Tables
from prunella_tui.report import format as show
from prunella_tui.report.health import progress_text, repaired_lines, repaired_title
from prunella_tui.report.lines import Block, line
from prunella_tui.report.plan import plan_lines
from prunella_tui.report.rows import sharing_lines
from prunella_tui.report.stores import copied_lines, copied_title, copy_lines
from prunella_tui.report.textual import Drawing
from prunella_tui.report.trash import emptying_lines


class Here(NamedTuple):
    """Where a flow begins, with what is known then."""

    app: App[int]
    session: Session
    inventory: Inventory
    tables: Tables
    rescan: Callable[[], object]

    def world(self, **more: Any) -> World:
        """What an operation needs to know of this run, and ``more``: how to report, and whether it is cancelled."""
        setup = self.session.setup
        return World(
            now=setup.now,
            server=self.session.server,
            retention=setup.retention if setup.collects else None,
            settle=setup.settle,
            is_quiet=partial(is_quiet, setup.environ),
            **more,
        )

    async def say(self, title: str, text: Visual | str) -> None:
        """Say something that is longer than a line, and wait until it is read."""
        await self.app.push_screen_wait(Reading(title, text))

    async def work(self, working: Working[Outcome], failed: str = "Nothing was changed") -> Outcome | None:
        """Have work done and the store read again; say why where it ``failed``."""
        outcome = await self.app.push_screen_wait(working)
        self.rescan()
        if isinstance(outcome, OSError):
            await self.say("Failed", show.failure(outcome))
        elif isinstance(outcome, Exception):
            await self.say(failed, str(outcome))
        else:
            return outcome
        return None


async def verify(here: Here) -> None:
    """Check what is marked, else the row under the cursor, against its hash."""
    if refusal := here.session.store.read_only:
        await here.say("Nothing can be verified here", refusal)
    elif blobs := _chosen(here):
        again = False
        while await _verify(here, blobs, again):
            again = True
    else:
        here.app.notify("Nothing to verify here: v checks models and blobs (tabs 1 and 2)")


async def _verify(here: Here, blobs: list[Blob], again: bool) -> bool:
    """Return whether what an earlier run found sound is to be read once more."""

    def job(report: Report, cancelled: Cancelled) -> VerifyResult:
        return verify_blobs(here.inventory, blobs, again=again, report=_advance(report), cancelled=cancelled)

    title, stop = f"Verifying {show.counted(len(blobs), 'blob')}", "Stop, and keep what was verified"
    result = await here.work(Working(title, job, stop=stop, stopping="Stopping …"))
    return result is not None and await here.app.push_screen_wait(Verified(result)) == "again"


def _chosen(here: Here) -> list[Blob]:
    marks, inventory, row = here.session.marks, here.inventory, here.tables.table.row
    if isinstance(row, Problem):
        key = place_of(row.path).whole or ""
        row = inventory.blob_by_key.get(key) or inventory.model_by_name.get(row.model or "")
    rows: list[object] = [inventory.blob_by_key[key] for key in marks.blobs]
    rows += [inventory.model_by_name[name] for name in marks.models]
    found = dict[str, Blob]()
    for each in rows or [row]:
        blobs = inventory.blobs_of(each) if isinstance(each, Model) else [each] if isinstance(each, Blob) else []
        found |= {blob.key: blob for blob in blobs if blob.has_hash}
    return list(found.values())


async def repair(here: Here) -> None:
    """Review which models the server can pull again, and have it pull what is missing or damaged."""
    from prunella_tui.app.screens.review import RepairReview, repairing

    session = here.session
    if refusal := session.refusal():
        await here.say("Nothing can be repaired here", refusal)
        return
    plan = await asyncio.to_thread(plan_repairs, here.inventory, session.server, session.setup.now())
    confirmed = await here.app.push_screen_wait(RepairReview(plan))
    if confirmed and (receipt := await here.work(repairing(confirmed, here.world()))):
        await here.say(repaired_title(receipt), Drawing(repaired_lines(receipt)))


async def sharing(here: Here) -> None:
    """Show which models share data with the one under the cursor, or with the first that needs the blob."""
    row = here.tables.table.row
    name = row.name if isinstance(row, Model) else next(iter(row.models), None) if isinstance(row, Blob) else None
    if name in here.inventory.model_by_name:
        await here.say(f"What {clean(name)} shares", Drawing(sharing_lines(here.inventory, name)))
    else:
        here.app.notify("Put the cursor on a model, or on a blob that models use", severity="warning")


async def show_map(here: Here) -> None:
    """Open the map; it ends with a row to go to, or without."""
    from prunella_tui.app.screens.map import MapScreen

    if place := await here.app.push_screen_wait(MapScreen(here.session, here.inventory)):
        here.tables.action_show_tab(place.tab)
        here.tables.table.go_to(place.key)


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
            return _review(here, plans, plan_lines(here.inventory, plans[0], show.KEYS), wipes)

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
            return _review(here, [plan], emptying_lines(inventory, plan, log), wipes)

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
    elif not isinstance(model, Model):
        here.app.notify("Put the cursor on a model (tab 1)", severity="warning")
    else:
        try:
            here.app.notify(toggle_pin(here.session.store, model.name, model.is_pinned))
        except (PrunellaError, OSError) as error:
            await here.say("The pins were not changed", str(error))
        here.rescan()


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
    session, now, removal = here.session, here.session.setup.now, None
    dialog = CopyDialog(here.inventory, wanted, now, moves=moves, refusal=session.refusal() or "")
    chosen = await here.app.push_screen_wait(dialog)
    if chosen is None:
        return False

    def review(force: bool) -> Review:
        requests = (Removal(to_trash=way, force=force, loaded=session.loaded) for way in (True, False))
        plans = [plan_moved(here.inventory, chosen.plan, request, now()) for request in requests]
        blocks = [*copy_lines(chosen.plan), line(), *plan_lines(here.inventory, plans[0], show.KEYS)]
        title = f"Copy {show.counted(len(chosen.plan.models), 'model')}, then delete here?"
        return _review(here, plans, blocks, title=title)

    if chosen.moves and not isinstance(removal := await _answer(here, review), Plan):
        return False
    receipt, lines = await _copied(here, chosen.plan, verify=chosen.moves) or (None, [])
    if isinstance(removal, Plan) and receipt and receipt.models and not receipt.cancelled:
        return await _carry_out(here, removal, partial(delete_moved, receipt), [*lines, line()])
    if receipt:
        await here.say(copied_title(receipt), Drawing(lines))
    return False


async def _copied(here: Here, plan: CopyPlan, *, verify: bool) -> tuple[CopyReceipt, list[Block]] | None:
    """Copy what ``plan`` says, and say it; what was interrupted in the other store is finished or undone first."""
    now = here.session.setup.now

    def job(report: Report, cancelled: Cancelled) -> tuple[CopyReceipt, list[Block]]:
        began, ready = time.monotonic(), plan
        if has_unfinished(plan.target):
            finish_left(plan.target, World(now=now))
            wanted = [here.inventory.model_by_name[model.name] for model in plan.models]
            ready = plan_copy(here.inventory, look_at_target(here.inventory, plan.target.root, now()), wanted)
        receipt = copy_models(ready, verify=verify, now=now, report=_advance(report), cancelled=cancelled)
        return receipt, [*copied_lines(receipt, time.monotonic() - began)]

    title = f"Copying {show.counted(len(plan.models), 'model')} to {clean(plan.target.root)}"
    return await here.work(Working(title, job, stop="Cancel", stopping="Stopping …"), "Nothing was copied")


def _advance(report: Report) -> Callable[[VerifyProgress], None]:
    began = time.monotonic()
    return lambda progress: report(progress.share, progress_text(progress, time.monotonic() - began))


def _review(here: Here, plans: list[Plan], blocks: Iterable[Block], wipes: str = "", title: str = "") -> Review:
    store, retention = here.session.store, here.session.setup.retention
    undo_hint = "" if store.writable else f"; to be able to undo: {store.as_owner}"
    is_removal = bool(plans[0].models) and isinstance(plans[0].request, Removal)
    copies = is_removal and not title and not here.session.refusal()
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
