"""The areas of a map of the store: every byte on the disk in exactly one of them, as in ``totals``."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from msgspec import Struct

from prunella_core.inventory.records import Inventory
from prunella_core.space.cells import Cell
from prunella_core.space.families import families
from prunella_core.space.space import Space, space_of


class AreaKind(StrEnum):
    """What an area of the map is."""

    FAMILY = "family"
    MODEL = "model"
    """What one model alone needs."""
    SHARED = "shared"
    """What several models of a family need."""
    COMMON = "common"
    """Small blobs, such as licences, that models of several families need."""
    BROKEN = "broken"
    """Manifests that cannot be read."""
    UNREFERENCED = "unreferenced"
    PARTIAL = "partial"
    LEFTOVER = "leftover"
    STRAY = "stray"
    TRASH = "trash"


class Area(Struct, frozen=True, kw_only=True):
    """A piece of the map, and what it stands for: models by name, rows of ``blobs/`` by key, the trash by ID."""

    kind: AreaKind
    allocated: int
    """Bytes on the disk; a file with several links counts once."""
    models: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    parts: tuple["Area", ...] = ()
    """What it consists of, where that can be looked at more closely; their bytes add up to its own."""


def areas(inventory: Inventory) -> tuple[Area, ...]:
    """Return the map: families of models, the largest first, then what no model needs. None is empty."""
    space = space_of(inventory)
    known = families(space)
    family_of = {name: number for number, family in enumerate(known) for name in family}
    of_family: list[list[Area]] = [[] for _family in known]
    rest: dict[AreaKind, list[Area]] = {kind: [] for kind in _UNNEEDED}
    for part in _parts(space):
        homes = {family_of[name] for name in part.models}
        (of_family[homes.pop()] if len(homes) == 1 else rest[AreaKind.COMMON if homes else part.kind]).append(part)
    found = [
        parts[0] if len(family) == 1 else _together(AreaKind.FAMILY, parts, family)
        for family, parts in zip(known, of_family, strict=True)
    ]
    found.sort(key=lambda area: (-area.allocated, area.models))
    found += [_together(kind, parts) for kind, parts in rest.items()]
    return tuple(area for area in found if area.allocated)


_UNNEEDED = tuple(kind for kind in AreaKind if kind not in (AreaKind.FAMILY, AreaKind.MODEL, AreaKind.SHARED))


def _parts(space: Space) -> Iterator[Area]:
    """The smallest areas: what one model alone needs, what the same models share, one row, one entry of the trash."""
    cells: dict[tuple[AreaKind, tuple[str, ...]], list[Cell]] = {}
    for cell in space.cells:
        cells.setdefault(_part_of(cell), []).append(cell)
    for part, allocated in space.partition(_part_of).items():
        kind, names = part
        yield Area(
            kind=kind,
            allocated=allocated,
            models=names if kind in (AreaKind.MODEL, AreaKind.SHARED) else (),
            blobs=tuple(blob.key for cell in cells[part] for blob in cell.blobs),
            entries=names if kind is AreaKind.TRASH else (),
        )


def _part_of(cell: Cell) -> tuple[AreaKind, tuple[str, ...]]:
    if cell.models and cell.kind in ("manifest", "referenced"):
        return AreaKind.SHARED if cell.is_shared else AreaKind.MODEL, cell.models
    if cell.kind == "broken":
        return AreaKind.BROKEN, ()
    if cell.kind == "trashed":
        return AreaKind.TRASH, (cell.files[0].path.split("/")[2],)
    return AreaKind(cell.kind), tuple(blob.key for blob in cell.blobs)


def _together(kind: AreaKind, parts: Iterable[Area], models: tuple[str, ...] = ()) -> Area:
    present = tuple(sorted((part for part in parts if part.allocated), key=lambda part: -part.allocated))
    return Area(
        kind=kind,
        allocated=sum(part.allocated for part in present),
        models=models,
        blobs=tuple(key for part in present for key in part.blobs),
        entries=tuple(entry for part in present for entry in part.entries),
        parts=() if kind is AreaKind.BROKEN else present,
    )
