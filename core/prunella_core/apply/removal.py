"""One removal, step by step. Before the decision every step can be undone; after it nothing is moved."""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Set
from math import ceil

import msgspec
from msgspec.structs import replace

from prunella_core.apply.folder import Folder
from prunella_core.apply.moves import (
    changed,
    drop_empty_folders,
    drop_guarded,
    is_manifest,
    is_own,
    is_whole,
    look,
    still_needed,
    unlink,
)
from prunella_core.apply.work import Work, World
from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.fs.disk import Disk
from prunella_core.fs.files import File, files_below, has_reflinks, look_at, reclaimed
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.log import action_of
from prunella_core.ollama.names import Area
from prunella_core.plan.records import FileError, Plan, PlannedFile, Receipt
from prunella_core.scan.own import RECORD
from prunella_core.store.access import sign

_NOT_ASIDE = {
    errno.ENOSPC: "there is no room left to set files aside",
    errno.EDQUOT: "the quota leaves no room to set files aside",
    errno.EXDEV: "the blobs lie on another device, where the trash cannot take them",
}
"""What keeps files from being set aside, though they can be unlinked in place."""

_LINKED = "blobs/ or manifests/ is a link, and nothing is moved through one"
_SLICE = 0.1
_SLICES_A_LOOK = 10


class Removal(Work):
    """A plan that takes files out of the store, or out of its trash.

    The trash is only another place where the folder of the operation ends: ``staging/<id>`` is renamed to
    ``trash/<id>`` and stays, or to ``removing/<id>`` and is unlinked.
    """

    def __init__(self, plan: Plan, inventory: Inventory, identity: str, disk: Disk, world: World) -> None:
        super().__init__(plan, inventory, identity, disk, world)
        self.goal = Area.TRASH if plan.mode == "trash" else Area.REMOVING
        self.aside = Folder(self.store, disk, Area.STAGING, identity)
        self.folders = self._identities()
        going = {item.file.path for item in plan.files}
        leaving = [model for model in inventory.models if model.manifest.path in going]
        needs = dict.fromkeys(need for model in leaving for need in model.needs)
        self.shared = [file for need in needs for file in inventory.blob_by_key[need].files if file.path not in going]
        """The blobs' files that stay although a model that uses them leaves."""

    def run(self) -> Receipt:
        """Set everything aside, look again, decide, and finish. Raises Refused with everything put back."""
        if why := self._why_not_aside():
            return self._in_place(why)
        try:
            self._open()
            self._set_aside()
            self._watch()
            if not self.world.cancelled():
                self._refuse_if_nothing_went()
                self.aside.decide(self.goal)
                self.is_decided = True
        except OSError as error:
            return self._failed(error)
        except BaseException as error:
            if (stuck := self._undo()) and isinstance(error, Refused):
                return self.undone(stuck)
            raise
        return self._finish() if self.is_decided else self.undone(self._undo(), cancelled=True)

    # Before the decision

    def _why_not_aside(self) -> str | None:
        folders = [folder for folder in (self.store.blobs, self.store.manifests) if os.path.lexists(folder)]
        if any(os.path.islink(folder) for folder in folders):
            return _LINKED
        device = os.stat(self.store.root).st_dev
        return None if all(os.stat(folder).st_dev == device for folder in folders) else _NOT_ASIDE[errno.EXDEV]

    def _identities(self) -> list[tuple[int, int] | None]:
        """Which folders they are, to see that none is swapped for another meanwhile."""
        found = [self.disk.status(folder) for folder in (self.store.root, self.store.blobs, self.store.manifests)]
        return [(each.st_dev, each.st_ino) if each and stat.S_ISDIR(each.st_mode) else None for each in found]

    def _open(self) -> None:
        self.disk.make_folder(self.aside.path)
        self.disk.make_folder(self.store.path(f".prunella/{self.goal}"))
        sign(self.store)
        record = {
            "version": 1,
            "id": self.id,
            "mode": self.plan.mode,
            "action": action_of(self.plan),
            "models": [clean(name) for name in self.plan.models],
            "files": [clean(item.file.path) for item in self.plan.files],
        }
        self.disk.write(f"{self.aside.path}/{RECORD}", msgspec.json.encode(record))

    def _set_aside(self) -> None:
        """Blobs get a second name before their manifests leave, so that a start of Ollama cannot delete them."""
        blobs = self._each(self.blobs, self.aside.add_name, 1)
        for file in self.shared:
            self.aside.lend_name(file)
        self.moved += self._each(self.manifests, self.aside.move, 2)
        self.moved += self._each(self._without_needed(blobs), self.aside.take_name, 1)
        self.moved += self._each(self.trashed, self.aside.move, 2)
        self._look_again()

    def _each(self, items: Iterable[PlannedFile], how: Callable[[File], None], steps: int) -> list[PlannedFile]:
        """Do it to each until it is cancelled, and return those that it worked for."""
        done = []
        for item in items:
            if self.world.cancelled():
                break
            try:
                how(item.file)
            except OSError as error:
                if error.errno in _NOT_ASIDE:
                    raise
                self.fail(item, error)
            else:
                done.append(item)
            self.step(steps)
        return done

    def _without_needed(self, blobs: list[PlannedFile]) -> list[PlannedFile]:
        """Leave out the blobs of a model that stays because its manifest could not be moved."""
        staying = self._put_back(blobs, look(self.store, self.plan.made_at).needed) if self.errors else ()
        return [item for item in blobs if item.file.path not in staying]

    def _put_back(self, items: Iterable[PlannedFile], needed: Set[str]) -> set[str]:
        """Put back those of ``items`` that a manifest needs; return their paths."""
        paths = {file.path for file in still_needed(self.store, [item.file for item in items], needed)}
        self.aside.give_back(*sorted(paths))
        return paths

    def _look_again(self) -> None:
        """Read the store once more: what a manifest needs by now goes back, and all of it when a pull has begun."""
        if self._identities() != self.folders:
            raise Refused("blobs/ or manifests/ was replaced by another folder meanwhile; everything was put back")
        seen = look(self.store, self.plan.made_at)
        if found := self.objection(seen, self.moved):
            raise Refused(f"{clean(found.path)} {found.message}; everything was put back")
        for item in self.moved:
            if not is_whole(item.file.path) and not self.aside.is_unchanged(item.file):
                raise Refused(f"{clean(item.file.path)} is being written; everything was put back")
        self.give_back(self._put_back(self.moved, seen.needed))

    def _watch(self) -> None:
        """Watch what will be unlinked: a pull that found it there may not have written anything yet."""
        if self.world.cancelled() or not self.is_to_be_watched():
            return
        slices = ceil(self.world.settle / _SLICE)
        for done in range(slices):
            if self.world.cancelled():
                return
            if done % _SLICES_A_LOOK == 0:
                self.step(0, f"watching for a pull ({ceil((slices - done) * _SLICE)} s)")
                self._look_again()
            self.world.wait(_SLICE)
        self._look_again()

    def _refuse_if_nothing_went(self) -> None:
        if self.errors and not (self.moved or self.returned):
            first = self.errors[0]
            raise Refused(f"{clean(first.path)} {first.message}; nothing was changed")

    # Instead of it

    def _failed(self, error: OSError) -> Receipt:
        receipt = self.undone(self._undo())
        if receipt.errors:
            return receipt
        if why := _NOT_ASIDE.get(error.errno or 0):
            return self._in_place(why)
        where = clean(str(error.filename or self.store.own))
        raise Refused(f"cannot set files aside: {where}: {error.strerror}; everything was put back") from error

    def _undo(self) -> list[FileError]:
        """Put everything back; return what is missing, or what is in the way."""
        try:
            return self.aside.undo()
        except OSError as error:
            message = f"cannot be put back: {error.strerror}; the next removal or restore does it"
            return [FileError(path=self.aside.inside, message=message)]

    # After it

    def _finish(self) -> Receipt:
        try:
            if self.goal is Area.TRASH:
                return self._filed()
            freed, returned, errors = self.aside.finish(self.known_problems, lambda: self.step(1))
            self.give_back(returned)
            self.errors += errors
            self.step(len(self.plan.files))
            return self.receipt(freed)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (what is decided ends with a receipt)
            said = error.strerror if isinstance(error, OSError) else error or type(error).__name__
            message = f"not finished: {said}; the next removal or restore does it"
            self.errors.append(FileError(path=".prunella", message=message))
            return self.receipt()

    def _filed(self) -> Receipt:
        self.errors += drop_empty_folders(self.store, [item.file.path for item in self.moved], self.disk)
        for file in files_below(self.aside.path):
            drop_guarded(self.store, file, self.disk)
        files = files_below(self.aside.path, with_extents=has_reflinks(self.aside.path))
        return self.receipt(trashed=reclaimed(file for file in files if file.path != RECORD))

    # Where nothing can be set aside

    def _in_place(self, why: str) -> Receipt:
        """Unlink files where they lie. It needs no free byte, and cannot be undone, so the trash refuses it."""
        if self.goal is Area.TRASH:
            raise Refused(f"{why}; free the space at once with --now. Nothing was changed")
        self.is_decided = True
        if self.is_to_be_watched():
            self.notes.append("Deleted in place, without watching for a pull first")
        freed = sum(self._unlink(item) for item in self._unneeded())
        if not os.path.islink(self.store.manifests):
            self.errors += drop_empty_folders(self.store, [item.file.path for item in self.moved], self.disk)
        return self.receipt(freed, cancelled=self.world.cancelled())

    def _unneeded(self) -> Iterator[PlannedFile]:
        """Manifests, then what none needs: with a look before the trash and before each blob, until a pull begins."""
        seen = None
        for item in (*self.manifests, *self.trashed, *self.blobs):
            if self.world.cancelled():
                return
            if is_manifest(item.file.path):
                yield item
                continue
            if seen is None or not is_own(item.file.path):
                seen = look(self.store, self.plan.made_at)
            if stop := self.objection(seen, [item]):
                self.errors.append(stop)
                return
            if still_needed(self.store, [item.file], seen.needed):
                self.returned.append(item)
            else:
                yield item

    def _unlink(self, item: PlannedFile) -> int:
        """Unlink one file and return the bytes that left the disk. ``blobs/`` may be a link, or another device."""
        folder, name = os.path.split(self.store.path(item.file.path))
        folder = os.path.realpath(folder)
        try:
            file = look_at(folder, name, has_reflinks(self.store.root))
            if file.identity != item.file.identity:
                raise changed(item.file)
            freed = unlink(self.store, f"{folder}/{name}", replace(file, path=item.file.path), self.disk)
        except OSError as error:
            self.fail(item, error)
            return 0
        self.moved.append(item)
        self.step(3)
        return freed


class Keeping(Removal):
    """Sets aside links of all blobs and a copy of the manifest, which a pull writes again in place."""

    def _set_aside(self) -> None:
        """The names of damaged blobs leave last: whatever happens before, the store is as it was."""
        for file in self.shared:
            self.aside.keep_name(file)
        for item in self.blobs:
            self.aside.add_name(item.file)
        for item in self.manifests:
            self.aside.copy(item.file)
        for item in self.blobs:
            self.aside.take_name(item.file)
        self.moved = list(self.plan.files)

    def _in_place(self, why: str) -> Receipt:
        raise Refused(f"{why}; nothing was changed")
