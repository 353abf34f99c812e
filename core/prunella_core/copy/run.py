"""The one mutator of the store that is copied to: every blob read once, and hashed before it gets its name."""

import hashlib
import os
import stat
import time
from collections.abc import Callable
from contextlib import closing, suppress

from msgspec import Struct

from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.copy.fill import CannotCopy, Filler
from prunella_core.copy.plan import COPYING, CopiedBlob, CopiedModel, CopyPlan, names_in
from prunella_core.fs.disk import Disk
from prunella_core.fs.files import File, look_at, read_small
from prunella_core.ledger.file import consult
from prunella_core.ledger.memory import read_sound
from prunella_core.ollama.manifest import LARGEST_MANIFEST
from prunella_core.plan.records import FileError
from prunella_core.store.access import lock
from prunella_core.verify import Reader, VerifyProgress

_STAYS_NEW = 600.0
"""Seconds after which blobs without a manifest become new again: Ollama's start deletes those over an hour old."""


class CopyReceipt(Struct, frozen=True, kw_only=True):
    """What really happened. Sizes are bytes."""

    plan: CopyPlan
    models: tuple[str, ...]
    """The models that are there now, by their names here."""
    written: int
    cloned: int
    """What shares its extents with its source instead."""
    skipped: int
    verified: int
    """Of ``skipped``, what was hashed there."""
    is_verified: bool
    """Whether all that was there already was to be hashed."""
    errors: tuple[FileError, ...]
    cancelled: bool

    @property
    def done(self) -> bool:
        """Whether everything was copied that was asked for."""
        return not (self.errors or self.cancelled or self.plan.refused)


def copy_models(
    plan: CopyPlan,
    *,
    verify: bool = False,
    disk: Disk | None = None,
    now: Callable[[], float] = time.time,
    reader: Reader | None = None,
    report: Callable[[VerifyProgress], None] = lambda _progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> CopyReceipt:
    """Copy what ``plan`` says; ``verify`` hashes what is there already too, and replaces what is damaged.

    ``report`` gets the bytes read so far. A cancelled copy goes on at the next run. Raises Refused, Locked, and OSError
    for the folder itself, while nothing was copied; what fails later is in the receipt.
    """
    if plan.needed > plan.free:
        raise Refused(f"{clean(plan.target.root)} has {plan.free:,} bytes free, and {plan.needed:,} are needed")
    disk = disk or Disk()
    run = _Run(plan, verify, disk, now, reader or Reader(), report, cancelled)
    if plan.is_empty and not verify and not os.path.lexists(plan.target.path(COPYING)):
        run.skipped, run.copied = plan.skipped, [model.name for model in plan.models]
        return run.receipt()
    with closing(run.disk), closing(run.filler):
        return run.run()


class _Cancelled(Exception):
    pass


class _Run:
    """One copy, model by model: blobs, sidecars, the manifest, then the times that the blobs have here."""

    def __init__(
        self,
        plan: CopyPlan,
        verify: bool,
        disk: Disk,
        now: Callable[[], float],
        reader: Reader,
        report: Callable[[VerifyProgress], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self.plan, self.target, self.verify = plan, plan.target, verify
        self.disk, self.now = disk, now
        self.filler = Filler(disk, reader, self._count)
        self.report, self.cancelled = report, cancelled
        self.sound = consult(plan.store, read_sound) or {}
        self.arrived: dict[str, str] = {}
        """The paths of blobs that are there, under their digests."""
        self.bad: dict[str, str] = {}
        self.waiting: set[str] = set()
        """The paths of blobs that no manifest there needs yet."""
        self.touched_at = now()
        self.of_files = len(plan.blobs if verify else plan.copies)
        self.of_bytes = plan.written + (plan.skipped if verify else 0)
        self.files = self.bytes = self.skipped = self.verified = 0
        self.copied: list[str] = []
        self.errors: list[FileError] = []
        self.is_cancelled = False

    def receipt(self) -> CopyReceipt:
        return CopyReceipt(
            plan=self.plan,
            models=tuple(self.copied),
            written=self.filler.written,
            cloned=self.filler.cloned,
            skipped=self.skipped,
            verified=self.verified,
            is_verified=self.verify,
            errors=tuple(self.errors),
            cancelled=self.is_cancelled,
        )

    def run(self) -> CopyReceipt:
        is_new = not os.path.lexists(self.target.root)
        self.disk.make_folder(self.target.root)
        with lock(self.target):
            try:
                self._make_folders(is_new)
                for model in self.plan.models:
                    self._copy(model)
                self.disk.remove_if_empty(self.target.path(COPYING))
            except _Cancelled:
                self.is_cancelled = True
            except OSError as error:  # of the other disk: what follows would fail as well
                path = os.fsdecode(error.filename or self.target.root)
                self.errors.append(FileError(path=path, message=f"cannot be written: {error.strerror}"))
        return self.receipt()

    def _make_folders(self, is_new: bool) -> None:
        for name in ("blobs", "manifests", COPYING):
            self.disk.make_folder(self.target.path(name))
        wanted = {os.path.basename(_part(blob)) for blob in self.plan.copies}
        for name in set(names_in(self.target.path(COPYING))) - wanted:
            self.disk.unlink(self.target.path(f"{COPYING}/{name}"))
        self.disk.settle(self.target.root)
        if is_new:
            with suppress(PermissionError):  # it can be written to, but not read
                self.disk.settle(os.path.dirname(self.target.root))

    def _copy(self, model: CopiedModel) -> None:
        blobs = [self.plan.blob[digest] for digest in model.needs]
        try:
            for blob in blobs:
                self._bring(blob)
            for blob in blobs:
                for file in blob.sidecars:
                    self._copy_small(file, file.path)
            self.disk.settle(self.target.blobs)
            self._require_there(blobs)
            if not model.is_there:
                self._copy_small(model.manifest, model.path)
            elif self.verify:
                self._check_manifest(model)
        except CannotCopy as failed:
            self.errors.append(FileError(path=model.name, message=str(failed)))
            return
        for blob in blobs:
            if blob.path in self.waiting:
                self.waiting.remove(blob.path)
                self._give_times(blob)
        self.copied.append(model.name)

    def _give_times(self, blob: CopiedBlob) -> None:
        """Give a blob the times of its source: its age, and when it was last used."""
        if blob.source:
            with suppress(FileNotFoundError, PermissionError):  # deleted meanwhile; or times are not for us to set
                status = os.stat(self.plan.store.path(blob.source.path))
                self.disk.touch(self.target.path(blob.path), (status.st_atime_ns, status.st_mtime_ns))

    def _bring(self, blob: CopiedBlob) -> None:
        """See to it that a blob is there. Raises CannotCopy."""
        if blob.digest in self.arrived:
            return
        if blob.digest in self.bad:
            raise CannotCopy(self.bad[blob.digest])
        try:
            if not self._is_there(blob):
                self._write(blob)
        except CannotCopy as failed:
            self.bad[blob.digest] = str(failed)
            raise
        self.arrived[blob.digest] = blob.path
        if not blob.is_used:
            self.waiting.add(blob.path)
            self._touch(blob.path)

    def _is_there(self, blob: CopiedBlob) -> bool:
        if not blob.target:
            return False
        if self.verify:
            digest = self.filler.check(self.target.path(blob.target.path))
            self.files += 1
            if digest != blob.digest:
                self.of_files, self.of_bytes = self.of_files + 1, self.of_bytes + blob.size
                return False
            self.verified += blob.size
        self.skipped += blob.size
        return True

    def _write(self, blob: CopiedBlob) -> None:
        if blob.source is None:
            raise CannotCopy(f"{blob.path} there is damaged, and it is missing here")
        part = self.target.path(_part(blob))
        where = self.plan.store.path(blob.source.path)
        digest = self.filler.fill(part, where, blob.digest, self.sound.get(blob.source.path))
        if digest != blob.digest:
            self.disk.unlink(part)
            raise CannotCopy(f"{clean(where)} is damaged: its bytes do not match its name; pull the model first")
        self.disk.replace(part, self.target.path(blob.path))
        self.files += 1

    def _count(self, come: int) -> None:
        self.bytes += come
        self.report(VerifyProgress(self.files, self.of_files, self.bytes, max(self.of_bytes, self.bytes)))
        if self.cancelled():
            raise _Cancelled
        if self.now() - self.touched_at >= _STAYS_NEW:
            for path in self.waiting:
                self._touch(path)
            self.touched_at = self.now()

    def _touch(self, path: str) -> None:
        """Let a blob be new, so that a start of Ollama there does not delete it before its manifest is there."""
        with suppress(FileNotFoundError, PermissionError):  # what is gone is found missing later
            now = int(self.now() * 1e9)
            self.disk.touch(self.target.path(path), (now, now))

    def _require_there(self, blobs: list[CopiedBlob]) -> None:
        for blob in blobs:
            if not os.path.exists(self.target.path(blob.path)):
                raise CannotCopy(f"{blob.path} was deleted there meanwhile; try again")

    def _check_manifest(self, model: CopiedModel) -> None:
        """See to it that the manifest there has our bytes and is on the disk. Raises CannotCopy."""
        path = self.target.path(model.path)
        expected = f"sha256:{hashlib.sha256(self._small(model.manifest)).hexdigest()}"
        if self.filler.check(path) != expected:
            raise CannotCopy(f"{model.path} there is not the manifest that is here")
        self._settle(os.path.dirname(path))

    def _copy_small(self, file: File, path: str) -> None:
        """Copy a manifest or sidecar with its time, unless something is there. Raises CannotCopy."""
        data = self._small(file)
        target, part = self.target.path(path), self.target.path(f"{COPYING}/small")
        self.disk.write(part, data, file.mtime_ns, stat.S_IMODE(file.mode))
        folder = os.path.dirname(target)
        self.disk.make_folder(folder)
        try:
            self.disk.move(part, target)
        except FileExistsError:
            self.disk.unlink(part)
            if read_small(target, LARGEST_MANIFEST) != data and file.path.startswith("manifests"):
                raise CannotCopy(f"{path} was written there meanwhile; try again") from None
        self._settle(folder)

    def _settle(self, folder: str) -> None:
        """Make the names in a folder there, and of the folders above it, durable."""
        while len(folder) >= len(self.target.root):
            self.disk.settle(folder)
            folder = os.path.dirname(folder)

    def _small(self, file: File) -> bytes:
        """The bytes of a small file here, if it is still the one that was planned. Raises CannotCopy."""
        where = self.plan.store.path(file.path)
        try:
            data = read_small(where, LARGEST_MANIFEST)
            if data is not None and look_at(self.plan.store.root, file.path).identity == file.identity:
                return data
        except OSError as error:
            raise CannotCopy(f"cannot read {clean(where)}: {error.strerror}") from error
        raise CannotCopy(f"{clean(where)} was changed meanwhile; try again")


def _part(blob: CopiedBlob) -> str:
    return f"{COPYING}/{blob.digest.replace(':', '-')}"
