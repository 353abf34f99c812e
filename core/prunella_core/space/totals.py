"""Where a whole store's bytes are, every file counted once: as sums, changes, families and areas of a map."""

from enum import StrEnum
from typing import Literal

from msgspec import Struct

from prunella_core.inventory.records import Blob, Inventory
from prunella_core.space import Cell, Holder, Space, space_of, taken_by


class Totals(Struct, frozen=True, kw_only=True):
    """Bytes on the disk by what they are, and what the list of models says instead."""

    models: int
    listed: int
    """The sum of the sizes in ``ollama list``, which counts a shared blob once for every model."""
    exclusive: int = 0
    """Blobs that one model needs, and the manifests."""
    shared: int = 0
    """Blobs that several models need."""
    unreferenced: int = 0
    partial: int = 0
    leftover: int = 0
    stray: int = 0
    trashed: int = 0
    disk_total: int
    disk_free: int

    @property
    def allocated(self) -> int:
        return self.referenced + self.unreferenced + self.partial + self.leftover + self.stray + self.trashed

    @property
    def referenced(self) -> int:
        return self.exclusive + self.shared

    @property
    def counted_twice(self) -> int:
        """What the list of models counts more than once, or counts although it is not on the disk."""
        return self.listed - self.referenced


SHARES = ("exclusive", "shared", "unreferenced", "partial", "leftover", "stray", "trashed")
"""What the whole consists of."""
_OF_MODELS = dict.fromkeys(("referenced", "manifest", "broken"), "exclusive")


def totals(inventory: Inventory) -> Totals:
    """Add up a store. A file with several links counts once, for the most useful of its names."""
    return Totals(
        models=len(inventory.models),
        listed=sum(model.size for model in inventory.models),
        disk_total=inventory.disk_total,
        disk_free=inventory.disk_free,
        **space_of(inventory).partition(
            lambda cell: "shared" if cell.is_shared else _OF_MODELS.get(cell.kind, cell.kind)
        ),
    )


def growth(old: Totals, new: Totals) -> dict[str, int]:
    """Return what became more (or less) of everything that totals count, and of ``allocated``, the whole."""
    fields = ("models", "listed", "allocated", *SHARES, "disk_free")
    return {field: getattr(new, field) - getattr(old, field) for field in fields}


Change = Literal["came", "went", "changed"]


class ModelChange(Struct, frozen=True, kw_only=True):
    """A model that is in one scan alone, or not the same in both; what it takes on the disk before and after."""

    name: str
    kind: Change
    before: int
    after: int


def model_changes(old: Inventory, new: Inventory) -> list[ModelChange]:
    """Return the models that came, went or changed, the largest difference first."""
    before, after = ({name: used.allocated for name, used in space_of(each).models.items()} for each in (old, new))
    changes = []
    for name in before.keys() | after.keys():
        was, now = old.model_by_name.get(name), new.model_by_name.get(name)
        sizes = before.get(name, 0), after.get(name, 0)
        if not was or not now or was.digest != now.digest or sizes[0] != sizes[1]:
            kind: Change = "came" if not was else "went" if not now else "changed"
            changes.append(ModelChange(name=name, kind=kind, before=sizes[0], after=sizes[1]))
    return sorted(changes, key=lambda change: (-abs(change.after - change.before), change.name))


class AreaKind(StrEnum):
    """What an area of the map is, in the order of the map."""

    FAMILY = "family"
    MODEL = "model"
    SHARED = "shared"
    """What several models of a family need."""
    COMMON = "common"
    """Small blobs, such as licences, that models of several families need."""
    BROKEN = "broken"
    UNREFERENCED = "unreferenced"
    PARTIAL = "partial"
    LEFTOVER = "leftover"
    STRAY = "stray"
    TRASH = "trash"


_Part = tuple[AreaKind, tuple[str, ...]]


class Area(Struct, frozen=True, kw_only=True):
    """A piece of the map, and what it stands for: models by name, rows of ``blobs/`` by key, the trash by ID."""

    kind: AreaKind
    allocated: int
    """Bytes on the disk; a file with several links counts once."""
    models: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    parts: tuple["Area", ...] = ()
    """What it consists of, where there is more to see; their bytes add up to its own."""


def areas(inventory: Inventory) -> tuple[Area, ...]:
    """Return the map: families of models, the largest first, then what no model needs. None is empty."""
    space = space_of(inventory)
    family_of = {name: family for family in families(space) for name in family}
    blobs: dict[_Part, list[str]] = {}
    for cell in space.cells:
        blobs.setdefault(_part_of(cell), []).extend(blob.key for blob in cell.blobs)
    groups: dict[_Part, list[Area]] = {}
    for (kind, names), size in space.partition(_part_of).items():
        if size:
            models = names if kind in (AreaKind.MODEL, AreaKind.SHARED) else ()
            entries = names if kind is AreaKind.TRASH else ()
            keys = tuple(blobs[kind, names])
            homes = {family_of[name] for name in models}
            home = homes.pop() if len(homes) == 1 else ()
            group = AreaKind.FAMILY if home else AreaKind.COMMON if homes else kind
            part = Area(kind=kind, allocated=size, models=models, blobs=keys, entries=entries)
            groups.setdefault((group, home), []).append(part)
    found = [_together(kind, family, parts) for (kind, family), parts in groups.items()]
    kinds = list(AreaKind)
    # Families and models alone are in one order, by size.
    return tuple(sorted(found, key=lambda area: (max(kinds.index(area.kind), 1), -area.allocated, area.models)))


def _part_of(cell: Cell) -> _Part:
    if cell.models and cell.kind in ("manifest", "referenced"):
        return AreaKind.SHARED if cell.is_shared else AreaKind.MODEL, cell.models
    if cell.kind == "broken":
        return AreaKind.BROKEN, ()
    if cell.kind == "trashed":
        return AreaKind.TRASH, (cell.files[0].path.split("/")[2],)
    return AreaKind(cell.kind), tuple(blob.key for blob in cell.blobs)


def _together(kind: AreaKind, models: tuple[str, ...], parts: list[Area]) -> Area:
    if len(models) == 1:
        return parts[0]
    parts.sort(key=lambda part: -part.allocated)
    return Area(
        kind=kind,
        allocated=sum(part.allocated for part in parts),
        models=models,
        blobs=tuple(key for part in parts for key in part.blobs),
        entries=tuple(entry for part in parts for entry in part.entries),
        parts=() if kind is AreaKind.BROKEN else tuple(parts),
    )


BOND = 100
"""A shared cell ties a model when it is at least this fraction (a hundredth) of what the model takes.

Otherwise a licence text, which dozens of models have, would make one family of a whole store.
"""


def families(space: Space) -> list[tuple[str, ...]]:
    """Return every model in one family: each shares with some other of it, if not with all; the largest model first."""
    family_of = {name: [name] for name in space.models}
    for cell in space.cells:
        shared = cell.allocated * BOND if cell.is_shared else 0
        tied = [name for name in cell.models if shared >= space.models[name].allocated] if cell.is_shared else []
        for name in tied[1:]:
            small, large = sorted((family_of[tied[0]], family_of[name]), key=len)
            if small is not large:
                large += small
                family_of.update(dict.fromkeys(small, large))
    distinct = {id(family): family for family in family_of.values()}.values()
    return [tuple(sorted(names, key=lambda name: (-space.models[name].allocated, name))) for names in distinct]


class Sharer(Struct, frozen=True, kw_only=True):
    """Another model that needs some of the same blobs."""

    name: str
    blobs: tuple[Blob, ...]
    shared: int
    together: int
    """Bytes that leave the disk when both models go, and no other."""


def sharers(inventory: Inventory, name: str) -> tuple[Sharer, ...]:
    """Return which models share with the model ``name``, the one first that shares most."""
    space = space_of(inventory)
    common: dict[str, list[Cell]] = {}
    for cell in space.of[Holder("model", name)]:
        for other in cell.models:
            common.setdefault(other, []).append(cell)
    del common[name]
    found = (
        Sharer(
            name=other,
            blobs=tuple(blob for cell in cells for blob in cell.blobs),
            shared=taken_by(cells),
            together=space.frees_models([name, other]),
        )
        for other, cells in common.items()
    )
    return tuple(sorted(found, key=lambda sharer: (-sharer.shared, sharer.name)))
