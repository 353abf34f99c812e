"""What a scan found: frozen, complete, nothing formatted and nothing hidden. Sizes are bytes, times seconds (UTC)."""

from functools import cached_property

from msgspec import Struct

from prunella_core.base.errors import InvalidInput, NotFound
from prunella_core.fs.files import File
from prunella_core.inventory.flipped import flipped
from prunella_core.inventory.origin import Origin, origins
from prunella_core.inventory.parts import Blob as Blob
from prunella_core.inventory.parts import Cause as Cause
from prunella_core.inventory.parts import Clock as Clock
from prunella_core.inventory.parts import Details as Details
from prunella_core.inventory.parts import Location as Location
from prunella_core.inventory.parts import Model as Model
from prunella_core.inventory.parts import Problem as Problem
from prunella_core.inventory.parts import State as State
from prunella_core.inventory.parts import TrashedModel as TrashedModel
from prunella_core.inventory.parts import TrashEntry as TrashEntry
from prunella_core.inventory.parts import is_of_blob as is_of_blob
from prunella_core.ollama.manifest import ServerReading
from prunella_core.ollama.names import place_of
from prunella_core.store import Store

GUARD = "guard"
"""The entry that stands for what the guard has yet to put into the trash."""


class Inventory(Struct, frozen=True, kw_only=True, dict=True):
    """A whole store at one moment."""

    store: Store
    scanned_at: float
    models: tuple[Model, ...]
    blobs: tuple[Blob, ...]
    """Every row of ``blobs/``, and of the trash."""
    problems: tuple[Problem, ...]
    by_server: tuple[ServerReading, ...] = ()
    """How the server reads the manifests that it may read in another way."""
    trash: tuple[TrashEntry, ...] = ()
    held_open: frozenset[str] = frozenset()
    """The keys of downloads that a process has open right now."""
    staged: frozenset[str] = frozenset()
    """The digests that manifests need which a running or killed operation set aside: they may come back."""
    guard: tuple[File, ...] = ()
    """The files of the guard."""
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
    def guarded(self) -> frozenset[tuple[int, int]]:
        """Device and inode of what the guard has a link to: where Ollama deletes, that stays on the disk."""
        return frozenset((file.device, file.inode) for file in self.guard)

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
        """Every model under its short name."""
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

    @cached_property
    def flipped(self) -> dict[str, str]:
        """Under each unreferenced digest the missing one that it may be, where they differ in a digit or two."""
        missing = {blob.key for blob in self.others if blob.state is State.MISSING}
        return flipped(missing, [blob.key for blob in self.others if blob.state is State.UNREFERENCED])

    @property
    def pins_unreadable(self) -> bool:
        """Whether the pins could not be read: then every model counts as pinned."""
        return any(problem.kind == "pins-unreadable" for problem in self.problems)

    @property
    def trash_unreadable(self) -> bool:
        """Whether some of the trash could not be read: then nothing in it may be deleted."""
        return any(problem.kind == "trash-unreadable" for problem in self.problems)

    @cached_property
    def origins(self) -> dict[str, Origin]:
        """What would bring each model back, under its name."""
        return origins(self.model_by_name)

    def blobs_of(self, model: Model) -> list[Blob]:
        """The rows that a model needs, each once, in the manifest's order."""
        return [self.blob_by_key[digest] for digest in model.needs]

    @cached_property
    def trashed_files(self) -> dict[str, tuple[File, ...]]:
        """Under each digest all files of it in the newest removal: a blob in every spelling, then its sidecars."""
        found: dict[str, tuple[File, ...]] = {}
        for entry in self.trash:
            by_digest: dict[str, list[File]] = {}
            for file in entry.files:
                if is_of_blob(file.path):
                    by_digest.setdefault(place_of(file.path).digest or "", []).append(file)
            whole = {digest: files for digest, files in by_digest.items() if place_of(files[0].path).whole}
            found.update((digest, tuple(files)) for digest, files in whole.items())
        return found

    @cached_property
    def trashed_models(self) -> dict[str, str]:
        """Which model in the trash needs each digest; the newest removal wins."""
        return {digest: model.name for entry in self.trash for model in entry.models for digest in model.needs}

    @cached_property
    def problems_by_model(self) -> dict[str | None, list[Problem]]:
        """The problems of each model's manifest and blobs, under its name; under ``None`` those of no model."""
        found: dict[str | None, list[Problem]] = {}
        for problem in self.problems:
            found.setdefault(problem.model, []).append(problem)
        return found

    @cached_property
    def broken_by_path(self) -> dict[str, Problem]:
        """Files below ``manifests/`` that no model is listed for, under their path: what can be removed as such."""
        listed = {model.manifest.path for model in self.models}
        return {problem.path: problem for problem in self.problems if problem.file and problem.path not in listed}

    def problems_of(self, model: Model) -> list[Problem]:
        """The problems of one model's manifest and blobs."""
        return self.problems_by_model.get(model.name, [])


def find_blob(inventory: Inventory, prefix: str) -> Blob:
    """Return the row whose digest starts with ``prefix`` (``sha256:<hex>``), or whose path in the store it is.

    Raises NotFound, or InvalidInput when several digests start so.
    """
    if prefix in inventory.blob_by_key:
        return inventory.blob_by_key[prefix]
    found = [blob for blob in inventory.blobs if blob.digest and blob.digest.startswith(prefix)]
    if not found:
        raise NotFound(f"no blob starts with {prefix}")
    if len({blob.digest for blob in found}) > 1:
        raise InvalidInput(f"{prefix} is ambiguous: {len(found)} blobs start with it; type more digits")
    return found[0]
