"""What would go, what would stay and why: frozen, complete, and the only thing that ``apply`` executes."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from prunella_core.fs.files import File, reclaimed_each
from prunella_core.inventory.origin import Origin
from prunella_core.inventory.records import WEIGHTS, Clock, Problem
from prunella_core.ollama.names import Area, place_of
from prunella_core.store import Store

Mode = Literal["trash", "delete", "restore", "server"]
"""Where files go: to the trash, off the disk, back to their places, or off the disk by Ollama's own delete."""

_TREES = (Area.MANIFESTS, Area.MANIFESTS_V2)


class PruneClass(StrEnum):
    """A class of things that ``prune`` deletes."""

    UNREFERENCED = "unreferenced"
    PARTIAL = "partial"
    LEFTOVER = "leftover"
    TRASH = "trash"
    MODEL = "model"


class Removal(Struct, frozen=True, kw_only=True):
    """Remove exactly these: models by short name, blobs by key, damaged manifests by their path in the store."""

    models: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    """Removals in the trash that are emptied along; what goes to the trash leaves it as it is."""
    force: bool = False
    to_trash: bool = True
    """Whether it can be restored until the retention is over, or the space is freed at once."""
    by_server: bool = False
    """Whether the server deletes the models: at once, and without a trash."""
    loaded: frozenset[str] | None = frozenset()
    """Models that the server has loaded, whose space is freed when it unloads them; ``None`` if it does not say."""
    proposed: bool = False
    moved_to: str = ""
    """The other store that the models are copied to before."""


class PrunePolicy(Struct, frozen=True, kw_only=True):
    """Remove what is at least ``age`` seconds old and of one of ``classes``."""

    age: int
    classes: frozenset[PruneClass]
    force: bool = False
    loaded: frozenset[str] | None = frozenset()
    """Models that the server has loaded: they are never taken; ``None`` if it does not say."""


class Empty(Struct, frozen=True, kw_only=True):
    """Remove these entries of the trash for good; ``None`` means all."""

    entries: tuple[str, ...] | None = None
    force: bool = False
    expired: bool = False
    """Whether their time is over, or the guard's room: then no person asked for it."""


class Restore(Struct, frozen=True, kw_only=True):
    """Bring back one entry of the trash, or one ``model`` of it, if wished ``under`` another name."""

    entry: str
    model: str | None = None
    under: str | None = None
    force: bool = False


class Repair(Struct, frozen=True, kw_only=True):
    """Keep ``model`` as it is in the trash, and take its damaged blobs out of the store: a pull brings them again."""

    model: str
    force: bool = False


Request = Removal | PrunePolicy | Empty | Restore | Repair


class PlannedFile(Struct, frozen=True, kw_only=True):
    """A file that goes, what leaves the disk with it (bytes), and since when nothing has needed it (by ``clock``)."""

    file: File
    reclaims: int = 0
    digest: str | None = None
    reason: str
    models: tuple[str, ...] = ()
    target: str | None = None
    """Where it goes in the store, when it is restored."""
    idle_since: float | None = None
    clock: Clock | None = None

    @property
    def identity(self) -> tuple[object, ...]:
        """What differs where another plan does something else with the same path."""
        return (*self.file.identity, self.file.links, self.target)


def with_reclaims(files: Iterable[PlannedFile]) -> tuple[PlannedFile, ...]:
    """Say of each file what leaves the disk with it when exactly these go."""
    items = list(files)
    sizes = reclaimed_each(item.file for item in items)
    return tuple(replace(item, reclaims=n) if n else item for item, n in zip(items, sizes, strict=True))


class Kept(Struct, frozen=True, kw_only=True):
    """A blob of something that goes which stays, and for whom."""

    digest: str
    allocated: int
    used_by: tuple[str, ...]
    reason: str


class HeldBack(Struct, frozen=True, kw_only=True):
    """A row that matches but stays for now."""

    path: str
    allocated: int
    reason: str
    idle_since: float | None = None
    clock: Clock | None = None


class Lost(Struct, frozen=True, kw_only=True):
    """A deleted model with layers that cannot be recovered after the trash is emptied, by digest; each kind once.

    What a model that stays has too is not lost.
    """

    model: str
    origin: Origin
    layers: tuple[str, ...]
    kinds: tuple[str, ...]

    @property
    def is_weights(self) -> bool:
        """Whether its weights are lost: then nothing of use can come back."""
        return not WEIGHTS.isdisjoint(self.kinds)


class Plan(Struct, frozen=True, kw_only=True):
    """Everything a removal would do, in the order in which it is done: manifests before blobs."""

    store: Store
    request: Request
    made_at: float
    mode: Mode
    models: tuple[str, ...]
    files: tuple[PlannedFile, ...]
    kept: tuple[Kept, ...] = ()
    held_back: tuple[HeldBack, ...] = ()
    overridden: tuple[HeldBack, ...] = ()
    """What ``--force`` takes although it would be held back."""
    younger: tuple[HeldBack, ...] = ()
    blocked: tuple[Problem, ...]
    """Problems that keep something in the store which would go without them."""
    reclaims: int
    """Bytes that leave the disk: at once, or when the trash is emptied. A restored set takes them again."""
    loaded: tuple[str, ...] = ()
    """Models that go although the server has them loaded."""
    lost: tuple[Lost, ...] = ()
    """Models that go and cannot come back as they are; those without their weights first."""
    missing: tuple[str, ...] = ()
    """Digests that a restored model needs and that are nowhere any more, or that a repair has to pull."""

    @property
    def manifests(self) -> tuple[PlannedFile, ...]:
        """The manifests of the store that go."""
        return tuple(item for item in self.files if place_of(item.file.path).area in _TREES)

    @property
    def blobs(self) -> tuple[PlannedFile, ...]:
        """The other files of the store that go: blobs and their sidecars, downloads, leftovers."""
        return tuple(item for item in self.files if place_of(item.file.path).area not in (*_TREES, Area.TRASH))

    @property
    def trashed(self) -> tuple[PlannedFile, ...]:
        """The files of the trash that go, or go back."""
        return tuple(item for item in self.files if place_of(item.file.path).area is Area.TRASH)


class FileError(Struct, frozen=True, kw_only=True):
    """A file that could not be dealt with."""

    path: str
    message: str


class Receipt(Struct, frozen=True, kw_only=True):
    """What really happened. ``freed`` is measured at each file as it goes, in bytes."""

    plan: Plan
    id: str
    done: bool
    freed: int
    removed: tuple[str, ...]
    trashed: int = 0
    """Bytes that lie in the trash now and can come back."""
    returned: tuple[str, ...] = ()
    """Files that went back because a manifest that came meanwhile needs them."""
    errors: tuple[FileError, ...] = ()
    cancelled: bool = False
    notes: tuple[str, ...] = ()
    """Sentences on what else did not go as it should."""
    expired: "Receipt | None" = None
    """What was deleted afterwards because its time in the trash was over."""


class RepairPlan(Struct, frozen=True, kw_only=True):
    """Which models are repaired, each by a plan of its own; ``along`` are those that share all of their damage."""

    store: Store
    plans: tuple[Plan, ...]
    along: tuple[str, ...] = ()
    refused: dict[str, str] = {}
    """Damaged models that no pull repairs, and why."""
    size: int
    """Bytes to download, if no newer version comes."""


class Repaired(Struct, frozen=True, kw_only=True):
    """What became of one model."""

    model: str
    is_whole: bool
    is_newer: bool = False
    entry: str = ""
    """The trash entry with what was there before; empty where the store has all of it."""
    why_not: str = ""


class RepairReceipt(Struct, frozen=True, kw_only=True):
    """What really happened."""

    plan: RepairPlan
    repaired: tuple[Repaired, ...]
    cancelled: bool = False
    notes: tuple[str, ...] = ()
    expired: Receipt | None = None

    @property
    def done(self) -> bool:
        """Whether every damaged model is whole now."""
        whole = all(each.is_whole for each in self.repaired)
        return whole and not (self.cancelled or self.plan.refused)
