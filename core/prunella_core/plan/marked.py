"""What moving the marked to the trash would do, kept up to date mark by mark: the figures of the plan, sooner.

Planning a hundred thousand files takes longer than a key press may.
"""

from collections import Counter
from collections.abc import Iterator

from prunella_core.fs.sizes import allocated
from prunella_core.inventory.records import Inventory, State
from prunella_core.plan.policy import Policy
from prunella_core.space.cells import Holder
from prunella_core.space.space import space_of

_NONE: frozenset[str] = frozenset()


class Marked:
    """A Selection and a Policy at ``now`` (seconds, UTC), followed by the status line. Sizes are bytes."""

    def __init__(self, inventory: Inventory, now: float) -> None:
        self.inventory = inventory
        self.implied: frozenset[str] = _NONE
        """The models that marked blobs delete with them."""
        self._space = space_of(inventory)
        self._selection = self._space.selection()
        self._policy = Policy(inventory, now)
        self._marks = _NONE, _NONE, _NONE
        self._wanted: set[Holder] = set()
        self._held: set[str] = set()
        self._users: Counter[tuple[str, ...]] = Counter()
        """How many marked rows the same models need."""

    @property
    def frees(self) -> int:
        """What leaves the disk once the trash is emptied."""
        return self._selection.frees

    @property
    def keeps(self) -> int:
        """What the marked have that stays."""
        kept = list(self._selection.kept())
        return sum(cell.plain for cell in kept) + allocated(file for cell in kept for file in cell.linked)

    @property
    def held_back(self) -> int:
        """How many of the marked rows stay for now."""
        return len(self._held)

    def users_of_kept(self) -> list[str]:
        """The models for which something of the marked stays, those first that need the largest."""
        cells = sorted(self._selection.kept(), key=lambda cell: -cell.allocated)
        names = dict.fromkeys(name for cell in cells for name in cell.models)
        return [name for name in names if Holder("model", name) not in self._selection.gone]

    def leaves(self, key: str) -> bool:
        """Whether the row under ``key`` is deleted, marked or with its models."""
        cell = self._space.cell_of.get(key)
        return cell is not None and self._selection.leaves(cell)

    def mark(self, models: frozenset[str], blobs: frozenset[str], manifests: frozenset[str]) -> None:
        """Mark exactly these: models by name, rows by key, damaged manifests by path."""
        if (models, blobs, manifests) == self._marks:
            return
        known, self._marks = self._marks[1], (models, blobs, manifests)
        self._mark_rows(blobs - known, known - blobs)
        models |= self.implied
        wanted = {Holder("model", name) for name in models} | {Holder("manifest", path) for path in manifests}
        self._selection.remove(*(self._wanted - wanted))
        self._selection.add(*(wanted - self._wanted))
        self._wanted = wanted
        if self.inventory.blocking:
            paths = {self.inventory.model_by_name[name].manifest.path for name in models} | manifests
            self._selection.block(bool(self._policy.blocking(paths)))

    def _mark_rows(self, new: frozenset[str], old: frozenset[str]) -> None:
        find, users = self.inventory.blob_by_key.__getitem__, self._users
        before = set(users)
        self._selection.remove(*(Holder("blob", key) for key in old))
        self._held -= old
        self._selection.add(*self._going(new))
        users.update(names for key in new if (names := find(key).models))
        users.subtract(names for key in old if (names := find(key).models))
        self._users = +users
        if self._users.keys() != before:
            self.implied = frozenset().union(*self._users)

    def _going(self, keys: frozenset[str]) -> Iterator[Holder]:
        for key in keys:
            blob = self.inventory.blob_by_key[key]
            if blob.state not in (State.REFERENCED, State.MISSING) and self._policy.row(blob):
                self._held.add(key)
            else:
                yield Holder("blob", key)
