"""What is marked, what that implies, and the request that it makes."""

from collections.abc import Callable, Collection, Iterable

from msgspec import Struct
from msgspec.structs import replace

from prunella_core.inventory.records import Inventory, State
from prunella_core.plan.records import Removal
from prunella_tui.app.table import Mark

_PRUNABLE = {State.UNREFERENCED, State.PARTIAL, State.LEFTOVER}


class Marks(Struct, frozen=True):
    """The rows that somebody marked: models by name, blobs by key, damaged manifests by path, removals by ID."""

    models: frozenset[str] = frozenset()
    blobs: frozenset[str] = frozenset()
    manifests: frozenset[str] = frozenset()
    trash: frozenset[str] = frozenset()

    @property
    def count(self) -> int:
        """How many rows of the store are marked; those of the trash are a matter of their own."""
        return len(self.models) + len(self.blobs) + len(self.manifests)

    def toggle(self, kind: str, key: str, inventory: Inventory) -> "Marks":
        """Mark or unmark one row. Unmarking a model also unmarks the blobs that imply it."""
        if kind == "models":
            return self._toggle_model(key, inventory)
        return replace(self, **{kind: getattr(self, kind) ^ {key}})

    def _toggle_model(self, name: str, inventory: Inventory) -> "Marks":
        if name in self.models | self.implied_models(inventory):
            implying = {key for key in self.blobs if name in inventory.blob_by_key[key].models}
            return replace(self, models=self.models - {name}, blobs=self.blobs - implying)
        return replace(self, models=self.models | {name})

    def add(self, kind: str, keys: Iterable[str]) -> "Marks":
        """Mark many rows of one kind."""
        return replace(self, **{kind: getattr(self, kind) | frozenset(keys)})

    def implied_models(self, inventory: Inventory) -> frozenset[str]:
        """The models that a marked blob takes with it: without it they could not run."""
        users = {id(models): models for models in (inventory.blob_by_key[key].models for key in self.blobs)}
        return frozenset().union(*users.values()) - self.models

    def surviving(self, before: Inventory | None, inventory: Inventory) -> "Marks":
        """The marks that still mean the same in a newer inventory.

        A blob that was marked because nothing needs it is not what was marked once a model needs it: it would take that
        model along.
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

    def request(
        self, inventory: Inventory, *, to_trash: bool = True, force: bool = False, loaded: frozenset[str] = frozenset()
    ) -> Removal:
        """What removing the marked means."""
        return Removal(
            models=tuple(sorted(self.models | self.implied_models(inventory))),
            blobs=tuple(sorted(self.blobs)),
            manifests=tuple(sorted(self.manifests)),
            force=force,
            to_trash=to_trash,
            loaded=loaded,
        )


def _models_of(inventory: Inventory, key: str) -> frozenset[str]:
    blob = inventory.blob_by_key.get(key)
    return frozenset(blob.models) if blob else frozenset()


def prunable_keys(inventory: Inventory) -> list[str]:
    """The rows that nothing needs: unreferenced blobs, partial downloads, leftovers."""
    return [blob.key for blob in inventory.blobs if blob.state in _PRUNABLE]


def mark_of(key: str, marked: Collection[str], goes_along: Callable[[str], bool]) -> Mark:
    """How a row is drawn."""
    if key in marked:
        return "marked"
    return "implied" if goes_along(key) else ""
