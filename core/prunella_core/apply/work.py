"""What an operation is given from outside, and what has become of its files so far."""

import os
import time
from collections.abc import Callable, Collection, Iterable
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct

from prunella_core.apply.moves import Look, is_manifest, is_own, is_whole, signs_in
from prunella_core.fs.disk import Disk
from prunella_core.inventory.records import Inventory
from prunella_core.ollama.server import Server, is_quiet
from prunella_core.plan.records import FileError, Plan, PlannedFile, Receipt
from prunella_core.scan.system import never


class Step(NamedTuple):
    """How far an operation is: steps done, of how many, and what is going on."""

    done: int
    total: int
    what: str = "removing"


def _ignore(_step: Step) -> None:
    """Report nothing."""


def _free(path: str) -> int:
    status = os.statvfs(path)
    return status.f_bfree * status.f_frsize


class World(Struct, frozen=True, kw_only=True):
    """Clock, disk and server, and how the front end follows an operation and cancels it."""

    now: Callable[[], float] = time.time
    """Seconds, UTC."""
    disk: Disk | None = None
    """The real one, unless a test has its own."""
    server: Server | None = None
    """Deletes what a plan for the server names; of any other plan it unloads the models that it has loaded."""
    retention: int | None = None
    """Seconds after which the trash is emptied; ``None`` leaves expired trash where it is."""
    settle: float = 10.0
    """Seconds for which what is deleted for good is watched for a pull first; 0 does without."""
    is_quiet: Callable[[], bool] = partial(is_quiet, MappingProxyType({}))
    """Whether no Ollama can be running here: then nothing is watched."""
    free: Callable[[str], int] = _free
    """Free bytes of the file system at a path, with what is kept for root."""
    wait: Callable[[float], None] = time.sleep
    """Waits for a pull to show itself, or for freed space to come back, in seconds."""
    report: Callable[[Step], None] = _ignore
    cancelled: Callable[[], bool] = never
    """Asked until the decision: a cancelled operation is undone."""


class Work:
    """Files that are done with are in ``moved``, those that went back in ``returned``; ``errors`` says what failed."""

    def __init__(self, plan: Plan, inventory: Inventory, identity: str, disk: Disk, world: World) -> None:
        self.plan = plan
        self.store = plan.store
        self.id = identity
        self.disk = disk
        self.world = world
        going = {item.file.path for item in plan.files}
        self.known_problems = frozenset(problem.path for problem in inventory.blocking) - going
        self.known_signs = signs_in(inventory, plan.made_at)
        self.manifests, self.blobs, self.trashed = plan.manifests, plan.blobs, plan.trashed
        self.just_removed = {
            item.file.path
            for item in self.trashed
            if world.settle and plan.made_at - (item.idle_since or 0) < world.settle + 1  # an ID names whole seconds
        }
        """What lies in the trash, and a pull may have found in the store a moment ago."""
        self.moved: list[PlannedFile] = []
        self.returned: list[PlannedFile] = []
        self.errors: list[FileError] = []
        self.notes: list[str] = []
        self.is_decided = False
        self._report = world.report
        self._steps = 0

    def step(self, count: int, what: str = "removing") -> None:
        """Report that ``count`` more steps are done. After the decision no failure of the report stops anything."""
        total = len(self.plan.files) * (3 if self.plan.mode == "delete" else 2)
        self._steps = min(self._steps + count, total)
        try:
            self._report(Step(self._steps, total, what))
        except (Exception, KeyboardInterrupt) as error:
            if not self.is_decided:
                raise
            self._report = _ignore
            self.notes.append(f"The progress could not be shown: {error or type(error).__name__}")

    def is_to_be_watched(self) -> bool:
        """Whether a pull could count on what will be unlinked. In the trash no pull looks, but it may have before."""
        is_for_good = self.plan.mode == "delete" and bool(self.blobs or self.just_removed)
        return is_for_good and self.world.settle > 0 and not self.world.is_quiet()

    def objection(self, seen: Look, items: Iterable[PlannedFile]) -> FileError | None:
        """What a look found that forbids to remove ``items``: a manifest that cannot be read, a pull that began."""
        paths = [path for item in items if not is_own(path := item.file.path) or path in self.just_removed]
        hiding = next((problem for problem in seen.hiding if problem.path not in self.known_problems), None)
        if hiding and any(is_manifest(path) or is_whole(path) for path in paths):
            return FileError(path=hiding.path, message=f"became unreadable meanwhile ({hiding.message})")
        signs = seen.signs - self.known_signs
        if signs and paths and not self.plan.request.force:
            return FileError(path=min(signs), message="was written meanwhile: a pull may be running")
        return None

    def fail(self, item: PlannedFile, error: OSError) -> None:
        """Note that a file stays."""
        self.errors.append(FileError(path=item.file.path, message=f"cannot be removed: {error.strerror}"))

    def give_back(self, paths: Collection[str]) -> None:
        """Note that the files at ``paths`` have gone back."""
        self.returned += [item for item in self.moved if item.file.path in paths]
        self.moved = [item for item in self.moved if item.file.path not in paths]

    def receipt(self, freed: int = 0, trashed: int = 0, *, cancelled: bool = False) -> Receipt:
        """What has really happened."""
        return Receipt(
            plan=self.plan,
            id=self.id,
            done=not (cancelled or self.errors or self.returned),
            freed=freed,
            trashed=trashed,
            removed=tuple(item.target or item.file.path for item in self.moved),
            returned=tuple(item.file.path for item in self.returned),
            errors=tuple(self.errors),
            cancelled=cancelled,
            notes=tuple(self.notes),
        )

    def undone(self, stuck: Iterable[FileError] = (), *, cancelled: bool = False) -> Receipt:
        """What has happened when all of it was undone, but for what is ``stuck``."""
        self.moved, self.returned, self.errors, self._steps = [], [], list(stuck), 0
        return self.receipt(cancelled=cancelled)
