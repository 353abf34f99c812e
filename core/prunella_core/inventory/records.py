"""What a scan found: frozen, complete, nothing formatted and nothing hidden. Sizes are bytes, times seconds (UTC)."""

from collections import defaultdict
from collections.abc import Callable
from enum import StrEnum
from functools import cached_property
from typing import Literal, TypeVar, cast

from msgspec import Struct

from prunella_core.fs.files import File, allocated
from prunella_core.ollama.manifest import Layer, ServerReading
from prunella_core.ollama.names import Area, place_of
from prunella_core.store import Store


class State(StrEnum):
    """What a row of ``blobs/`` is to the models."""

    REFERENCED = "referenced"
    UNREFERENCED = "unreferenced"
    PARTIAL = "partial"
    LEFTOVER = "leftover"
    STRAY = "stray"
    MISSING = "missing"
    TRASHED = "trashed"


ModelClock = Literal["manifest-written", "weights-read", "maybe-read", "seen-loaded", "loaded-in-log", "log-began"]
"""Where a model's age comes from: its manifest's mtime, an atime (of a sweep), the server, its log."""
Clock = Literal["written", "seen-referenced", "removed", ModelClock]
"""Where an age comes from: a file's mtime, an earlier run, the trash, or that of a model."""

T = TypeVar("T")
Location = Literal["local", "cloud"]

WEIGHTS = frozenset({"weights", "tensor"})
"""Kinds of layers: every model has at least one of these."""


class Problem(Struct, frozen=True, kw_only=True):
    """Something that cannot be read or trusted. ``blocks_prune``: it could hide a reference, so nothing goes."""

    path: str
    kind: str
    message: str
    blocks_prune: bool
    model: str | None = None
    user: str | None = None
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
    last_model: str | None = None
    """When earlier runs last saw a manifest need it, and which model."""
    removed_at: float | None = None

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
        return self.idle[0]


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
    loaded_at: float | None = None
    loads: int = 0
    """The last load of its weights in Ollama's log, and how many the log names."""
    log_since: float | None = None
    """Since when the log names every load, where it covers ``swept_at`` too: that was none."""
    is_pinned: bool = False

    @property
    def modified_at(self) -> float:
        return self.manifest.mtime_ns / 1e9

    @property
    def location(self) -> Location:
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
    def last_use(self) -> tuple[float, Clock] | tuple[None, None]:
        """When it was last used, and which clock says so; ``None`` when that is unknown."""
        return max(self._uses, default=(None, None))

    @property
    def last_used(self) -> float | None:
        return self.last_use[0]

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
        return self.idle[0]


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
        return frozenset(digest for model in self.models for digest in model.needs)


GUARD = "guard"
"""The entry that stands for what the guard has yet to put into the trash."""


class Inventory(Struct, frozen=True, kw_only=True, dict=True):
    """A whole store at one moment."""

    store: Store
    scanned_at: float
    models: tuple[Model, ...]
    blobs: tuple[Blob, ...]
    problems: tuple[Problem, ...]
    by_server: tuple[ServerReading, ...] = ()
    """How the server reads the manifests that it may read in another way."""
    trash: tuple[TrashEntry, ...] = ()
    held_open: frozenset[str] = frozenset()
    """The keys of downloads that a process has open right now."""
    staged: frozenset[str] = frozenset()
    """The digests that manifests need which a running or killed operation set aside: they may come back."""
    guard: tuple[File, ...] = ()
    vanished: tuple[TrashedModel, ...] = ()
    """Models, or versions of them, that the guard has and the store has not: Ollama deleted or replaced them."""
    disk_total: int
    disk_free: int

    @cached_property
    def others(self) -> tuple[Blob, ...]:
        """Every row but those that are there and that models need."""
        return tuple([blob for blob in self.blobs if blob.state is not State.REFERENCED])

    @cached_property
    def digests(self) -> frozenset[str]:
        """Every digest that some file is named by."""
        return frozenset(blob.digest for blob in self.blobs if blob.digest and blob.files)

    @cached_property
    def mirror(self) -> dict[str, File]:
        """The files of the guard by the paths that they have or had in the store."""
        return {inner: file for file in self.guard if (inner := place_of(file.path).inner)}

    @cached_property
    def keeping(self) -> tuple[TrashEntry, ...]:
        """What keeps blobs: the trash, and what the guard is about to put there."""
        waiting = TrashEntry(id=GUARD, removed_at=self.scanned_at, models=self.vanished, files=(), is_spent=True)
        return (*self.trash, waiting) if self.vanished else self.trash

    @cached_property
    def model_by_name(self) -> dict[str, Model]:
        return {model.name: model for model in self.models}

    @cached_property
    def blob_by_key(self) -> dict[str, Blob]:
        """Every row under its key: the digest of a whole blob, else the digest and ``-partial``, or the path."""
        return {blob.key: blob for blob in self.blobs}

    @cached_property
    def blob_by_file(self) -> dict[str, Blob]:
        """The row of every file, under its path in the store."""
        return {file.path: blob for blob in self.blobs for file in blob.files}

    @cached_property
    def blocking(self) -> tuple[Problem, ...]:
        """The problems that could hide a reference."""
        return tuple(problem for problem in self.problems if problem.blocks_prune)

    def has_problem(self, kind: str) -> bool:
        """Whether the scan found a problem of this kind."""
        return any(problem.kind == kind for problem in self.problems)

    def kept(self, key: str, make: Callable[[], T]) -> T:
        """What ``make`` returns: called once, and kept with this inventory under ``key``."""
        if key not in vars(self):
            vars(self)[key] = make()
        return cast(T, vars(self)[key])

    def blobs_of(self, model: Model) -> list[Blob]:
        """The rows that a model needs, each once, in the manifest's order."""
        return [self.blob_by_key[digest] for digest in model.needs]

    @cached_property
    def trashed_files(self) -> dict[str, tuple[File, ...]]:
        """Under each digest all files of it in the newest removal: a blob in every spelling, then its sidecars."""
        found: dict[str, tuple[File, ...]] = {}
        for entry in self.trash:
            by_digest: dict[str, tuple[File, ...]] = {}
            for file in entry.files:
                if (place := place_of(file.path)).is_of_blob:
                    by_digest[place.digest or ""] = (*by_digest.get(place.digest or "", ()), file)
            found.update((digest, files) for digest, files in by_digest.items() if place_of(files[0].path).whole)
        return found

    @cached_property
    def trashed_models(self) -> dict[str, str]:
        """Which model in the trash needs each digest; the newest removal wins."""
        return {digest: model.name for entry in self.trash for model in entry.models for digest in model.needs}

    @cached_property
    def problems_by_model(self) -> dict[str | None, list[Problem]]:
        """The problems of each model's manifest and blobs, under its name; under ``None`` those of no model."""
        found: dict[str | None, list[Problem]] = defaultdict(list)
        for problem in self.problems:
            found[problem.model].append(problem)
        return found

    @cached_property
    def broken_by_path(self) -> dict[str, Problem]:
        """Files below ``manifests/`` that no model is listed for, under their path: what can be removed as such."""
        listed = {model.manifest.path for model in self.models}
        return {problem.path: problem for problem in self.problems if problem.file and problem.path not in listed}
