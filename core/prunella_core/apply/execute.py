"""Executes a plan, or refuses it with the store as it was."""

import hashlib
import itertools
import os
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from prunella_core.apply.noting import note, note_finished, unfinished
from prunella_core.apply.operation import Operation
from prunella_core.apply.recover import recover, removing, staging
from prunella_core.apply.restore import restore
from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.fs.disk import Disk
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.ages import last_run, rescan
from prunella_core.plan.build import make_plan
from prunella_core.plan.drift import refuse_if_stale
from prunella_core.plan.records import Plan, Receipt
from prunella_core.scan import new_id
from prunella_core.store.locate import Store
from prunella_core.store.lock import lock


class Step(NamedTuple):
    """How far an operation is: steps done, of how many."""

    done: int
    total: int


def ignore(_step: Step) -> None:
    """Report to nobody."""


def never() -> bool:
    """Nobody cancels."""
    return False


def apply(
    plan: Plan,
    now: Callable[[], float],
    *,
    disk: Disk | None = None,
    report: Callable[[Step], None] = ignore,
    cancelled: Callable[[], bool] = never,
) -> Receipt:
    """Execute exactly ``plan`` and return what happened, measured.

    ``now`` tells the time (seconds, UTC). ``cancelled`` is asked until the decision; a cancelled operation is undone.
    Raises Refused, with the store as it was, when the store is not to be changed, is locked, or no longer matches.
    """
    disk = disk or Disk()
    if why_not := plan.store.refusal():
        raise Refused(why_not)
    with lock(plan.store):
        _recover(plan.store, disk)
        _tidy(plan.store, disk)
        inventory = rescan(plan.store, now())
        refuse_if_stale(plan, make_plan(inventory, plan.request, plan.made_at), inventory)
        if not plan.files:
            return Receipt(plan=plan, id="", done=True, freed=0, removed=())
        at = max(now(), last_run(plan.store))  # a clock that is behind must not make the trash expire at once
        try:
            receipt = _execute(plan, inventory, at, disk, report, cancelled)
        finally:
            _tidy(plan.store, disk)
        return note(receipt, at, inventory.origins if plan.models else {})


def _execute(
    plan: Plan,
    inventory: Inventory,
    at: float,
    disk: Disk,
    report: Callable[[Step], None],
    cancelled: Callable[[], bool],
) -> Receipt:
    if plan.mode == "restore":
        return restore(plan, disk)
    going = {item.file.path for item in plan.files}
    known = frozenset(problem.path for problem in inventory.blocking) - going
    operation = Operation(
        plan, known, _identity(plan, at), disk, lambda done, total: report(Step(done, total)), cancelled
    )
    return operation.run()


def _identity(plan: Plan, now: float) -> str:
    """Name the operation by its time and by what it takes, so that the same removal always has the same name."""
    paths = "\0".join(item.file.path for item in plan.files).encode(errors="surrogateescape")
    names = (new_id(now, hashlib.sha256(paths + bytes(attempt)).hexdigest()[:6]) for attempt in itertools.count())
    return next(name for name in names if not os.path.lexists(os.path.join(plan.store.trash, name)))


def _recover(store: Store, disk: Disk) -> None:
    finished = unfinished(store)
    try:
        recover(store, disk)
    except OSError as error:
        where = clean(str(error.filename or store.own))
        raise Refused(f"cannot finish an interrupted removal: {where}: {error.strerror}; mend that first") from error
    note_finished(store, finished)


def _tidy(store: Store, disk: Disk) -> None:
    for folder in (staging(store), removing(store), store.trash):
        with suppress(OSError):  # an empty folder of ours that stays harms nobody
            if os.path.isdir(folder):
                disk.remove_if_empty(folder)
