"""What moving the marked to the trash would do, kept up to date mark by mark: the figures of the plan, sooner.

Planning a hundred thousand files takes longer than a key press may.
"""

from prunella_core.inventory.records import Inventory
from prunella_core.plan.policy import Policy
from prunella_core.space.cells import Cell, Holder, taken_by
from prunella_core.space.space import space_of

_NONE: frozenset[str] = frozenset()


class Marked:
    """A Selection and a Policy at ``now`` (seconds, UTC), followed by the status line. Sizes are bytes."""

    def __init__(self, inventory: Inventory, now: float) -> None:
        self.implied = _NONE
        """The models that marked blobs delete with them."""
        self._space = space_of(inventory)
        self._selection = self._space.selection()
        self._policy = Policy(inventory, now)
        self._held = frozenset(blob.key for blob in inventory.others if self._policy.row(blob))
        self._rows = {key: holder for key, holder in self._space.rows.items() if key not in self._held}
        self._models = {holder.key: holder for holder in self._space.of if holder.kind == "model"}
        self._inventory = inventory
        self._blobs = _NONE
        self._named: set[Holder] = set()
        self._kept: list[Cell] = []

    @property
    def frees(self) -> int:
        """What leaves the disk once the trash is emptied."""
        return self._selection.frees

    @property
    def keeps(self) -> int:
        """What the marked have that stays."""
        return taken_by(self._kept)

    @property
    def held_back(self) -> int:
        """How many of the marked rows stay for now."""
        return len(self._held & self._blobs)

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
            self._selection, self.implied = self._space.selection(), _NONE
            self._blobs, self._named = _NONE, set()
        new, old = blobs - self._blobs, self._blobs - blobs
        if new or old:
            self.implied = self._needing(blobs) if old else self.implied | self._needing(new)
        named = {self._models[name] for name in models | self.implied}
        named |= {Holder("manifest", path) for path in manifests}
        self._selection.remove(*self._rows_of(old), *(self._named - named))
        self._selection.add(*self._rows_of(new), *(named - self._named))
        self._selection.block(bool(self._policy.blocking(named)))
        self._blobs, self._named, self._kept = blobs, named, self._selection.kept()

    def _rows_of(self, keys: frozenset[str]) -> list[Holder]:
        return [holder for key, holder in self._rows.items() if key in keys]

    def _needing(self, keys: frozenset[str]) -> frozenset[str]:
        """The models that need these rows. Tens of thousands are found by their cells, which are fewer."""
        cells = self._space.cells
        if len(keys) < len(cells):
            return _NONE.union(*(self._inventory.blob_by_key[key].models for key in keys))
        users = [cell.models for cell in cells if cell.models and any(blob.key in keys for blob in cell.blobs)]
        missing = [blob.models for blob in self._inventory.others if blob.models and blob.key in keys]
        return _NONE.union(*users, *missing)
