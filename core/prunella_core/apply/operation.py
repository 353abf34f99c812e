"""One removal, step by step. Before the decision every step can be taken back; after it nothing is moved."""

import errno
import os
from collections.abc import Callable, Iterable

import msgspec

from prunella_core.apply.noting import action_of
from prunella_core.apply.recover import drop_empty_folders, purge, put_all_back, put_back, removing, staging
from prunella_core.base.errors import PrunellaError, Refused
from prunella_core.base.text import clean
from prunella_core.base.units import SETTLING_SECONDS
from prunella_core.fs.disk import Disk
from prunella_core.fs.files import files_below, has_reflinks, look_at
from prunella_core.fs.sizes import reclaimed
from prunella_core.inventory.records import Problem
from prunella_core.ollama.digests import FileKind, read_blob_name
from prunella_core.plan.records import FileError, Plan, PlannedFile, Receipt
from prunella_core.scan import RECORD, ManifestReading, read_manifests
from prunella_core.scan.blobs import led_to, read_blobs
from prunella_core.store.lock import sign

_NOT_ASIDE = {
    errno.ENOSPC: "there is no room left to set files aside",
    errno.EDQUOT: "the quota leaves no room to set files aside",
    errno.EXDEV: "the blobs lie on another device, where the trash cannot take them",
}
"""What keeps files from being renamed aside, though they can be unlinked in place."""


class Operation:
    """A plan being executed. Files that are done with are in ``moved``; what could not be done is in ``errors``.

    The trash is only another place where the folder of the operation ends: ``staging/<id>`` is renamed to
    ``trash/<id>`` and stays, or to ``removing/<id>`` and is unlinked.
    """

    def __init__(
        self,
        plan: Plan,
        known_problems: frozenset[str],
        identity: str,
        disk: Disk,
        report: Callable[[int, int], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self.plan = plan
        self.store = plan.store
        self.known_problems = known_problems
        self.id = identity
        self.disk = disk
        self.report = report
        self.cancelled = cancelled
        self.total = len(plan.files) * (1 if plan.mode == "trash" else 2)
        self.moved: list[PlannedFile] = []
        self.returned: list[PlannedFile] = []
        self.errors: list[FileError] = []
        self.steps = 0
        self.is_in_place = False
        self._staging = staging(self.store, identity)
        self._made = ""

    def run(self) -> Receipt:
        """Rename everything aside, look again, decide, and finish. Raises Refused with everything put back."""
        if not self._can_rename():
            return self._run_without_moving(_NOT_ASIDE[errno.EXDEV])
        try:
            self._open()
        except OSError as error:
            if error.errno in _NOT_ASIDE:
                return self._run_without_moving(_NOT_ASIDE[error.errno])
            raise Refused(f"cannot write to {clean(self.store.own)}: {error.strerror}; nothing was changed") from error
        return self._run_aside()

    def _can_rename(self) -> bool:
        own = os.stat(self.store.root).st_dev
        folders = (self.store.blobs, self.store.manifests)
        return all(os.stat(folder).st_dev == own for folder in folders if os.path.exists(folder))

    def _open(self) -> None:
        folder = staging(self.store, self.id)
        goal = self.store.trash if self.plan.mode == "trash" else removing(self.store)
        try:
            self.disk.make_folder(folder)
            self.disk.make_folder(goal)
            sign(self.store)
            self.disk.write(os.path.join(folder, RECORD), _record(self.plan, self.id))
        except OSError:
            put_all_back(self.store, self.id, self.disk)
            raise

    def _run_aside(self) -> Receipt:
        try:
            self._move_aside()
            if self.cancelled():
                return self._undone()
            self._refuse_if_nothing_went()
            self._decide()
        except OSError as error:
            self._undone()
            if error.errno in _NOT_ASIDE:
                return self._run_without_moving(_NOT_ASIDE[error.errno])
            raise Refused(f"cannot set files aside: {error.strerror}; everything was put back") from error
        except BaseException:
            self._undone()
            raise
        return self._finish()

    def _refuse_if_nothing_went(self) -> None:
        if self.errors and not (self.moved or self.returned):
            first = self.errors[0]
            raise Refused(f"{clean(first.path)} {first.message}; nothing was changed")

    def _undone(self) -> Receipt:
        self.moved.clear()
        self.returned.clear()
        self.errors.clear()
        try:
            put_all_back(self.store, self.id, self.disk)
        except OSError as error:
            where = clean(staging(self.store, self.id))
            raise PrunellaError(
                f"cannot put back what lies in {where}: {error.strerror}; the next removal or restore does it"
            ) from error
        return self._receipt(cancelled=True)

    def _move_aside(self) -> None:
        self._take(self.plan.manifests, self._move)
        self._take(self._still_unneeded(self.plan.blobs), self._move)
        self._take(self.plan.trashed, self._move)
        self._look_again()

    def _take(self, files: Iterable[PlannedFile], how: Callable[[PlannedFile], None]) -> None:
        for item in files:
            if self.cancelled():
                return
            try:
                how(item)
            except OSError as error:
                if error.errno in _NOT_ASIDE and not self.is_in_place:
                    raise
                self.errors.append(FileError(path=item.file.path, message=f"cannot be removed: {error.strerror}"))
            else:
                self.moved.append(item)
            self._step(1)

    def _move(self, item: PlannedFile) -> None:
        target = self._aside(item)
        folder = target.rpartition("/")[0]
        if folder != self._made:  # most lie in one folder, and that is asked for once
            self.disk.make_folder(folder)
            self._made = folder
        self.disk.move(self.store.path(item.file.path), target)

    def _aside(self, item: PlannedFile) -> str:
        return f"{self._staging}/{item.file.path}"

    def _still_unneeded(self, blobs: Iterable[PlannedFile]) -> list[PlannedFile]:
        """The planned blobs without those of a model whose manifest would not go."""
        if not self.errors:
            return list(blobs)
        needed = read_manifests(self.store).needed
        return [item for item in blobs if not self._is_needed(item, needed)]

    def _look_again(self) -> None:
        """Read the manifests once more: what one that came meanwhile needs goes back."""
        reading = read_manifests(self.store)
        hiding = self._newly_hiding(reading)
        if hiding and any(_could_be_missed(item) for item in self.moved):
            where = clean(hiding.path)
            raise Refused(f"{where} became unreadable meanwhile ({hiding.message}); everything was put back")
        self._refuse_if_pulling(reading.needed)
        came_back = [item for item in self.moved if self._is_needed(item, reading.needed)]
        if any(item.file.target for item in came_back):  # a link: what it leads to is needed too
            raise Refused("a model that came meanwhile needs a blob that is a link; everything was put back")
        for item in came_back:
            put_back(self.store, self._aside(item), item.file.path, self.disk)
        self.returned += came_back
        back = {item.file.path for item in came_back}
        self.moved = [item for item in self.moved if item.file.path not in back]

    def _refuse_if_pulling(self, needed: frozenset[str]) -> None:
        """Look at ``blobs/`` once more as well: a pull that has begun since may count on what nothing references yet.

        Its manifest comes last, so reading manifests alone would not show it.
        """
        if self.plan.request.force or not any(_is_whole_blob(item) and not item.models for item in self.moved):
            return
        found = read_blobs(self.store)
        needed |= led_to(self.store, needed, found)
        unneeded = {digest: files for digest, files in found.whole.items() if digest not in needed}
        for files in (*found.partial.values(), *found.leftover.values(), *unneeded.values()):
            for file in files:
                if self.plan.made_at - file.mtime_ns / 1e9 < SETTLING_SECONDS:
                    raise Refused(f"{clean(file.path)} was written meanwhile: a pull may be running; all was put back")

    def _newly_hiding(self, reading: ManifestReading) -> Problem | None:
        problems = (problem for problem in reading.problems if problem.blocks_prune)
        return next((problem for problem in problems if problem.path not in self.known_problems), None)

    def _is_needed(self, item: PlannedFile, needed: frozenset[str]) -> bool:
        """Whether a manifest needs this very file: never a part of a download; one in the trash when it is the last."""
        if item.digest is None or item.digest not in needed or not _is_whole(item):
            return False
        in_store = self.store.path(f"blobs/{os.path.basename(item.file.path)}")
        return _is_whole_blob(item) or not os.path.lexists(in_store)

    def _decide(self) -> None:
        goal = os.path.join(self.store.trash, self.id) if self.plan.mode == "trash" else removing(self.store, self.id)
        self.disk.settle(staging(self.store, self.id))
        self.disk.move(staging(self.store, self.id), goal)

    def _finish(self) -> Receipt:
        self._drop_empty_folders(self.moved)
        if self.plan.mode == "trash":
            folder = os.path.join(self.store.trash, self.id)
            kept = [file for file in files_below(folder, with_extents=has_reflinks(folder)) if file.path != RECORD]
            return self._receipt(trashed=reclaimed(kept))
        freed, errors = purge(self.store, self.id, self.disk)
        self.errors += errors
        self._step(len(self.plan.files))
        return self._receipt(freed)

    def _run_without_moving(self, why: str) -> Receipt:
        """Unlink in place, where nothing can be renamed or written. Needs no free byte, and knows no way back."""
        if self.plan.mode == "trash":
            raise Refused(f"{why}; free the space at once with --now. Nothing was changed")
        self.is_in_place = True
        freed = self._unlink_all(self.plan.manifests)
        if self.cancelled():
            return self._receipt(freed, cancelled=True)
        reading = read_manifests(self.store)
        if hiding := self._newly_hiding(reading):
            self.errors.append(FileError(path=hiding.path, message=f"{hiding.message}: the blobs were kept"))
            return self._receipt(freed)
        rest = (*self.plan.blobs, *self.plan.trashed)
        self.returned += [item for item in rest if self._is_needed(item, reading.needed)]
        kept = {item.file.path for item in self.returned}
        freed += self._unlink_all(item for item in rest if item.file.path not in kept)
        self._drop_empty_folders(self.moved)
        return self._receipt(freed, cancelled=self.cancelled())

    def _unlink_all(self, files: Iterable[PlannedFile]) -> int:
        freed = 0

        def unlink(item: PlannedFile) -> None:
            nonlocal freed
            file = look_at(self.store.root, item.file.path, has_reflinks(self.store.root))
            self.disk.unlink(self.store.path(item.file.path))
            freed += file.own if file.links <= 1 else 0
            self._step(1)

        self._take(files, unlink)
        return freed

    def _drop_empty_folders(self, items: Iterable[PlannedFile]) -> None:
        for item in items:
            if error := drop_empty_folders(self.store, item.file.path, self.disk):
                self.errors.append(error)

    def _step(self, count: int) -> None:
        self.steps += count
        self.report(min(self.steps, self.total), self.total)

    def _receipt(self, freed: int = 0, trashed: int = 0, cancelled: bool = False) -> Receipt:
        return Receipt(
            plan=self.plan,
            id=self.id,
            done=not (cancelled or self.errors or self.returned),
            freed=freed,
            trashed=trashed,
            removed=tuple(item.file.path for item in self.moved),
            returned=tuple(item.file.path for item in self.returned),
            errors=tuple(self.errors),
            cancelled=cancelled,
        )


def _is_whole(item: PlannedFile) -> bool:
    return read_blob_name(os.path.basename(item.file.path)).kind is FileKind.WHOLE


def _is_whole_blob(item: PlannedFile) -> bool:
    """Whether it is a whole blob of the store, not of the trash."""
    return item.file.path.startswith("blobs/") and _is_whole(item)


def _could_be_missed(item: PlannedFile) -> bool:
    """Whether an unreadable manifest could need it, or be a link to it."""
    return item.file.path.startswith("manifests/") or _is_whole_blob(item)


def _record(plan: Plan, identity: str) -> bytes:
    document = {
        "version": 1,
        "id": identity,
        "mode": plan.mode,
        "action": action_of(plan),
        "models": [clean(name) for name in plan.models],
        "files": [clean(item.file.path) for item in plan.files],
    }
    return msgspec.json.encode(document)
