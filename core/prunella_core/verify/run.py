"""Reads many files for their hashes: the largest first, by threads that take from one list until it is empty."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from queue import SimpleQueue
from threading import Event

from prunella_core.inventory.records import Blob, Inventory, State
from prunella_core.ledger.file import consult
from prunella_core.ledger.memory import Identity, forget_gone, identity_of, read_sound, write_verdicts
from prunella_core.store import Store
from prunella_core.verify.found import Check, Job, Reading, Tally, VerifyProgress, VerifyResult

_WORKERS = 2
"""Two hash about as fast as disks read; with more, a spinning disk does little but seek."""

_BUFFER = 1 << 20
_REPORT_EVERY = 0.1
_SAVE_FILES, _SAVE_BYTES = 1_000, 256 << 20
"""How much a killed run may have to do again."""

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_KEEP_ATIME: int = getattr(os, "O_NOATIME", 0)

Report = Callable[[VerifyProgress], None]


def whole_blobs(inventory: Inventory) -> list[Blob]:
    """Return every blob with a digest to check, missing ones too. Not the trash: that is verified when it is named."""
    return [blob for blob in inventory.blobs if blob.has_hash and blob.state is not State.TRASHED]


class Reader:
    """Opens and reads files; a test puts another in its place."""

    def open(self, path: str) -> int:
        """Open ``path``, keeping its atime where the system allows that: to the owner only. Raises OSError."""
        try:
            return os.open(path, _FLAGS | _KEEP_ATIME)
        except PermissionError:
            return os.open(path, _FLAGS)

    def read(self, descriptor: int, buffer: memoryview) -> int:
        """Read into ``buffer`` and return the number of bytes. Raises OSError."""
        return os.readv(descriptor, [buffer])


def verify_blobs(
    inventory: Inventory,
    blobs: Iterable[Blob],
    *,
    again: bool = False,
    report: Report = lambda _progress: None,
    cancelled: Callable[[], bool] = lambda: False,
    reader: Reader | None = None,
) -> VerifyResult:
    """Hash ``blobs`` but those that an earlier run found sound (``again``: those too), and remember what was found.

    ``report`` is called now and then in this thread, and what it raises ends the verification; ``cancelled`` is asked
    in others, between two pieces of a file. A ledger that cannot be used only means that nothing is remembered.
    """
    store, tally = inventory.store, Tally()
    known = None if again else consult(store, read_sound)
    jobs = _sort_out(store, _checks_of(inventory, blobs), known or {}, tally)
    work = _Work(store, jobs, reader or Reader(), cancelled)

    def follow(progress: VerifyProgress) -> None:
        report(progress)
        if len(tally.unsaved) >= _SAVE_FILES or tally.unsaved_bytes >= _SAVE_BYTES:
            _save(store, tally)

    work.run(tally, follow)
    _save(store, tally)
    consult(store, lambda ledger: forget_gone(ledger, inventory), write=True)
    return tally.result(cancelled=work.files < len(jobs))


def _save(store: Store, tally: Tally) -> None:
    if not tally.unsaved:
        return
    if consult(store, lambda ledger: write_verdicts(ledger, tally.unsaved), write=True):
        tally.unsaved, tally.unsaved_bytes = [], 0


def _checks_of(inventory: Inventory, blobs: Iterable[Blob]) -> Iterator[Check]:
    """Each file of each blob; a row that is not named by its hash has none."""
    declared = {layer.digest: layer.size for model in inventory.models for layer in model.layers}
    for blob in blobs:
        if blob.digest is not None and blob.has_hash:
            paths = [file.path for file in blob.content] or [f"blobs/{blob.digest.replace(':', '-')}"]
            for path in paths:
                yield Check(blob.digest, path, blob.models, declared.get(blob.digest))


def _sort_out(store: Store, checks: Iterable[Check], known: Mapping[str, Identity], tally: Tally) -> list[Job]:
    """Look at each file once more and return what has to be read, the largest first."""
    jobs: dict[tuple[int, int], Job] = {}
    for check in checks:
        try:
            identity = identity_of(os.stat(store.path(check.path)))
        except OSError as error:
            tally.add_error(check, error)
            continue
        if known.get(check.path) == identity:
            tally.remembered += 1
        else:
            jobs.setdefault(identity[:2], Job(identity, [])).checks.append(check)
    return sorted(jobs.values(), key=lambda job: job.size, reverse=True)


class _Ended(Exception):
    """The file at hand need not be read to its end."""


class _Work:
    """The files to read, the threads that read them, and how far they are."""

    def __init__(self, store: Store, jobs: list[Job], reader: Reader, cancelled: Callable[[], bool]) -> None:
        self.store = store
        self.jobs = jobs
        self.reader = reader
        self.cancelled = cancelled
        self.ended = Event()
        self.files = 0
        self.bytes = 0
        self._waiting = iter(jobs)  # threads may take from an iterator over a list without a lock
        self._found = SimpleQueue[int | tuple[Job, Reading | OSError]]()  # bytes as they are read, files when done

    def run(self, tally: Tally, follow: Report) -> None:
        """Read all files, judge them in this thread, and say every now and then how far it is."""
        total = sum(job.size for job in self.jobs)
        with ThreadPoolExecutor(_WORKERS) as pool:
            running = {pool.submit(self._read) for _worker in range(_WORKERS)}
            try:
                while running:
                    done, running = wait(running, _REPORT_EVERY)
                    for each in done:
                        each.result()
                    self._collect(tally)
                    follow(VerifyProgress(self.files, len(self.jobs), self.bytes, total))
            finally:
                self.ended.set()

    def _collect(self, tally: Tally) -> None:
        while not self._found.empty():
            found = self._found.get()
            if isinstance(found, int):
                self.bytes += found
            else:
                tally.add(*found)
                self.files += 1

    def _read(self) -> None:
        buffer = memoryview(bytearray(_BUFFER))
        try:
            self._end_if_cancelled()
            for job in self._waiting:
                self._found.put((job, self._outcome(job, buffer)))
                self._end_if_cancelled()
        except _Ended:
            return

    def _outcome(self, job: Job, buffer: memoryview) -> Reading | OSError:
        try:
            return _read_file(self.store.path(job.checks[0].path), self.reader, buffer, self._count)
        except OSError as error:
            return error

    def _count(self, come: int) -> None:
        self._found.put(come)
        self._end_if_cancelled()

    def _end_if_cancelled(self) -> None:
        if self.ended.is_set() or self.cancelled():
            raise _Ended


def _read_file(path: str, reader: Reader, buffer: memoryview, count: Callable[[int], None]) -> Reading:
    """Hash the regular file at ``path``, following links and leaving no trace; ``count`` gets the bytes of each piece.

    Raises OSError when it cannot be read to its end.
    """
    descriptor = reader.open(path)
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        digest, length = hashlib.sha256(), 0
        while length < before.st_size and (come := reader.read(descriptor, buffer)):
            digest.update(buffer[:come])
            length += come
            count(come)
        after = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if length < after.st_size == before.st_size:
        raise OSError(errno.EIO, f"it ended after {length} of its {after.st_size} bytes", path)
    return Reading(f"sha256:{digest.hexdigest()}", identity_of(before), identity_of(after))
