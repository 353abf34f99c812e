"""What an inventory consists of: frozen records. Sizes are bytes, times seconds (UTC)."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from itertools import pairwise
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from prunella_core.fs.files import File, allocated
from prunella_core.ollama.manifest import Layer
from prunella_core.ollama.names import Area, place_of


class State(StrEnum):
    """What a row of ``blobs/`` is to the models."""

    REFERENCED = "referenced"
    UNREFERENCED = "unreferenced"
    PARTIAL = "partial"
    LEFTOVER = "leftover"
    STRAY = "stray"
    MISSING = "missing"
    TRASHED = "trashed"


Clock = Literal[
    "written",
    "seen-referenced",
    "removed",
    "manifest-written",
    "weights-read",
    "maybe-read",
    "seen-loaded",
    "loaded-in-log",
    "log-began",
]
"""Where an age comes from: a file's mtime, an earlier run, the trash, a manifest's mtime, an atime (of a sweep), the
server, its log."""

Location = Literal["local", "cloud"]

WEIGHTS = frozenset({"weights", "tensor"})
"""Kinds of layers: every model has at least one of these."""

SWEEP = 120.0
"""Seconds within which something that reads all weights, such as a start of Ollama or a backup, has read several."""


class Problem(Struct, frozen=True, kw_only=True):
    """Something that cannot be read or trusted. ``blocks_prune``: it could hide a reference, so nothing goes."""

    path: str
    kind: str
    message: str
    blocks_prune: bool
    model: str | None = None
    user: str | None = None
    """The user who should own its files."""
    file: File | None = None
    """The file itself, where deleting it fixes the problem."""


class Blob(Struct, frozen=True, gc=False, omit_defaults=True):
    """One digest with all its files, or one file without a digest."""

    key: str
    digest: str | None
    state: State
    kind: str | None
    files: tuple[File, ...]
    models: tuple[str, ...] = ()
    """Every model that needs it, also where a link that the model needs leads here."""
    reaches: tuple[str, ...] = ()
    """Where a file of it is a symbolic link: the keys of the rows that it leads to, over every hop in the store."""
    declared: int | None = None
    seen_referenced_at: float | None = None
    """When an earlier run last saw a manifest need it."""
    last_model: str | None = None
    """The model that earlier runs saw need it, until it did not."""
    removed_at: float | None = None
    """When it came into the trash."""

    @property
    def content(self) -> tuple[File, ...]:
        """Its files, without the sidecars that only describe it."""
        if len(self.files) == 1 or self.key != self.digest:
            return self.files
        return tuple(file for file in self.files if place_of(file.path).area is Area.BLOBS)

    @property
    def size(self) -> int:
        """``st_size`` of the largest file; for a missing blob, what the manifest declares."""
        if len(self.files) == 1:
            return self.files[0].size
        return max((file.size for file in self.content), default=self.declared or 0)

    @property
    def has_hash(self) -> bool:
        """Whether its name is the hash of its bytes: a whole blob, one in the trash, or one that is missing."""
        if self.state is State.TRASHED:
            return place_of(self.files[0].path).whole is not None
        return self.key == self.digest

    @property
    def allocated(self) -> int:
        """Bytes that its distinct files take on the disk."""
        return self.files[0].allocated if len(self.files) == 1 else allocated(self.files)

    @property
    def written_at(self) -> float | None:
        """The newest mtime among its files; ``None`` for a missing blob."""
        if len(self.files) == 1:
            return self.files[0].mtime_ns / 1e9
        return max(file.mtime_ns for file in self.files) / 1e9 if self.files else None

    @property
    def idle(self) -> tuple[float, Clock] | tuple[None, None]:
        """Since when nothing has needed it, as far as that is known, and which clock says so."""
        if self.removed_at is not None:
            return self.removed_at, "removed"
        written, seen = self.written_at, self.seen_referenced_at
        if written is None:
            return None, None
        return (seen, "seen-referenced") if seen and seen > written else (written, "written")

    @property
    def idle_since(self) -> float | None:
        """The time of ``idle``."""
        return self.idle[0]

    @property
    def clock(self) -> Clock | None:
        """The clock of ``idle``."""
        return self.idle[1]


class Details(Struct, frozen=True, kw_only=True, gc=False):
    """What a model's config says of it; ``None`` where it says nothing."""

    family: str | None = None
    parameters: str | None = None
    quantization: str | None = None
    remote_host: str | None = None
    remote_model: str | None = None


class Model(Struct, frozen=True, kw_only=True, gc=False):
    """One name in the store. ``digest`` is the sha256 of its manifest's bytes; its first 12 digits are Ollama's ID."""

    name: str
    manifest: File
    digest: str
    size: int
    layers: tuple[Layer, ...]
    needs: tuple[str, ...]
    details: Details
    looks_created: bool = False
    """Whether its manifest ends in a line end, as ``ollama create`` writes it; what a registry sends has none."""
    weights_read_at: float | None = None
    """The newest atime of its weights, where the mount keeps it."""
    swept_at: float | None = None
    """That atime instead, where something may have read the weights of all models: it may not be a use."""
    seen_loaded_at: float | None = None
    """When a run last found it loaded in the server."""
    loaded_at: float | None = None
    """The last load of its weights in Ollama's log."""
    loads: int = 0
    """How many the log names."""
    log_since: float | None = None
    """Since when the log names every load, where it covers ``swept_at`` too: that was none."""
    is_pinned: bool = False

    @property
    def modified_at(self) -> float:
        """When its manifest was written."""
        return self.manifest.mtime_ns / 1e9

    @property
    def location(self) -> Location:
        """Where it runs."""
        return "cloud" if self.details.remote_host else "local"

    @property
    def _uses(self) -> list[tuple[float, Clock]]:
        uses: list[tuple[float | None, Clock]] = [
            (self.weights_read_at, "weights-read"),
            (self.seen_loaded_at, "seen-loaded"),
            (self.loaded_at, "loaded-in-log"),
        ]
        return [(at, clock) for at, clock in uses if at]

    @property
    def last_used(self) -> float | None:
        """When it was last used; ``None`` when that is unknown."""
        return max(self._uses, default=(None,))[0]

    @property
    def last_use_clock(self) -> Clock | None:
        """Which clock ``last_used`` is read from."""
        return max(self._uses, default=(None, None))[1]

    @property
    def idle(self) -> tuple[float, Clock]:
        """Since when it was neither changed nor used, and which clock says so.

        What may have been a use counts as one: less knowledge never makes a model older.
        """
        maybe: list[tuple[float, Clock]] = [(self.swept_at, "maybe-read")] if self.swept_at else []
        if self.swept_at and self.log_since:
            maybe = [min(*maybe, (self.log_since, "log-began"))]
        return max([(self.modified_at, "manifest-written"), *self._uses, *maybe], key=lambda use: use[0])

    @property
    def idle_since(self) -> float:
        """The time of ``idle``."""
        return self.idle[0]

    @property
    def clock(self) -> Clock:
        """The clock of ``idle``."""
        return self.idle[1]


def weights_in(layers: Iterable[Layer]) -> Layer | None:
    """Return the first of ``layers`` that is read when the model is loaded: all such are read together."""
    return next((layer for layer in layers if layer.kind in WEIGHTS), None)


def without_sweep(model: Model, is_swept: Callable[[float], bool]) -> Model:
    """Return ``model``; where ``is_swept`` says so of the atime of its weights, that may not be a use."""
    at = model.weights_read_at
    return replace(model, weights_read_at=None, swept_at=at) if at and is_swept(at) else model


def without_sweeps(models: Iterable[Model], times: Iterable[float | None]) -> tuple[Model, ...]:
    """Return ``models``; where the atimes of several weights are near each other they may not be uses."""
    swept = {at for two in pairwise(sorted(filter(None, times))) if two[1] - two[0] <= SWEEP for at in two}
    return tuple([without_sweep(model, swept.__contains__) if swept else model for model in models])


class TrashedModel(Struct, frozen=True, kw_only=True):
    """A model that was removed and can come back as long as what it needs is in the trash or in the store."""

    name: str
    manifest: File
    digest: str
    size: int
    needs: tuple[str, ...]


Cause = Literal["removed", "deleted", "replaced", "dropped"]
"""How something came into the trash: by Prunella; else Ollama deleted it, replaced it by a pull, dropped a download."""


class TrashEntry(Struct, frozen=True, kw_only=True):
    """What one removal put aside. A spent entry was emptied, and only keeps blobs that another entry needs."""

    id: str
    removed_at: float
    models: tuple[TrashedModel, ...]
    files: tuple[File, ...]
    is_spent: bool
    cause: Cause = "removed"
    happened_at: float | None = None
    """When Ollama deleted it; the guard found it at ``removed_at``."""
    keep: int | None = None
    """Seconds for which it stays, where that is not the retention of the trash."""

    def expires_at(self, retention: int) -> float:
        """When it is deleted for good (seconds, UTC); ``retention`` is in seconds."""
        return self.removed_at + (retention if self.keep is None else self.keep)

    @property
    def needs(self) -> frozenset[str]:
        """Every digest that its models need."""
        return frozenset(digest for model in self.models for digest in model.needs)


def is_of_blob(path: str) -> bool:
    """Whether a file is a whole blob or a sidecar of one, in the store or set aside."""
    place = place_of(path)
    return place.whole is not None or bool(place.digest and place.inner.startswith("metadata/"))
