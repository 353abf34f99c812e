"""Verifies many files: the largest first, by threads that take from one list, so that none is idle before the end."""

import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from prunella_core.inventory.records import Blob, Inventory
from prunella_core.ledger.file import consult
from prunella_core.ledger.verdicts import Identity, Verdict, forget_gone, identity_of, read_sound, write_verdicts
from prunella_core.store.locate import Store
from prunella_core.verify.checks import Check, checks_of
from prunella_core.verify.judge import Job, Tally
from prunella_core.verify.reading import Reader, Reading, read_file
from prunella_core.verify.result import VerifyProgress, VerifyResult

WORKERS = 2
"""Two hash about as fast as disks read; with more, a disk that turns does little but seek."""

_BUFFER = 1 << 20
_LOOK_UP_EVERY = 0.1
_SAVE_FILES, _SAVE_BYTES = 1_000, 256 << 20
"""How much a killed run may have to do again."""

Remember = Callable[[Sequence[Verdict]], bool]
"""Keeps verdicts, and returns whether it could."""


def verify_blobs(
    inventory: Inventory,
    blobs: Iterable[Blob],
    *,
    again: bool = False,
    report: Callable[[VerifyProgress], None] = lambda _progress: None,
    cancelled: Callable[[], bool] = lambda: False,
    reader: Reader | None = None,
) -> VerifyResult:
    """Verify ``blobs`` but those that an earlier run found sound (``again``: those too), and remember what was found.

    A ledger that cannot be used only means that nothing is remembered. ``report`` and ``cancelled`` as in ``verify``.
    """
    store = inventory.store
    known = None if again else consult(store, read_sound)
    result = verify(
        store,
        checks_of(inventory, blobs),
        known or {},
        remember=lambda verdicts: _save(store, verdicts),
        report=report,
        cancelled=cancelled,
        reader=reader,
    )
    if inventory.is_whole:  # what a scan has not come to yet is not gone
        consult(store, lambda ledger: forget_gone(ledger, inventory), writable=True)
    return result


def _save(store: Store, verdicts: Sequence[Verdict]) -> bool:
    def work(ledger: sqlite3.Connection) -> bool:
        write_verdicts(ledger, verdicts)
        return True

    return consult(store, work, writable=True) is True


def verify(
    store: Store,
    checks: Iterable[Check],
    known: Mapping[str, Identity],
    *,
    remember: Remember = lambda _verdicts: True,
    report: Callable[[VerifyProgress], None] = lambda _progress: None,
    cancelled: Callable[[], bool] = lambda: False,
    workers: int = WORKERS,
    reader: Reader | None = None,
) -> VerifyResult:
    """Hash what ``checks`` names, except the files of ``known`` that are still the same, and say which are bad.

    ``report`` and ``remember`` are called now and then in this thread, what they raise ends the verification;
    ``cancelled`` is asked in others, between two pieces of a file. What was read before is remembered then too.
    """
    tally = Tally()
    jobs = _sort_out(store, checks, known, tally)
    crew = _Crew(store, jobs, reader or Reader(), cancelled)
    with ThreadPoolExecutor(workers) as pool:
        working = [pool.submit(crew.work) for _worker in range(workers)]
        try:
            crew.follow(working, tally, remember, report)
        finally:
            crew.is_dismissed = True
    if tally.unsaved:
        remember(tally.unsaved)
    return tally.result(crew.is_done)


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


class _Dismissed(Exception):
    """The file in hand need not be read to its end."""


class _Crew:
    """The threads that read, and what they have in common: appending to a deque and popping from it needs no lock."""

    def __init__(self, store: Store, jobs: list[Job], reader: Reader, cancelled: Callable[[], bool]) -> None:
        self.store = store
        self.reader = reader
        self.cancelled = cancelled
        self.is_dismissed = False
        self._total = VerifyProgress(0, len(jobs), 0, sum(job.size for job in jobs))
        self._waiting = deque(jobs)
        self._read: deque[tuple[Job, Reading | OSError]] = deque()
        self._counts: list[list[int]] = []
        self._files = 0

    @property
    def is_done(self) -> bool:
        """Whether every file was read."""
        return self._files == self._total.of_files

    def work(self) -> None:
        """Read files until none is left: what one thread does."""
        buffer = memoryview(bytearray(_BUFFER))
        count = [0]  # of its own for each thread, since adding to a number that another adds to loses some
        self._counts.append(count)

        def add(come: int) -> None:
            count[0] += come
            if self.is_dismissed or self.cancelled():
                raise _Dismissed

        while self._waiting and not (self.is_dismissed or self.cancelled()):
            try:
                job = self._waiting.popleft()
                self._read.append((job, self._outcome(job, buffer, add)))
            except (IndexError, _Dismissed):  # another thread took the last one; or nobody waits for it any more
                return

    def _outcome(self, job: Job, buffer: memoryview, count: Callable[[int], None]) -> Reading | OSError:
        try:
            return read_file(self.store.path(job.checks[0].path), self.reader, buffer, count)
        except OSError as error:
            return error

    def follow(
        self,
        working: Iterable[Future[None]],
        tally: Tally,
        remember: Remember,
        report: Callable[[VerifyProgress], None],
    ) -> None:
        """Collect what the threads have read, until they end."""
        rest = set(working)
        while rest:
            ended, rest = wait(rest, _LOOK_UP_EVERY)
            for each in ended:
                each.result()
            self._collect(tally)
            report(self._total._replace(files=self._files, bytes=sum(count for (count,) in self._counts)))
            if (len(tally.unsaved) >= _SAVE_FILES or tally.unsaved_bytes >= _SAVE_BYTES) and remember(tally.unsaved):
                tally.unsaved, tally.unsaved_bytes = [], 0

    def _collect(self, tally: Tally) -> None:
        while self._read:
            tally.add(*self._read.popleft())
            self._files += 1
