"""The areas of a map of the store: every byte on the disk in exactly one of them, as in ``totals``."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from msgspec import Struct

from prunella_core.fs.sizes import File
from prunella_core.inventory.records import Blob, Inventory, State
from prunella_core.space.families import Family, families


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
    """A piece of the map, and what it stands for: model names, rows of ``blobs/`` by key, removals by ID."""

    kind: AreaKind
    allocated: int
    """Bytes on the disk; a file with several links counts once."""
    models: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    parts: tuple["Area", ...] = ()
    """What it consists of, where that can be looked at more closely; their bytes add up to its own."""


_OF_STATE = {
    State.UNREFERENCED: AreaKind.UNREFERENCED,
    State.PARTIAL: AreaKind.PARTIAL,
    State.LEFTOVER: AreaKind.LEFTOVER,
    State.STRAY: AreaKind.STRAY,
}


def areas(inventory: Inventory) -> tuple[Area, ...]:
    """Return the map: families of models, the largest first, then what no model needs. None is empty."""
    known = families(inventory)
    sharing, own = _needed(inventory)
    claims = _Claims()  # in the order of ``totals``: a file with several links belongs to the first that claims it
    shared = {users: claims.take(blobs, users) for users, blobs in sharing.items()}
    alone = {name: claims.take(blobs, (name,), [_manifest(inventory, name)]) for name, blobs in own.items()}
    whole = [*_families(known, shared, alone), *_common(known, shared), *_broken(inventory, claims)]
    return tuple(area for area in (*whole, *_unneeded(inventory, claims), *_trash(inventory, claims)) if area.allocated)


class _Claims:
    """Files that are counted already."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, int]] = set()

    def count(self, files: Iterable[File]) -> int:
        """Bytes of the files that nobody has claimed before."""
        return sum(file.allocated for file in files if self._is_new(file))

    def _is_new(self, file: File) -> bool:
        identity = file.device, file.inode
        if file.links > 1 and identity in self._seen:
            return False
        self._seen.add(identity)
        return True

    def take(self, blobs: list[Blob], users: tuple[str, ...], more: Iterable[File] = ()) -> Area:
        """What these models need together, or the one alone."""
        kind = AreaKind.MODEL if len(users) == 1 else AreaKind.SHARED
        size = self.count([*more, *(file for blob in blobs for file in blob.files)])
        return Area(kind=kind, allocated=size, models=users, blobs=tuple(blob.key for blob in blobs))


def _needed(inventory: Inventory) -> tuple[dict[tuple[str, ...], list[Blob]], dict[str, list[Blob]]]:
    """The rows that models need: by all their users where there are several, else by the one."""
    sharing: dict[tuple[str, ...], list[Blob]] = {}
    own: dict[str, list[Blob]] = {model.name: [] for model in inventory.models}
    for blob in inventory.blobs:
        if blob.state is State.REFERENCED:
            if len(blob.models) > 1:
                sharing.setdefault(blob.models, []).append(blob)
            else:
                own[blob.models[0]].append(blob)
    return sharing, own


def _manifest(inventory: Inventory, name: str) -> File:
    return inventory.model_by_name[name].manifest


def _families(known: Iterable[Family], shared: dict[tuple[str, ...], Area], alone: dict[str, Area]) -> Iterator[Area]:
    by_first: dict[str, list[Area]] = {}
    for users, area in shared.items():
        by_first.setdefault(users[0], []).append(area)
    for family in known:
        members = set(family.models)
        parts = [area for name in family.models for area in by_first.get(name, ()) if members.issuperset(area.models)]
        parts += [alone[name] for name in family.models]
        yield parts[0] if len(family.models) == 1 else _together(AreaKind.FAMILY, parts, family.models)


def _together(kind: AreaKind, parts: Iterable[Area], models: tuple[str, ...] = ()) -> Area:
    present = tuple(sorted((part for part in parts if part.allocated), key=lambda part: -part.allocated))
    return Area(
        kind=kind,
        allocated=sum(part.allocated for part in present),
        models=models,
        blobs=tuple(key for part in present for key in part.blobs),
        entries=tuple(entry for part in present for entry in part.entries),
        parts=present,
    )


def _common(known: Iterable[Family], shared: dict[tuple[str, ...], Area]) -> Iterator[Area]:
    family_of = {name: number for number, family in enumerate(known) for name in family.models}
    parts = [area for users, area in shared.items() if len({family_of[name] for name in users}) > 1]
    yield _together(AreaKind.COMMON, parts)


def _broken(inventory: Inventory, claims: _Claims) -> Iterator[Area]:
    files = [problem.file for problem in inventory.broken_by_path.values() if problem.file]
    yield Area(kind=AreaKind.BROKEN, allocated=claims.count(files))


def _unneeded(inventory: Inventory, claims: _Claims) -> Iterator[Area]:
    for state, kind in _OF_STATE.items():
        rows = [blob for blob in inventory.others if blob.state is state]
        parts = [Area(kind=kind, allocated=claims.count(blob.files), blobs=(blob.key,)) for blob in rows]
        yield _together(kind, parts)


def _trash(inventory: Inventory, claims: _Claims) -> Iterator[Area]:
    parts = [
        Area(kind=AreaKind.TRASH, allocated=claims.count(entry.files), entries=(entry.id,)) for entry in inventory.trash
    ]
    yield _together(AreaKind.TRASH, parts)
