"""What changed between two scans of a store, or of two stores."""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from prunella_core.inventory.records import Inventory
from prunella_core.space.space import space_of


class ModelChange(Struct, frozen=True, kw_only=True):
    """A model that is in one scan alone, or not the same in both; what it takes on the disk before and after."""

    name: str
    kind: Literal["came", "went", "changed"]
    before: int
    after: int


def model_changes(old: Inventory, new: Inventory) -> list[ModelChange]:
    """Return the models that came, went or changed, those whose sizes differ most first."""
    return sorted(_changes(old, new), key=lambda change: (-abs(change.after - change.before), change.name))


def _changes(old: Inventory, new: Inventory) -> Iterator[ModelChange]:
    was, now = old.model_by_name, new.model_by_name
    before, after = ({name: used.allocated for name, used in space_of(each).models.items()} for each in (old, new))
    for name in was.keys() - now.keys():
        yield ModelChange(name=name, kind="went", before=before[name], after=0)
    for name in now.keys() - was.keys():
        yield ModelChange(name=name, kind="came", before=0, after=after[name])
    for name in was.keys() & now.keys():
        if was[name].digest != now[name].digest or before[name] != after[name]:
            yield ModelChange(name=name, kind="changed", before=before[name], after=after[name])
