"""One removal, step by step. Before the decision every step can be undone; after it nothing is moved."""

import errno
import os
import stat
from collections.abc import Callable, Iterable
from math import ceil

import msgspec

from prunella_core.apply.aside import Aside
from prunella_core.apply.finish import finish
from prunella_core.apply.in_place import remove_in_place
from prunella_core.apply.moves import drop_empty_folders
from prunella_core.apply.noting import action_of
from prunella_core.apply.places import is_whole, removing
from prunella_core.apply.second_look import look, still_needed
from prunella_core.apply.work import Work
from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.fs.files import files_below, has_reflinks
from prunella_core.fs.sizes import File, reclaimed
from prunella_core.plan.records import FileError, Plan, PlannedFile, Receipt
from prunella_core.scan import RECORD
from prunella_core.store.lock import sign

_NOT_ASIDE = {
    errno.ENOSPC: "there is no room left to set files aside",
    errno.EDQUOT: "the quota leaves no room to set files aside",
    errno.EXDEV: "the blobs lie on another device, where the trash cannot take them",
}
"""What keeps files from being set aside, though they can be unlinked in place."""

_LINKED = "blobs/ or manifests/ is a link, and nothing is moved through one"
_SLICE = 0.1
_SLICES_A_LOOK = 10


class Operation:
    """A plan being executed.

    The trash is only another place where the folder of the operation ends: ``staging/<id>`` is renamed to
    ``trash/<id>`` and stays, or to ``removing/<id>`` and is unlinked.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self.store = work.store
        self.disk = work.disk
        self.is_trash = work.plan.mode == "trash"
        self.aside = Aside(work.store, work.id, work.disk)
        self.folders = self._identities()

    def run(self) -> Receipt:
        """Set everything aside, look again, decide, and finish. Raises Refused with everything put back."""
        if why := self._why_not_aside():
            return remove_in_place(self.work, why)
        try:
            self._open()
            self._set_aside()
            self._watch()
            if not self.work.control.cancelled():
                self._refuse_if_nothing_went()
                self._decide()
        except OSError as error:
            return self._failed(error)
        except BaseException as error:
            if (stuck := self._undo()) and isinstance(error, Refused):
                return self.work.stuck(stuck)
            raise
        return self._finish() if self.work.is_decided else self._cancelled()

    # Before the decision

    def _why_not_aside(self) -> str | None:
        folders = [folder for folder in (self.store.blobs, self.store.manifests) if os.path.lexists(folder)]
        if any(os.path.islink(folder) for folder in folders):
            return _LINKED
        device = os.stat(self.store.root).st_dev
        return None if all(os.stat(folder).st_dev == device for folder in folders) else _NOT_ASIDE[errno.EXDEV]

    def _identities(self) -> list[tuple[int, int]]:
        """Which folders they are, to see that none is swapped for another meanwhile."""
        found = []
        for folder in (self.store.root, self.store.blobs, self.store.manifests):
            status = self.disk.status(folder)
            found.append((status.st_dev, status.st_ino) if status and stat.S_ISDIR(status.st_mode) else (0, 0))
        return found

    def _open(self) -> None:
        self.disk.make_folder(self.aside.folder)
        self.disk.make_folder(self.store.trash if self.is_trash else removing(self.store))
        sign(self.store)
        self.disk.write(os.path.join(self.aside.folder, RECORD), _record(self.work.plan, self.work.id))

    def _set_aside(self) -> None:
        """Blobs get a second name before their manifests leave, so that a start of Ollama cannot delete them."""
        work = self.work
        blobs = self._each(work.blobs, self.aside.add_name, 1)
        for file in work.known.shared:
            self.aside.lend_name(file)
        work.moved += self._each(work.manifests, self.aside.move, 2)
        work.moved += self._each(self._without_needed(blobs), self.aside.take_name, 1)
        work.moved += self._each(work.own, self.aside.move, 2)
        self._look_again()

    def _each(self, items: Iterable[PlannedFile], how: Callable[[File], None], steps: int) -> list[PlannedFile]:
        """Do it to each until it is cancelled, and return those that it worked for."""
        done = []
        for item in items:
            if self.work.control.cancelled():
                break
            try:
                how(item.file)
            except OSError as error:
                if error.errno in _NOT_ASIDE:
                    raise
                self.work.fail(item, error)
            else:
                done.append(item)
            self.work.step(steps)
        return done

    def _without_needed(self, blobs: list[PlannedFile]) -> list[PlannedFile]:
        """Leave out the blobs of a model that stays because its manifest could not be moved."""
        if not self.work.errors:
            return blobs
        needed = look(self.store, self.work.plan.made_at).needed
        staying = still_needed(self.store, [item.file for item in blobs], needed)
        for file in staying:
            self.aside.return_file(file)
        paths = {file.path for file in staying}
        return [item for item in blobs if item.file.path not in paths]

    def _look_again(self) -> None:
        """Read the store once more: what a manifest needs by now goes back, and all of it when a pull has begun."""
        work = self.work
        if self._identities() != self.folders:
            raise Refused("blobs/ or manifests/ was replaced by another folder meanwhile; everything was put back")
        seen = look(self.store, work.plan.made_at)
        if found := work.objection(seen, work.moved):
            raise Refused(f"{clean(found.path)} {found.message}; everything was put back")
        small = [item for item in work.moved if not is_whole(item.file.path)]
        if changed := next((item for item in small if not self.aside.is_unchanged(item.file)), None):
            raise Refused(f"{clean(changed.file.path)} is being written; everything was put back")
        needed = {file.path for file in still_needed(self.store, [item.file for item in work.moved], seen.needed)}
        back = [item for item in work.moved if item.file.path in needed]
        for item in back:
            self.aside.return_file(item.file)
        work.give_back(back)

    def _watch(self) -> None:
        """Watch what will be unlinked: a pull that found it there may not have written anything yet."""
        control = self.work.control
        if control.cancelled() or not self.work.is_to_be_watched():
            return
        slices = ceil(control.settle / _SLICE)
        for done in range(slices):
            if control.cancelled():
                return
            if done % _SLICES_A_LOOK == 0:
                self.work.step(0, f"watching for a pull ({ceil((slices - done) * _SLICE)} s)")
                self._look_again()
            control.wait(_SLICE)
        self._look_again()

    def _refuse_if_nothing_went(self) -> None:
        if self.work.errors and not (self.work.moved or self.work.returned):
            first = self.work.errors[0]
            raise Refused(f"{clean(first.path)} {first.message}; nothing was changed")

    def _decide(self) -> None:
        goal = os.path.join(self.store.trash, self.work.id) if self.is_trash else removing(self.store, self.work.id)
        self.aside.drop_lent()
        self.aside.drop_empty()
        self.disk.settle(self.aside.folder)
        self.disk.move(self.aside.folder, goal)
        self.work.is_decided = True

    # Instead of it

    def _failed(self, error: OSError) -> Receipt:
        if stuck := self._undo():
            return self.work.stuck(stuck)
        if why := _NOT_ASIDE.get(error.errno or 0):
            self.work.start_again()
            return remove_in_place(self.work, why)
        where = clean(str(error.filename or self.store.own))
        raise Refused(f"cannot set files aside: {where}: {error.strerror}; everything was put back") from error

    def _undo(self) -> list[FileError]:
        """Put everything back; return what is missing, or what is in the way."""
        try:
            return self.aside.undo()
        except OSError as error:
            where = f".prunella/staging/{self.work.id}"
            message = f"cannot be put back: {error.strerror}; the next removal or restore does it"
            return [FileError(path=where, message=message)]

    def _cancelled(self) -> Receipt:
        return self.work.stuck(self._undo(), cancelled=True)

    # After it

    def _finish(self) -> Receipt:
        try:
            return self._filed() if self.is_trash else self._unlinked()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (what is decided ends with a receipt)
            said = error.strerror if isinstance(error, OSError) else error or type(error).__name__
            message = f"not finished: {said}; the next removal or restore does it"
            self.work.errors.append(FileError(path=".prunella", message=message))
            return self.work.receipt()

    def _filed(self) -> Receipt:
        self.work.errors += drop_empty_folders(self.store, [item.file.path for item in self.work.moved], self.disk)
        folder = os.path.join(self.store.trash, self.work.id)
        kept = [file for file in files_below(folder, with_extents=has_reflinks(folder)) if file.path != RECORD]
        return self.work.receipt(trashed=reclaimed(kept))

    def _unlinked(self) -> Receipt:
        work = self.work
        done = finish(self.store, work.id, self.disk, lambda: work.step(1), work.known.problems)
        work.give_back([item for item in work.moved if item.file.path in done.returned])
        work.errors += done.errors
        work.step(len(work.plan.files))
        return work.receipt(done.freed)


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
