"""The one home of “why not”: why something that was asked for stays in the store."""

from collections.abc import Collection
from functools import cached_property
from typing import NamedTuple

from prunella_core.base.units import SETTLING_SECONDS
from prunella_core.inventory.records import Blob, Clock, Inventory, Model, Problem, State, TrashEntry
from prunella_core.space.cells import Holder

_SIGNS_OF_A_PULL = (State.PARTIAL, State.LEFTOVER, State.UNREFERENCED)
"""A pull or create writes partials or temporary files, renames them to blobs, and ends with the manifest."""
_YOUNGER: dict[Clock | None, str] = {
    "written": "younger than the age: it was written since",
    "seen-referenced": "younger than the age: a model was seen to need it since",
}
BLOCKED = "kept because a problem could hide a model that needs it"


class Reason(NamedTuple):
    """Why something stays, and whether ``--force`` overrides that."""

    text: str
    can_be_forced: bool = False


_JUST_WRITTEN = Reason("written in the last 10 minutes: it may belong to a pull or create that is running", True)
_PULL_RUNNING = Reason("a download was written to in the last 10 minutes: a pull or create may be using it", True)
_HELD_OPEN = Reason("a process has it open: a pull is running", True)
_A_FOLDER = Reason("a folder: check what is in it and delete it yourself")
_IN_TRASH = Reason("already in the trash: empty it there")


class Policy:
    """What may be deleted from a store at ``now`` (seconds, UTC).

    ``loaded`` are the models that the server has loaded, ``None`` when it does not say.
    """

    def __init__(self, inventory: Inventory, now: float, loaded: Collection[str] | None = ()) -> None:
        self.inventory = inventory
        self.now = now
        self.loaded = loaded

    @cached_property
    def pull_is_running(self) -> bool:
        """Whether something was just written, or is held open, that looks like a running pull or create."""
        return any(
            self._is_fresh(blob) or blob.key in self.inventory.held_open
            for blob in self.inventory.others
            if blob.state in _SIGNS_OF_A_PULL
        )

    def _is_fresh(self, blob: Blob) -> bool:
        return (written := blob.written_at) is not None and self.now - written < SETTLING_SECONDS

    def row(self, blob: Blob) -> Reason | None:
        """Why a row of ``blobs/`` stays although it was chosen; what models need is for the other rules."""
        if blob.state in (State.REFERENCED, State.MISSING):
            return None
        if blob.state is State.TRASHED:
            return _IN_TRASH
        if blob.state is State.STRAY:
            is_file = all(file.path == blob.key for file in blob.files) and bool(blob.files)
            return None if is_file else _A_FOLDER
        if near := self.inventory.flipped.get(blob.key):
            return Reason(f"its name is nearly {near[:19]}…, which is missing: see doctor")
        if blob.key in self.inventory.held_open:
            return _HELD_OPEN
        if self._is_fresh(blob):
            return _JUST_WRITTEN
        return _PULL_RUNNING if blob.state is State.UNREFERENCED and self.pull_is_running else None

    def model(self, model: Model) -> Reason | None:
        """Why a model stays that was chosen by its age alone, not by name."""
        if self.inventory.pins_unreadable:
            return Reason(f"{model.name} may be pinned: the pins cannot be read")
        if model.is_pinned:
            return Reason(f"{model.name} is pinned")
        if self.loaded is None:
            return Reason(f"{model.name} may be loaded: the server does not answer", True)
        if model.name in self.loaded:
            return Reason(f"{model.name} is loaded in the server")
        return _PULL_RUNNING if self.pull_is_running else None

    def trash(self) -> Reason | None:
        """Why every entry of the trash stays."""
        if self.inventory.trash_unreadable:
            return Reason("the trash cannot be read as a whole: another entry may need it")
        return None

    def younger(self, row: Blob | Model, age: int) -> Reason | None:
        """Why a row is too recent for ``age`` (seconds); a time in the future counts as now."""
        if max(self.now - (row.idle_since or 0), 0) >= age:
            return None
        return Reason(_YOUNGER.get(row.clock, "younger than the age"))

    def is_due(self, entry: TrashEntry, age: int) -> bool:
        """Whether an entry has been in the trash for ``age`` seconds."""
        return self.now - entry.removed_at >= age

    def blocking(self, gone: Collection[Holder]) -> list[Problem]:
        """The problems that could hide a reference, without those of manifests that are deleted with ``gone``."""
        if not self.inventory.blocking:
            return []
        manifests = {holder.key for holder in gone if holder.kind == "manifest"}
        manifests |= {
            self.inventory.model_by_name[holder.key].manifest.path for holder in gone if holder.kind == "model"
        }
        return [problem for problem in self.inventory.blocking if problem.path not in manifests]
