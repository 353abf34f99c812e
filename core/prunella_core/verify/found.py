"""What verify checks, reports while it runs, and finds: each file is judged by what was read. Sizes are bytes."""

import errno
from typing import NamedTuple

from msgspec import Struct

from prunella_core.ledger.memory import Identity, Verdict
from prunella_core.ollama.names import Area, place_of

_OPENING_COSTS = 32_768
"""Opening a file takes about as long as hashing so many bytes."""

_OF_THE_DISK = {getattr(errno, name, None) for name in ("EIO", "EUCLEAN", "EBADMSG", "ENODATA", "EILSEQ", "EREMOTEIO")}
"""Errors about the bytes; the others (no right to read, no memory) are about the reader."""


class Check(Struct, frozen=True, gc=False):
    """A file whose bytes have to hash to ``digest``. ``path`` is relative to the store."""

    digest: str
    path: str
    models: tuple[str, ...] = ()
    """The models that it breaks when they do not."""
    declared: int | None = None
    """The size that a manifest gives it."""


class Job(NamedTuple):
    """A file that has to be read, and everything that it is checked for: hard links to it are one file."""

    identity: Identity
    checks: list[Check]

    @property
    def size(self) -> int:
        """Bytes, before it is read."""
        return self.identity[2]


class Reading(NamedTuple):
    """The hash of a file, and its identity before and after it was read."""

    digest: str
    before: Identity
    after: Identity


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


class Bad(Struct, frozen=True, kw_only=True):
    """A blob that does not have the bytes that its name stands for, and the models that this breaks."""

    digest: str
    path: str
    kind: str
    """The kind of Problem that it is: ``missing-blob``, ``wrong-size``, ``wrong-hash`` or ``unreadable-blob``."""
    problem: str
    models: tuple[str, ...]


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


class Tally:
    """Judges, and adds up what was found. ``unsaved`` is not in the ledger yet."""

    def __init__(self) -> None:
        self.checked = 0
        self.bytes = 0
        self.remembered = 0
        self.bad: list[Bad] = []
        self.changed: list[Check] = []
        self.unsaved: list[Verdict] = []
        self.unsaved_bytes = 0

    def add(self, job: Job, outcome: Reading | OSError) -> None:
        """Judge a file that was read, or could not be."""
        if isinstance(outcome, OSError):
            for check in job.checks:
                self.add_error(check, outcome, job.identity)
        elif outcome.before != outcome.after or outcome.before[:2] != job.identity[:2]:
            self.changed += job.checks
        else:
            size = outcome.after[2]
            self.bytes += size
            self.unsaved_bytes += size
            for check in job.checks:
                self._judged(check, _judge(check, outcome.digest, size), outcome.after)

    def add_error(self, check: Check, error: OSError, identity: Identity | None = None) -> None:
        """Judge a file that could not be opened or read to its end."""
        if not isinstance(error, FileNotFoundError):
            bad = _bad(check, "unreadable-blob", f"cannot be read: {error.strerror or error}")
            self._judged(check, bad, identity if error.errno in _OF_THE_DISK else None)
        elif check.models:
            self._judged(check, _bad(check, "missing-blob", "not there"), None)
        else:  # nothing needs it, and it was deleted meanwhile
            self.changed.append(check)

    def _judged(self, check: Check, bad: Bad | None, identity: Identity | None) -> None:
        self.checked += 1
        if bad:
            self.bad.append(bad)
        if identity and place_of(check.path).area is Area.BLOBS:  # the trash is verified only when it is named
            kind, problem = (bad.kind, bad.problem) if bad else (None, None)
            self.unsaved.append(Verdict(check.path, identity, kind, problem))

    def result(self, *, cancelled: bool) -> VerifyResult:
        """Everything so far, in the same order whichever thread was faster."""
        return VerifyResult(
            checked=self.checked,
            bytes=self.bytes,
            remembered=self.remembered,
            bad=tuple(sorted(self.bad, key=lambda bad: bad.path)),
            changed=tuple(sorted(self.changed, key=lambda check: check.path)),
            cancelled=cancelled,
        )


def _judge(check: Check, digest: str, size: int) -> Bad | None:
    if digest == check.digest:
        return None
    if check.declared is not None and check.declared != size:
        return _bad(check, "wrong-size", f"has {size:,} bytes, but its manifest says {check.declared:,}")
    return _bad(check, "wrong-hash", f"hash is {digest}")


def _bad(check: Check, kind: str, problem: str) -> Bad:
    return Bad(digest=check.digest, path=check.path, kind=kind, problem=problem, models=check.models)
