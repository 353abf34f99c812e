"""Executes a plan, or refuses it with the store as it was."""

import hashlib
import itertools
import os
from contextlib import closing, suppress

from msgspec.structs import replace

from prunella_core.apply.recover import recover
from prunella_core.apply.removal import Removal
from prunella_core.apply.restore import restore
from prunella_core.apply.work import Work, World
from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.fs.disk import Disk
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.ages import last_run, rescan
from prunella_core.ledger.log import note
from prunella_core.plan.drift import refuse_if_stale
from prunella_core.plan.records import FileError, Plan, Receipt, Restore
from prunella_core.scan import new_id
from prunella_core.store.locate import Store
from prunella_core.store.lock import lock


def apply(plan: Plan, world: World) -> Receipt:
    """Execute exactly ``plan`` and return what happened, measured.

    Raises Refused, with the store as it was, when the store is not to be changed, is locked, or no longer matches.
    """
    if why_not := plan.store.refusal():
        raise Refused(why_not)
    with lock(plan.store), closing(world.disk or Disk()) as disk:
        stuck = _recover(plan.store, disk)
        try:
            inventory = rescan(plan.store, world.now())
            refuse_if_stale(plan, inventory)
            at = max(world.now(), last_run(plan.store))  # a clock that is behind must not make the trash expire at once
            receipt = _execute(plan, inventory, at, disk, world)
        finally:
            _tidy(plan.store, disk)
        notes = (*(f"{error.path}: {error.message}" for error in stuck), *receipt.notes)
        return note(replace(receipt, notes=notes), at, inventory.origins if plan.models else {})


def _recover(store: Store, disk: Disk) -> list[FileError]:
    try:
        return recover(store, disk)
    except OSError as error:
        where = clean(str(error.filename or store.own))
        raise Refused(f"cannot finish an interrupted removal: {where}: {error.strerror}; fix that first") from error


def _execute(plan: Plan, inventory: Inventory, at: float, disk: Disk, world: World) -> Receipt:
    if not plan.files:
        return Receipt(plan=plan, id="", done=True, freed=0, removed=())
    if isinstance(plan.request, Restore):
        return restore(Work(plan, inventory, plan.request.entry, disk, world))
    return Removal(plan, inventory, _identity(plan, at), disk, world).run()


def _identity(plan: Plan, now: float) -> str:
    """Name the operation by its time and by what it takes, so that the same removal always has the same name."""
    paths = "\0".join(item.file.path for item in plan.files).encode(errors="surrogateescape")
    names = (new_id(now, hashlib.sha256(paths + bytes(attempt)).hexdigest()[:6]) for attempt in itertools.count())
    return next(name for name in names if not os.path.lexists(os.path.join(plan.store.trash, name)))


def _tidy(store: Store, disk: Disk) -> None:
    for folder in ("staging", "removing", "trash"):
        with suppress(OSError):  # an empty folder of ours that stays does no harm
            if os.path.isdir(store.path(f".prunella/{folder}")):
                disk.remove_if_empty(store.path(f".prunella/{folder}"))
