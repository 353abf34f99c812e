"""Executes a plan, or refuses it with the store as it was."""

import hashlib
import itertools
import os
import time
from collections.abc import Callable
from contextlib import closing, suppress

from msgspec.structs import replace

from prunella_core.apply.noting import note, note_finished, unfinished
from prunella_core.apply.operation import Operation
from prunella_core.apply.places import removing, staging
from prunella_core.apply.recover import recover
from prunella_core.apply.restore import restore
from prunella_core.apply.second_look import signs_in
from prunella_core.apply.work import Control, Known, Step, Work, ignore, never
from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.fs.disk import Disk
from prunella_core.fs.sizes import File
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.ages import last_run, rescan
from prunella_core.plan.drift import refuse_if_stale
from prunella_core.plan.records import FileError, Plan, Receipt
from prunella_core.scan import new_id
from prunella_core.store.locate import Store
from prunella_core.store.lock import lock


def apply(
    plan: Plan,
    now: Callable[[], float],
    *,
    disk: Disk | None = None,
    report: Callable[[Step], None] = ignore,
    cancelled: Callable[[], bool] = never,
    settle: float = 10.0,
    is_quiet: Callable[[], bool] = never,
    wait: Callable[[float], None] = time.sleep,
) -> Receipt:
    """Execute exactly ``plan`` and return what happened, measured.

    ``now`` gives the time (seconds, UTC). ``cancelled`` is asked until the decision; a cancelled operation is undone.
    What will be unlinked is watched for a pull for ``settle`` seconds first, unless ``is_quiet`` says that no Ollama
    can be running. Raises Refused, with the store as it was, when the store is not to be changed, is locked, or no
    longer matches.
    """
    if why_not := plan.store.refusal():
        raise Refused(why_not)
    control = Control(report, cancelled, settle, is_quiet, wait)
    with lock(plan.store), closing(disk or Disk()) as disk:
        return _apply(plan, now, disk, control)


def _apply(plan: Plan, now: Callable[[], float], disk: Disk, control: Control) -> Receipt:
    stuck = _recover(plan.store, disk)
    _tidy(plan.store, disk)
    inventory = rescan(plan.store, now())
    refuse_if_stale(plan, inventory)
    at = max(now(), last_run(plan.store))  # a clock that is behind must not make the trash expire at once
    receipt = Receipt(plan=plan, id="", done=True, freed=0, removed=())
    try:
        if plan.files:
            receipt = _execute(plan, inventory, _identity(plan, at), disk, control)
    finally:
        _tidy(plan.store, disk)
    notes = (*(f"{error.path}: {error.message}" for error in stuck), *receipt.notes)
    return note(replace(receipt, notes=notes), at, inventory.origins if plan.models else {})


def _execute(plan: Plan, inventory: Inventory, identity: str, disk: Disk, control: Control) -> Receipt:
    if plan.mode == "restore":
        return restore(plan, disk, control)
    going = {item.file.path for item in plan.files}
    problems = frozenset(problem.path for problem in inventory.blocking) - going
    known = Known(problems, signs_in(inventory, plan.made_at), _shared(inventory, going))
    return Operation(Work(plan, identity, disk, control, known)).run()


def _shared(inventory: Inventory, going: set[str]) -> tuple[File, ...]:
    """The files of blobs that stay, of models whose manifests are among ``going``."""
    leaving = [model for model in inventory.models if model.manifest.path in going]
    blobs = [
        inventory.blob_by_key[digest] for digest in dict.fromkeys(need for model in leaving for need in model.needs)
    ]
    return tuple(file for blob in blobs for file in blob.files if file.path not in going)


def _identity(plan: Plan, now: float) -> str:
    """Name the operation by its time and by what it takes, so that the same removal always has the same name."""
    paths = "\0".join(item.file.path for item in plan.files).encode(errors="surrogateescape")
    names = (new_id(now, hashlib.sha256(paths + bytes(attempt)).hexdigest()[:6]) for attempt in itertools.count())
    return next(name for name in names if not os.path.lexists(os.path.join(plan.store.trash, name)))


def _recover(store: Store, disk: Disk) -> list[FileError]:
    finished = unfinished(store)
    try:
        stuck = recover(store, disk)
    except OSError as error:
        where = clean(str(error.filename or store.own))
        raise Refused(f"cannot finish an interrupted removal: {where}: {error.strerror}; fix that first") from error
    note_finished(store, finished)
    return stuck


def _tidy(store: Store, disk: Disk) -> None:
    for folder in (staging(store), removing(store), store.trash):
        with suppress(OSError):  # an empty folder of ours that stays does no harm
            if os.path.isdir(folder):
                disk.remove_if_empty(folder)
