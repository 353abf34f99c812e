"""Do blobs have the bytes that their names stand for? It reads, remembers what it found, and deletes nothing.

Files are read the largest first, by threads that take from one list until it is empty. Sizes are bytes.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from queue import SimpleQueue
from threading import Event
from typing import NamedTuple

from msgspec import Struct

from prunella_core.inventory.records import Blob, Inventory, State
from prunella_core.ledger.file import consult
from prunella_core.ledger.memory import Identity, Verdict, forget_gone, identity_of, read_sound, write_verdicts
from prunella_core.ollama.names import Area, place_of
from prunella_core.store import Store

_WORKERS = 2
"""Two hash about as fast as disks read; with more, a spinning disk does little but seek."""

_BUFFER = 1 << 20
_REPORT_EVERY = 0.1
_SAVE_FILES, _SAVE_BYTES = 1_000, 256 << 20
"""How much a killed run may have to do again."""

_OPENING_COSTS = 32_768
"""Opening a file takes about as long as hashing so many bytes."""

_OF_THE_DISK = {getattr(errno, name, None) for name in ("EIO", "EUCLEAN", "EBADMSG", "ENODATA", "EILSEQ", "EREMOTEIO")}
"""Errors about the bytes; the others (no right to read, no memory) are about the reader."""

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


class Check(NamedTuple):
    """A file whose bytes have to hash to ``digest``. ``path`` is relative to the store."""

    digest: str
    path: str
    models: tuple[str, ...]
    """The models that it breaks when they do not."""
    declared: int | None
    """The size that a manifest gives it."""


class Bad(Struct, frozen=True, kw_only=True):
    """A blob that does not have the bytes that its name stands for, and the models that this breaks."""

    digest: str
    path: str
    kind: str
    """The kind of Problem that it is: ``missing-blob``, ``wrong-size``, ``wrong-hash`` or ``unreadable-blob``."""
    problem: str
    models: tuple[str, ...]


class VerifyProgress(NamedTuple):
    """How far it is. Files that an earlier run verified are not counted."""

    files: int
    of_files: int
    bytes: int
    of_bytes: int

    @property
    def share(self) -> float:
        """How much of the work is done, 0 to 1: many small files take their time too."""
        effort = self.bytes + self.files * _OPENING_COSTS
        return min(effort / max(self.of_bytes + self.of_files * _OPENING_COSTS, 1), 1.0)


class VerifyResult(Struct, frozen=True, kw_only=True):
    """What was found. Unchanged files that an earlier run found sound were not read again."""

    checked: int
    """Files judged by this run, bad ones too."""
    bytes: int
    """Read for that; hard links to one file are read once."""
    remembered: int
    """Files that an earlier run found sound."""
    bad: tuple[Bad, ...]
    changed: tuple[Check, ...]
    """Files that changed or vanished while they were read: neither sound nor bad."""
    cancelled: bool = False


def whole_blobs(inventory: Inventory) -> list[Blob]:
    """Return every blob with a digest to check, missing ones too. Not the trash: that is verified when it is named."""
    return [blob for blob in inventory.blobs if blob.has_hash and blob.state is not State.TRASHED]


class Reader:
    """Opens and reads files; a test puts another in its place."""

    def open(self, path: str) -> int:
        """Open ``path``, keeping its atime where the system allows that: to the owner only. Raises OSError."""
        try:
            return os.open(path, _FLAGS | getattr(os, "O_NOATIME", 0))
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
    report: Callable[[VerifyProgress], None] = lambda _progress: None,
    cancelled: Callable[[], bool] = lambda: False,
    reader: Reader | None = None,
) -> VerifyResult:
    """Hash ``blobs`` but those that an earlier run found sound (``again``: those too), and remember what was found.

    ``report`` is called now and then in this thread, and what it raises ends the verification; ``cancelled`` is asked
    in others, between two pieces of a file. A ledger that cannot be used only means that nothing is remembered.
    """
    run = _Run(inventory.store, reader or Reader(), cancelled)
    run.sort_out(_checks_of(inventory, blobs), {} if again else consult(run.store, read_sound) or {})
    run.read_all(report)
    run.save()
    consult(run.store, lambda ledger: forget_gone(ledger, inventory), write=True)
    return VerifyResult(
        checked=run.checked,
        bytes=run.bytes,
        remembered=run.remembered,
        bad=tuple(sorted(run.bad, key=lambda bad: bad.path)),
        changed=tuple(sorted(run.changed, key=lambda check: check.path)),
        cancelled=run.files_read < len(run.jobs),
    )


def _checks_of(inventory: Inventory, blobs: Iterable[Blob]) -> Iterator[Check]:
    """Each file of each blob; a row that is not named by its hash has none."""
    declared = {layer.digest: layer.size for model in inventory.models for layer in model.layers}
    for blob in blobs:
        if blob.digest is not None and blob.has_hash:
            for path in [file.path for file in blob.content] or [f"blobs/{blob.digest.replace(':', '-')}"]:
                yield Check(blob.digest, path, blob.models, declared.get(blob.digest))


_Job = tuple[Identity, list[Check]]
"""A file that has to be read, and everything that it is checked for: hard links to it are one file."""
_Outcome = tuple[str, Identity, Identity] | OSError
"""The hash of a file, and its identity before and after it was read; or why it could not be."""


class _Ended(Exception):
    """The file at hand need not be read to its end."""


class _Run:
    """The files to read, the threads that read them, and what was found: ``unsaved`` is not in the ledger yet."""

    def __init__(self, store: Store, reader: Reader, cancelled: Callable[[], bool]) -> None:
        self.store = store
        self.reader = reader
        self.cancelled = cancelled
        self.ended = Event()
        self.jobs: list[_Job] = []
        self.files_read = self.bytes_read = 0
        self.checked = self.bytes = self.remembered = 0
        self.bad: list[Bad] = []
        self.changed: list[Check] = []
        self.unsaved: list[Verdict] = []
        self.unsaved_bytes = 0
        self._found = SimpleQueue[int | tuple[_Job, _Outcome]]()  # bytes as they are read, files when done

    def sort_out(self, checks: Iterable[Check], known: dict[str, Identity]) -> None:
        """Look at each file once more, and sort those that have to be read, the largest first."""
        jobs: dict[tuple[int, int], _Job] = {}
        for check in checks:
            try:
                identity = identity_of(os.stat(self.store.path(check.path)))
            except OSError as error:
                self._add_error(check, error)
                continue
            if known.get(check.path) == identity:
                self.remembered += 1
            else:
                jobs.setdefault(identity[:2], (identity, []))[1].append(check)
        self.jobs = sorted(jobs.values(), key=lambda job: job[0][2], reverse=True)

    def read_all(self, report: Callable[[VerifyProgress], None]) -> None:
        """Read all files, judge them in this thread, and say every now and then how far it is."""
        total = sum(identity[2] for identity, _checks in self.jobs)
        waiting = iter(self.jobs)  # threads may take from an iterator over a list without a lock
        with ThreadPoolExecutor(_WORKERS) as pool:
            running = {pool.submit(self._read, waiting) for _worker in range(_WORKERS)}
            try:
                while running:
                    done, running = wait(running, _REPORT_EVERY)
                    for each in done:
                        each.result()
                    self._collect()
                    report(VerifyProgress(self.files_read, len(self.jobs), self.bytes_read, total))
                    if len(self.unsaved) >= _SAVE_FILES or self.unsaved_bytes >= _SAVE_BYTES:
                        self.save()
            finally:
                self.ended.set()

    def save(self) -> None:
        """Write to the ledger what is not there yet."""
        if not self.unsaved:
            return
        if consult(self.store, lambda ledger: write_verdicts(ledger, self.unsaved), write=True):
            self.unsaved, self.unsaved_bytes = [], 0

    # In the thread of the caller

    def _collect(self) -> None:
        while not self._found.empty():
            found = self._found.get()
            if isinstance(found, int):
                self.bytes_read += found
            else:
                self._judge(*found)
                self.files_read += 1

    def _judge(self, job: _Job, outcome: _Outcome) -> None:
        identity, checks = job
        if isinstance(outcome, OSError):
            for check in checks:
                self._add_error(check, outcome, identity)
            return
        digest, before, after = outcome
        if before != after or before[:2] != identity[:2]:
            self.changed += checks
            return
        size = after[2]
        self.bytes += size
        self.unsaved_bytes += size
        for check in checks:
            if digest == check.digest:
                self._add(check, after)
            elif check.declared is not None and check.declared != size:
                self._add(check, after, "wrong-size", f"has {size:,} bytes, but its manifest says {check.declared:,}")
            else:
                self._add(check, after, "wrong-hash", f"hash is {digest}")

    def _add_error(self, check: Check, error: OSError, identity: Identity | None = None) -> None:
        """Judge a file that could not be opened or read to its end."""
        if not isinstance(error, FileNotFoundError):
            remembered = identity if error.errno in _OF_THE_DISK else None
            self._add(check, remembered, "unreadable-blob", f"cannot be read: {error.strerror or error}")
        elif check.models:
            self._add(check, None, "missing-blob", "not there")
        else:  # nothing needs it, and it was deleted meanwhile
            self.changed.append(check)

    def _add(self, check: Check, identity: Identity | None, kind: str | None = None, why: str = "") -> None:
        self.checked += 1
        if kind:
            self.bad.append(Bad(digest=check.digest, path=check.path, kind=kind, problem=why, models=check.models))
        if identity and place_of(check.path).area is Area.BLOBS:  # the trash is verified only when it is named
            self.unsaved.append(Verdict(check.path, identity, kind, why or None))

    # In the threads that read

    def _read(self, waiting: Iterator[_Job]) -> None:
        buffer = memoryview(bytearray(_BUFFER))
        with suppress(_Ended):
            self._end_if_cancelled()
            for job in waiting:
                try:
                    self._found.put((job, self._hash(self.store.path(job[1][0].path), buffer)))
                except OSError as error:
                    self._found.put((job, error))
                self._end_if_cancelled()

    def _end_if_cancelled(self) -> None:
        if self.ended.is_set() or self.cancelled():
            raise _Ended

    def _hash(self, path: str, buffer: memoryview) -> _Outcome:
        """Hash a regular file, following links and leaving no trace. Raises OSError unless it is read to its end."""
        descriptor = self.reader.open(path)
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise OSError(errno.EINVAL, "not a regular file", path)
            digest, length = hashlib.sha256(), 0
            while length < before.st_size and (come := self.reader.read(descriptor, buffer)):
                digest.update(buffer[:come])
                length += come
                self._found.put(come)
                self._end_if_cancelled()
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if length < after.st_size == before.st_size:
            raise OSError(errno.EIO, f"it ended after {length} of its {after.st_size} bytes", path)
        return f"sha256:{digest.hexdigest()}", identity_of(before), identity_of(after)
