"""What the reading of a file says about the blobs that it is, and the count of all of it."""

import errno

from msgspec import Struct

from prunella_core.ledger.verdicts import Identity, Verdict
from prunella_core.ollama.paths import Area, place_of
from prunella_core.verify.checks import Check
from prunella_core.verify.reading import Reading
from prunella_core.verify.result import Bad, VerifyResult

_OF_THE_DISK = {getattr(errno, name, None) for name in ("EIO", "EUCLEAN", "EBADMSG", "ENODATA", "EILSEQ", "EREMOTEIO")}
"""Errors that say something about the bytes; the others (no right to read, no memory) about the one who reads."""


class Job(Struct, frozen=True, gc=False):
    """A file that has to be read, and everything that it is checked for: hard links to it are one file."""

    identity: Identity
    checks: tuple[Check, ...]

    @property
    def size(self) -> int:
        """Bytes, as of when it was looked at."""
        return self.identity[2]


class Tally:
    """Adds up what was found. ``unsaved`` is what the ledger does not have yet."""

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
            self._add_reading(job, outcome)

    def _add_reading(self, job: Job, reading: Reading) -> None:
        size = reading.after[2]
        self.bytes += size
        self.unsaved_bytes += size
        for check in job.checks:
            self._add(check, judge(check, reading), reading.after)

    def add_error(self, check: Check, error: OSError, identity: Identity | None = None) -> None:
        """Judge a file that could not be looked at, opened or read to its end."""
        if not isinstance(error, FileNotFoundError):
            problem = f"cannot be read: {error.strerror or error}"
            lasting = identity if error.errno in _OF_THE_DISK else None
            self._add(check, _bad(check, "unreadable-blob", problem), lasting)
        elif check.models:
            self._add(check, _bad(check, "missing-blob", "not there"), None)
        else:  # nothing needs it, and somebody has taken it away
            self.changed.append(check)

    def _add(self, check: Check, bad: Bad | None, identity: Identity | None) -> None:
        self.checked += 1
        if bad:
            self.bad.append(bad)
        if identity and place_of(check.path).area is Area.BLOBS:  # what is in the trash worries no model
            kind, problem = (bad.kind, bad.problem) if bad else (None, None)
            self.unsaved.append(Verdict(check.path, identity, kind, problem))

    def result(self, is_whole: bool) -> VerifyResult:
        """Everything so far, in an order that does not depend on which thread was quicker."""
        return VerifyResult(
            checked=self.checked,
            bytes=self.bytes,
            remembered=self.remembered,
            bad=tuple(sorted(self.bad, key=lambda bad: bad.path)),
            changed=tuple(sorted(self.changed, key=lambda check: check.path)),
            cancelled=not is_whole,
        )


def judge(check: Check, reading: Reading) -> Bad | None:
    """Return what is bad about a file that was read undisturbed."""
    size = reading.after[2]
    if reading.digest == check.digest:
        return None
    if check.declared is not None and check.declared != size:
        return _bad(check, "wrong-size", f"has {size} bytes, the manifest says {check.declared}")
    return _bad(check, "wrong-hash", f"hash is {reading.digest}")


def _bad(check: Check, kind: str, problem: str) -> Bad:
    return Bad(digest=check.digest, path=check.path, kind=kind, problem=problem, models=check.models)
