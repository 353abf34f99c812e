"""Executes a plan, step by step. Before the decision every step can be taken back; after it nothing is moved."""

import errno
import os
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from prunella_core.apply.disk import Disk
from prunella_core.apply.lock import lock, sign
from prunella_core.apply.recover import RECORD, purge, put_all_back, put_back, recover, removing, staging
from prunella_core.digests import FileKind, read_blob_name
from prunella_core.errors import Refused
from prunella_core.inventory import Problem
from prunella_core.plan import FileError, Plan, PlannedFile, Receipt
from prunella_core.planning import make_plan
from prunella_core.scan import ManifestReading, read_manifests, scan
from prunella_core.stale import refuse_if_stale
from prunella_core.store import Store
from prunella_core.text import clean


class Step(NamedTuple):
    """How far an operation is: files dealt with, of how many."""

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
    _refuse_if_unsafe(plan.store)
    with lock(plan.store):
        _recover(plan.store, disk)
        inventory = scan(plan.store, now())
        refuse_if_stale(plan, make_plan(inventory, plan.request, plan.made_at))
        if not plan.files:
            return Receipt(plan=plan, id="", done=True, freed=0, removed=())
        known = frozenset(problem.path for problem in inventory.blocking)
        operation = _Operation(plan, known, _new_id(now()), disk, report, cancelled)
        try:
            return operation.run_aside() if _can_rename(plan.store) else operation.run_in_place()
        finally:
            _tidy(plan.store, disk)


def _refuse_if_unsafe(store: Store) -> None:
    if not store.named:
        others = ", ".join(clean(other) for other in (store.root, *store.other_stores))
        raise Refused(f"several stores were found ({others}); say which one with --store DIR")
    if not store.writable:
        raise Refused(
            f"{clean(store.root)} belongs to {store.owner} and you may not write there; "
            f"try: sudo -u {store.owner} prunella --store {clean(store.root)} …"
        )


def _recover(store: Store, disk: Disk) -> None:
    try:
        recover(store, disk)
    except OSError as error:
        where = clean(str(error.filename or store.own))
        raise Refused(f"cannot finish an interrupted removal: {where}: {error.strerror}; mend that first") from error


def _new_id(now: float) -> str:
    return f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def _can_rename(store: Store) -> bool:
    """Whether blobs and manifests can be renamed aside: folders that lie on another device cannot."""
    own = os.stat(store.root).st_dev
    return all(os.stat(folder).st_dev == own for folder in (store.blobs, store.manifests) if os.path.exists(folder))


def _tidy(store: Store, disk: Disk) -> None:
    for folder in (staging(store), removing(store)):
        disk.remove_if_empty(folder)


class _Operation:
    """One plan being executed. Files that are done with are in ``moved``; what could not be done is in ``errors``."""

    def __init__(
        self,
        plan: Plan,
        known_problems: frozenset[str],
        operation: str,
        disk: Disk,
        report: Callable[[Step], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self.plan = plan
        self.known_problems = known_problems
        self.store = plan.store
        self.id = operation
        self.disk = disk
        self.report = report
        self.cancelled = cancelled
        self.total = 2 * len(plan.files)
        self.moved: list[PlannedFile] = []
        self.returned: list[PlannedFile] = []
        self.errors: list[FileError] = []
        self.steps = 0

    def run_aside(self) -> Receipt:
        """Rename everything aside, look again, decide, unlink."""
        try:
            self._open()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                return self.run_in_place()
            raise Refused(f"cannot write to {clean(self.store.own)}: {error.strerror}; nothing was changed") from error
        try:
            self._move_aside()
            if self.cancelled():
                return self._undone()
            self._decide()
        except OSError as error:
            self._undone()
            raise Refused(f"cannot set files aside: {error.strerror}; everything was put back") from error
        except BaseException:
            self._undone()
            raise
        return self._finish()

    def _undone(self) -> Receipt:
        put_all_back(self.store, self.id, self.disk)
        self.moved.clear()
        return self._receipt(0, cancelled=True)

    def _finish(self) -> Receipt:
        self._drop_empty_folders()
        freed, errors = purge(self.store, self.id, self.disk)
        self.errors += errors
        self._step(len(self.plan.files))
        return self._receipt(freed)

    def _open(self) -> None:
        folder = staging(self.store, self.id)
        try:
            self.disk.make_folder(folder)
            self.disk.make_folder(removing(self.store))
            sign(self.store)
            self.disk.write(os.path.join(folder, RECORD), _record(self.plan, self.id))
        except OSError:
            put_all_back(self.store, self.id, self.disk)
            raise

    def _move_aside(self) -> None:
        self._take(self.plan.manifests, self._move)
        self._take(self._still_unneeded(self.plan.blobs), self._move)
        self._look_again()

    def _take(self, files: Iterable[PlannedFile], how: Callable[[PlannedFile], None]) -> None:
        for item in files:
            if self.cancelled():
                return
            try:
                how(item)
            except OSError as error:
                self.errors.append(FileError(path=item.file.path, message=f"cannot be removed: {error.strerror}"))
            else:
                self.moved.append(item)
            self._step(1)

    def _move(self, item: PlannedFile) -> None:
        target = self._aside(item)
        self.disk.make_folder(os.path.dirname(target))
        self.disk.move(self.store.path(item.file.path), target)

    def _aside(self, item: PlannedFile) -> str:
        return os.path.join(staging(self.store, self.id), item.file.path)

    def _still_unneeded(self, blobs: Iterable[PlannedFile]) -> list[PlannedFile]:
        """The planned blobs without those of a model whose manifest would not go."""
        if not self.errors:
            return list(blobs)
        needed = read_manifests(self.store).needed
        return [item for item in blobs if not _is_needed(item, needed)]

    def _look_again(self) -> None:
        """Read the manifests once more: what one that came meanwhile needs goes back."""
        reading = read_manifests(self.store)
        if (hiding := self._newly_hiding(reading)) and any(_is_whole(item) for item in self.moved):
            raise Refused(
                f"{clean(hiding.path)} became unreadable meanwhile ({hiding.message}); everything was put back"
            )
        came_back = [item for item in self.moved if _is_needed(item, reading.needed)]
        for item in came_back:
            put_back(self.store, self._aside(item), item.file.path, self.disk)
        self.returned += came_back
        back = {item.file.path for item in came_back}
        self.moved = [item for item in self.moved if item.file.path not in back]

    def _newly_hiding(self, reading: ManifestReading) -> Problem | None:
        problems = (problem for problem in reading.problems if problem.blocks_prune)
        return next((problem for problem in problems if problem.path not in self.known_problems), None)

    def _decide(self) -> None:
        self.disk.settle(staging(self.store, self.id))
        self.disk.move(staging(self.store, self.id), removing(self.store, self.id))

    def run_in_place(self) -> Receipt:
        """Unlink without setting aside, where nothing can be renamed or written. Needs no free byte."""
        freed = self._unlink_all(self.plan.manifests)
        if self.cancelled():
            return self._receipt(freed, cancelled=True)
        reading = read_manifests(self.store)
        if hiding := self._newly_hiding(reading):
            self.errors.append(FileError(path=hiding.path, message=f"{hiding.message}: the blobs were kept"))
            return self._receipt(freed)
        freed += self._unlink_all(item for item in self.plan.blobs if not _is_needed(item, reading.needed))
        self._drop_empty_folders()
        return self._receipt(freed, cancelled=self.cancelled())

    def _unlink_all(self, files: Iterable[PlannedFile]) -> int:
        freed = 0

        def unlink(item: PlannedFile) -> None:
            nonlocal freed
            path = self.store.path(item.file.path)
            status = os.lstat(path)
            self.disk.unlink(path)
            freed += status.st_blocks * 512 if status.st_nlink <= 1 else 0
            self._step(1)

        self._take(files, unlink)
        return freed

    def _drop_empty_folders(self) -> None:
        """Remove the folders that the removed manifests leave empty, as ``ollama rm`` does."""
        for item in self.moved:
            folder = os.path.dirname(item.file.path)
            while folder.startswith("manifests/") and self.disk.remove_if_empty(self.store.path(folder)):
                folder = os.path.dirname(folder)

    def _step(self, count: int) -> None:
        self.steps += count
        self.report(Step(min(self.steps, self.total), self.total))

    def _receipt(self, freed: int, cancelled: bool = False) -> Receipt:
        return Receipt(
            plan=self.plan,
            id=self.id,
            done=not (cancelled or self.errors or self.returned),
            freed=freed,
            removed=tuple(item.file.path for item in self.moved),
            returned=tuple(item.file.path for item in self.returned),
            errors=tuple(self.errors),
            cancelled=cancelled,
        )


def _is_whole(item: PlannedFile) -> bool:
    return read_blob_name(os.path.basename(item.file.path)).kind is FileKind.WHOLE


def _is_needed(item: PlannedFile, needed: frozenset[str]) -> bool:
    """Whether a manifest needs this very file; a part of a download is not what it needs."""
    return item.digest in needed and _is_whole(item)


def _record(plan: Plan, operation: str) -> bytes:
    document = {
        "id": operation,
        "mode": plan.mode,
        "models": [clean(name) for name in plan.models],
        "files": [clean(item.file.path) for item in plan.files],
    }
    return msgspec.json.encode(document)
