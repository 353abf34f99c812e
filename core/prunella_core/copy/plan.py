"""What would be copied, skipped and shared: pure functions of an Inventory and a Target. Sizes are bytes."""

from collections.abc import Iterable
from functools import cached_property

from msgspec import Struct

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import clean
from prunella_core.copy.target import Target, Whole
from prunella_core.fs.files import File
from prunella_core.inventory.records import Inventory, Model
from prunella_core.ollama.names import Area, ModelName, match_name, parse_name, place_of
from prunella_core.store import Store

_LARGEST = {"vfat": 2**32 - 1, "msdos": 2**32 - 1}
"""The largest file that a file system takes."""
_WITHOUT_COLONS = frozenset({"vfat", "msdos", "exfat", "ntfs", "ntfs3", "fuseblk"})
"""File systems that take no colon in a name."""
_UNIT = 4096
"""What files are taken to fill up to: the block of most file systems."""


class CopiedModel(Struct, frozen=True, kw_only=True):
    """A model that is copied, and its name there."""

    name: str
    under: str
    manifest: File
    path: str
    """Where its manifest is or will be, relative to the other store."""
    needs: tuple[str, ...]
    is_there: bool
    """Whether the same manifest is there already."""


class CopiedBlob(Struct, frozen=True, kw_only=True):
    """A blob that copied models need."""

    digest: str
    source: Whole | None
    """``None`` where only the other store has it."""
    target: Whole | None
    """What is there already; ``None`` for what has to be written."""
    is_used: bool
    """Whether a model there needs it: else Ollama's next start there may delete it."""
    sidecars: tuple[File, ...]
    """Files that describe it, and are not there yet."""

    @property
    def size(self) -> int:
        """Bytes, from the file that has them."""
        known = self.source or self.target
        return known.size if known else 0

    @property
    def path(self) -> str:
        """Where it is or will be, relative to the other store."""
        return self.target.path if self.target else f"blobs/{self.digest.replace(':', '-')}"


class NotCopied(Struct, frozen=True, kw_only=True):
    """A model that was asked for and cannot be copied."""

    name: str
    reason: str


class CopyPlan(Struct, frozen=True, kw_only=True, dict=True):
    """Everything that a copy would write to another store."""

    store: Store
    target: Store
    models: tuple[CopiedModel, ...]
    refused: tuple[NotCopied, ...]
    blobs: tuple[CopiedBlob, ...]
    """What the models need, each once, in the order in which it is copied."""
    shared: int
    """Bytes that would be written more than once if each model had its blobs for itself."""
    free: int
    """Bytes that the other file system has room for."""
    shares: bool
    """Whether copies are expected to share extents with their sources, and so to need no room."""

    @cached_property
    def blob(self) -> dict[str, CopiedBlob]:
        """Every blob under its digest."""
        return {blob.digest: blob for blob in self.blobs}

    @cached_property
    def copies(self) -> tuple[CopiedBlob, ...]:
        """The blobs that have to be written."""
        return tuple(blob for blob in self.blobs if not blob.target)

    @property
    def written(self) -> int:
        """Bytes of the blobs that have to be written."""
        return sum(blob.size for blob in self.copies)

    @property
    def skipped(self) -> int:
        """Bytes of the blobs that are there already."""
        return sum(blob.size for blob in self.blobs if blob.target)

    @property
    def is_empty(self) -> bool:
        """Whether everything that can be copied is there already."""
        sidecars = any(blob.sidecars for blob in self.blobs)
        return not (self.copies or sidecars) and all(model.is_there for model in self.models)

    @property
    def needed(self) -> int:
        """Bytes of room that it takes."""
        sizes = [0 if self.shares else blob.size for blob in self.copies]
        sizes += [model.manifest.size for model in self.models if not model.is_there]
        sizes += [file.size for blob in self.blobs for file in blob.sidecars]
        return sum(-(-size // _UNIT) * _UNIT for size in sizes)


def plan_copy(inventory: Inventory, target: Target, wanted: Iterable[Model], under: str | None = None) -> CopyPlan:
    """Plan to copy ``wanted``, one of them ``under`` another name. Raises InvalidInput for a name that is none."""
    models: list[CopiedModel] = []
    refused: list[NotCopied] = []
    for model in wanted:
        copied = _copied(model, target, under)
        if why := _why_not(inventory, target, model, copied):
            refused.append(NotCopied(name=model.name, reason=why))
        else:
            models.append(copied)
    digests = [digest for model in models for digest in model.needs]
    blobs = {digest: _blob(inventory, target, digest) for digest in digests}
    return CopyPlan(
        store=inventory.store,
        target=target.store,
        models=tuple(models),
        refused=tuple(refused),
        blobs=tuple(blobs.values()),
        shared=sum(blobs[digest].size for digest in digests) - sum(blob.size for blob in blobs.values()),
        free=target.free + target.parts,
        shares=target.shares,
    )


def _copied(model: Model, target: Target, under: str | None) -> CopiedModel:
    name = parse_name(under) if under else ModelName.of_path(model.manifest.path)
    there = target.models.get(match_name(name, target.models) or "")
    is_there = there is not None and there.digest == model.digest
    path = _path(model, name) if under else model.manifest.path
    return CopiedModel(
        name=model.name,
        under=name.short,
        manifest=model.manifest,
        path=there.manifest.path if there and is_there else path,
        needs=model.needs,
        is_there=is_there,
    )


def _path(model: Model, name: ModelName) -> str:
    if not model.manifest.path.startswith("manifests-v2/"):
        return name.path
    raise InvalidInput(f"{clean(model.name)} lies in manifests-v2/, where --as is not possible")


def _why_not(inventory: Inventory, target: Target, model: Model, copied: CopiedModel) -> str | None:
    taken = match_name(ModelName.of_path(copied.path), target.models)
    if taken and not copied.is_there:
        return f"another version of {taken} is there: copy it under another name with --as"
    if copied.path in target.unreadable:
        return f"{copied.path} is there and cannot be read: delete it there first"
    if target.file_system in _WITHOUT_COLONS and ":" in copied.path:
        return f"{target.file_system} takes no file name with a colon ({copied.path})"
    for digest in copied.needs:
        if digest not in target.here and digest not in target.there:
            kind = inventory.blob_by_key[digest].kind or "needed"
            return f"its {kind} blob {digest[:19]} is missing or damaged: pull the model first"
        blob = _blob(inventory, target, digest)
        if not blob.target and blob.size > _LARGEST.get(target.file_system, blob.size):
            return f"{target.file_system} takes no file over 4 GiB, and {digest[:19]} has {blob.size:,} bytes"
    return None


def _blob(inventory: Inventory, target: Target, digest: str) -> CopiedBlob:
    source, there = target.here.get(digest), target.there.get(digest)
    if source and there and (there.size != source.size or there[1:3] == source[1:3]):
        there = None  # damaged, or a link to the very file: no copy
    files = inventory.blob_by_key[digest].files
    sidecars = (file for file in files if place_of(file.path).area is Area.METADATA)
    return CopiedBlob(
        digest=digest,
        source=source,
        target=there,
        is_used=digest in target.used,
        sidecars=tuple(file for file in sidecars if file.path not in target.sidecars),
    )
