"""The one home of “why not”: why something that was asked for stays in the store, and the same for what is marked."""

from collections.abc import Collection
from functools import cached_property
from typing import NamedTuple

from prunella_core.base.text import SETTLING_SECONDS
from prunella_core.inventory.problems import flipped_in
from prunella_core.inventory.records import Blob, Clock, Inventory, Model, Problem, State
from prunella_core.space import Cell, Holder, space_of, taken_by

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
        signs = (blob for blob in self.inventory.others if blob.state in _SIGNS_OF_A_PULL)
        return any(self._is_fresh(blob) or blob.key in self.inventory.held_open for blob in signs)

    def _is_fresh(self, blob: Blob) -> bool:
        return (written := blob.written_at) is not None and self.now - written < SETTLING_SECONDS

    def row(self, blob: Blob) -> Reason | None:
        """Why a row of ``blobs/`` stays although it was chosen; what models need is for the other rules."""
        if blob.state in (State.REFERENCED, State.MISSING):
            return None
        if blob.state is State.TRASHED:
            return Reason("already in the trash: empty it there")
        if blob.state is State.STRAY:
            is_file = all(file.path == blob.key for file in blob.files) and bool(blob.files)
            return None if is_file else Reason("a folder: check what is in it and delete it yourself")
        if near := flipped_in(self.inventory).get(blob.key):
            return Reason(f"its name is nearly {near[:19]}…, which is missing: see doctor")
        if blob.key in self.inventory.held_open:
            return _HELD_OPEN
        if self._is_fresh(blob):
            return _JUST_WRITTEN
        return _PULL_RUNNING if blob.state is State.UNREFERENCED and self.pull_is_running else None

    def model(self, model: Model) -> Reason | None:
        """Why a model stays that was chosen by its age alone, not by name."""
        if self.inventory.has_problem("pins-unreadable"):
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
        if self.inventory.has_problem("trash-unreadable"):
            return Reason("the trash cannot be read as a whole: another entry may need it")
        return None

    def younger(self, row: Blob | Model, age: int) -> Reason | None:
        """Why a row is too recent for ``age`` (seconds); a time in the future counts as now."""
        if max(self.now - (row.idle_since or 0), 0) >= age:
            return None
        return Reason(_YOUNGER.get(row.idle[1], "younger than the age"))

    def blocking(self, gone: Collection[Holder]) -> list[Problem]:
        """The problems that could hide a reference, without those of manifests that are deleted with ``gone``."""
        if not self.inventory.blocking:
            return []
        models = self.inventory.model_by_name
        manifests = {holder.key for holder in gone if holder.kind == "manifest"}
        manifests |= {models[holder.key].manifest.path for holder in gone if holder.kind == "model"}
        return [problem for problem in self.inventory.blocking if problem.path not in manifests]


class Marked:
    """A Selection and a Policy at ``now`` (seconds, UTC) for the status line: the figures of the plan, mark by mark.

    Planning a hundred thousand files takes longer than a key press may. Sizes are bytes.
    """

    def __init__(self, inventory: Inventory, now: float) -> None:
        self.implied = frozenset[str]()
        """The models that marked blobs delete with them."""
        self.frees = self.keeps = self.held_back = 0
        """What leaves the disk once the trash is emptied; what of it stays; how many of the rows stay for now."""
        self._space = space_of(inventory)
        self._selection = self._space.selection()
        self._policy = Policy(inventory, now)
        self._held = frozenset(blob.key for blob in inventory.others if self._policy.row(blob))
        self._rows = {key: holder for key, holder in self._space.rows.items() if key not in self._held}
        self._models = {holder.key: holder for holder in self._space.of if holder.kind == "model"}
        self._blobs = frozenset[str]()
        self._named: set[Holder] = set()
        self._kept: list[Cell] = []

    def users_of_kept(self) -> list[str]:
        """The models for which something of the marked stays, those first that need the largest."""
        cells = sorted(self._kept, key=lambda cell: -cell.allocated)
        names = dict.fromkeys(name for cell in cells for name in cell.models)
        return [name for name in names if Holder("model", name) not in self._selection.gone]

    def leaves(self, key: str) -> bool:
        """Whether the row under ``key`` is deleted, marked or with its models."""
        cell = self._space.cell_of.get(key)
        return cell is not None and self._selection.leaves(cell)

    def mark(self, models: frozenset[str], blobs: frozenset[str], manifests: frozenset[str]) -> None:
        """Mark exactly these: models by name, rows by key, damaged manifests by path."""
        if not (models or blobs or manifests):
            self._selection, self.implied = self._space.selection(), frozenset()
            self._blobs, self._named = frozenset(), set()
        new, old = blobs - self._blobs, self._blobs - blobs
        if new or old:
            self.implied = self._needing(blobs) if old else self.implied | self._needing(new)
        named = {self._models[name] for name in models | self.implied}
        named |= {Holder("manifest", path) for path in manifests}
        self._selection.remove(*self._rows_of(old), *(self._named - named))
        self._selection.add(*self._rows_of(new), *(named - self._named))
        self._selection.block(bool(self._policy.blocking(named)))
        self._blobs, self._named, self._kept = blobs, named, self._selection.kept()
        self.frees, self.keeps, self.held_back = self._selection.frees, taken_by(self._kept), len(self._held & blobs)

    def _rows_of(self, keys: frozenset[str]) -> list[Holder]:
        return [holder for key, holder in self._rows.items() if key in keys]

    def _needing(self, keys: frozenset[str]) -> frozenset[str]:
        """The models that need these rows. Tens of thousands are found by their cells, which are fewer."""
        inventory, cells = self._policy.inventory, self._space.cells
        if len(keys) < len(cells):
            return frozenset[str]().union(*(inventory.blob_by_key[key].models for key in keys))
        users = [cell.models for cell in cells if cell.models and any(blob.key in keys for blob in cell.blobs)]
        missing = [blob.models for blob in inventory.others if blob.models and blob.key in keys]
        return frozenset[str]().union(*users, *missing)
