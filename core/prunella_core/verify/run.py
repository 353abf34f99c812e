"""Verifies many files: the largest first, by threads that take from one list, so that none is idle before the end."""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from queue import SimpleQueue
from threading import Event

from prunella_core.inventory.records import Blob, Inventory, State
from prunella_core.ledger.file import consult
from prunella_core.ledger.verdicts import Identity, forget_gone, identity_of, read_sound, write_verdicts
from prunella_core.store.locate import Store
from prunella_core.verify.judge import Job, Tally
from prunella_core.verify.reading import Reader, Reading, read_file
from prunella_core.verify.records import Check, VerifyProgress, VerifyResult

_WORKERS = 2
"""Two hash about as fast as disks read; with more, a spinning disk does little but seek."""

_BUFFER = 1 << 20
_REPORT_EVERY = 0.1
_SAVE_FILES, _SAVE_BYTES = 1_000, 256 << 20
"""How much a killed run may have to do again."""

Report = Callable[[VerifyProgress], None]
_Found = SimpleQueue[int | tuple[Job, Reading | OSError]]
"""What the threads hand over: bytes as they are read, and files when they are done."""


def whole_blobs(inventory: Inventory) -> list[Blob]:
    """Return every blob with a digest to check, missing ones too. Not the trash: that is verified when it is named."""
    return [blob for blob in inventory.blobs if blob.has_hash and blob.state is not State.TRASHED]


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
    def work(ledger: sqlite3.Connection) -> bool:
        write_verdicts(ledger, tally.unsaved)
        return True

    if not tally.unsaved:
        return
    if consult(store, work, write=True):
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
    found: dict[tuple[int, int], list[Check]] = {}
    identities: dict[tuple[int, int], Identity] = {}
    for check in checks:
        try:
            identity = identity_of(os.stat(store.path(check.path)))
        except OSError as error:
            tally.add_error(check, error)
            continue
        if known.get(check.path) == identity:
            tally.remembered += 1
        else:
            found.setdefault(identity[:2], []).append(check)
            identities[identity[:2]] = identity
    jobs = [Job(identities[file], tuple(wanted)) for file, wanted in found.items()]
    return sorted(jobs, key=lambda job: job.size, reverse=True)


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
        self._found: _Found = SimpleQueue()

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
        """What one thread does."""
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
            return read_file(self.store.path(job.checks[0].path), self.reader, buffer, self._count)
        except OSError as error:
            return error

    def _count(self, come: int) -> None:
        self._found.put(come)
        self._end_if_cancelled()

    def _end_if_cancelled(self) -> None:
        if self.ended.is_set() or self.cancelled():
            raise _Ended
