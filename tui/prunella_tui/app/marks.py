"""What is marked, and the removal that it means."""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from prunella_core.inventory.records import Inventory, Problem
from prunella_core.plan.records import Removal


class Marks(Struct, frozen=True):
    """The rows that are marked: models by name, blobs by key, damaged manifests by path, trash entries by ID."""

    models: frozenset[str] = frozenset()
    blobs: frozenset[str] = frozenset()
    manifests: frozenset[str] = frozenset()
    trash: frozenset[str] = frozenset()

    @property
    def count(self) -> int:
        """How many rows of the store are marked, without those of the trash."""
        return len(self.models) + len(self.blobs) + len(self.manifests)

    def toggle(self, kind: str, key: str, inventory: Inventory, implied: frozenset[str]) -> "Marks":
        """Mark or unmark one row. Unmarking a model also unmarks the blobs that imply it."""
        if kind == "models" and (key in self.models or key in implied):
            implying = {blob for blob in self.blobs if key in inventory.blob_by_key[blob].models}
            return replace(self, models=self.models - {key}, blobs=self.blobs - implying)
        return replace(self, **{kind: getattr(self, kind) ^ {key}})

    def add(self, kind: str, keys: Iterable[str]) -> "Marks":
        """Mark many rows of one kind."""
        return replace(self, **{kind: getattr(self, kind).union(keys)})

    def surviving(self, before: Inventory | None, inventory: Inventory) -> "Marks":
        """The marks that still mean the same in a newer inventory.

        A blob that was marked unused, and that a model needs by now, is no longer what was marked.
        """
        if self == Marks():
            return self
        claimed = {key for key in self.blobs if before and _models_of(before, key) != _models_of(inventory, key)}
        return Marks(
            self.models & inventory.model_by_name.keys(),
            (self.blobs & inventory.blob_by_key.keys()) - claimed,
            self.manifests & inventory.broken_by_path.keys(),
            self.trash & {entry.id for entry in inventory.trash},
        )

    def request(self, implied: frozenset[str]) -> Removal:
        """What deleting everything marked means, with the models that need a marked blob: they could not run without.

        What is marked in the trash can only be emptied.
        """
        return Removal(
            models=tuple(sorted(self.models | implied)),
            blobs=tuple(sorted(self.blobs)),
            manifests=tuple(sorted(self.manifests)),
            entries=tuple(sorted(self.trash)),
            to_trash=not self.trash,
        )


def _models_of(inventory: Inventory, key: str) -> frozenset[str]:
    blob = inventory.blob_by_key.get(key)
    return frozenset(blob.models) if blob else frozenset()


def problem_key(problem: Problem) -> str:
    """A problem is known by its file and what is wrong there."""
    return f"{problem.path} {problem.message}"
