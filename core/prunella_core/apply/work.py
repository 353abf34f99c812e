"""What an operation is given, and what has become of its files so far."""

import time
from collections.abc import Callable, Iterable, Set
from typing import NamedTuple

from prunella_core.apply.places import is_manifest, is_own, is_whole
from prunella_core.apply.second_look import Look
from prunella_core.fs.disk import Disk
from prunella_core.fs.sizes import File
from prunella_core.plan.records import FileError, Plan, PlannedFile, Receipt


class Step(NamedTuple):
    """How far an operation is: steps done, of how many, and what is going on."""

    done: int
    total: int
    what: str = "removing"


def ignore(_step: Step) -> None:
    """Report nothing."""


def never() -> bool:
    """Say no."""
    return False


class Control(NamedTuple):
    """How an operation is watched and steered from outside."""

    report: Callable[[Step], None] = ignore
    cancelled: Callable[[], bool] = never
    settle: float = 10.0
    """Seconds for which what will be unlinked is watched for a pull."""
    is_quiet: Callable[[], bool] = never
    """Whether no Ollama can be running here."""
    wait: Callable[[float], None] = time.sleep


class Known(NamedTuple):
    """What the plan knows of: it was there before anything was set aside."""

    problems: Set[str] = frozenset()
    signs: Set[str] = frozenset()
    shared: tuple[File, ...] = ()
    """Blobs that a model which leaves shares with one that stays."""


class Work:
    """Files that are done with are in ``moved``, those that went back in ``returned``; ``errors`` says what failed."""

    def __init__(self, plan: Plan, identity: str, disk: Disk, control: Control, known: Known) -> None:
        self.plan = plan
        self.store = plan.store
        self.id = identity
        self.disk = disk
        self.control = control
        self.known = known
        self.manifests = [item for item in plan.files if is_manifest(item.file.path)]
        self.own = [item for item in plan.files if is_own(item.file.path)]
        """What lies in the trash."""
        self.blobs = [item for item in plan.files if not is_manifest(item.file.path) and not is_own(item.file.path)]
        """What lies in ``blobs/``, and what belongs to it elsewhere."""
        self.just_removed = {item.file.path for item in self.own if _age(item, plan) < control.settle}
        """What a pull may have found in the store a moment ago."""
        self.moved: list[PlannedFile] = []
        self.returned: list[PlannedFile] = []
        self.errors: list[FileError] = []
        self.notes: list[str] = []
        self.is_decided = False
        self.per_file = 2 if plan.mode == "trash" else 3
        self._steps = 0

    def step(self, count: int, what: str = "removing") -> None:
        """Report that ``count`` more steps are done. After the decision no failure of the report stops anything."""
        total = len(self.plan.files) * self.per_file
        self._steps = min(self._steps + count, total)
        try:
            self.control.report(Step(self._steps, total, what))
        except (Exception, KeyboardInterrupt) as error:
            if not self.is_decided:
                raise
            self.control = self.control._replace(report=ignore)
            self.notes.append(f"The progress could not be shown: {error or type(error).__name__}")

    def is_to_be_watched(self) -> bool:
        """Whether a pull could count on what will be unlinked. In the trash no pull looks, but it may have before."""
        is_for_good = self.plan.mode == "delete" and bool(self.blobs or self.just_removed)
        return is_for_good and self.control.settle > 0 and not self.control.is_quiet()

    def objection(self, seen: Look, items: Iterable[PlannedFile]) -> FileError | None:
        """What a look found that forbids to remove ``items``: a manifest that cannot be read, a pull that began."""
        paths = [path for item in items if not is_own(path := item.file.path) or path in self.just_removed]
        hiding = seen.new_problem(self.known.problems)
        if hiding and any(is_manifest(path) or is_whole(path) for path in paths):
            return FileError(path=hiding.path, message=f"became unreadable meanwhile ({hiding.message})")
        signs = seen.signs - self.known.signs
        if signs and paths and not self.plan.request.force:
            return FileError(path=min(signs), message="was written meanwhile: a pull may be running")
        return None

    def fail(self, item: PlannedFile, error: OSError) -> None:
        """Note that a file stays."""
        self.errors.append(FileError(path=item.file.path, message=f"cannot be removed: {error.strerror}"))

    def give_back(self, files: Iterable[PlannedFile]) -> None:
        """Note that files have gone back."""
        back = {item.file.path: item for item in files}
        self.returned += back.values()
        self.moved = [item for item in self.moved if item.file.path not in back]

    def receipt(self, freed: int = 0, trashed: int = 0, cancelled: bool = False) -> Receipt:
        """What has really happened."""
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
            notes=tuple(self.notes),
        )

    def start_again(self) -> None:
        """Forget what was undone."""
        self.moved, self.returned, self.errors, self._steps = [], [], [], 0

    def stuck(self, errors: Iterable[FileError], cancelled: bool = False) -> Receipt:
        """What has happened when all was undone, but for ``errors``."""
        self.start_again()
        self.errors += errors
        return self.receipt(cancelled=cancelled)


def _age(item: PlannedFile, plan: Plan) -> float:
    """Seconds since a file of the trash was removed."""
    return plan.made_at - (item.idle_since or 0)
