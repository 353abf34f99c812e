"""The folder that models are copied to, and what would be copied, skipped and shared. Sizes are bytes."""

import os
import stat
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from msgspec import Struct

from prunella_core.base.errors import InvalidInput, Refused
from prunella_core.base.text import clean
from prunella_core.fs.files import BLOCK, File
from prunella_core.fs.mounts import WITH_REFLINKS, mount_of
from prunella_core.inventory.records import Inventory, Model, State
from prunella_core.ledger.memory import rescan
from prunella_core.ollama.names import Area, ModelName, match_name, parse_name, place_of
from prunella_core.scan.system import capacity_of
from prunella_core.store import Store, unwritable
from prunella_core.store.locate import PARTS, owner_name

COPYING = ".prunella/copying"
"""Where files are written until they are whole."""

_NOTHING_YET = {".prunella", "lost+found"}
"""What may lie in a folder that becomes a store."""
_TREES = ("blobs", "manifests", "manifests-v2", "metadata")


class Whole(NamedTuple):
    """A file with the size and identity that it has where links lead to; ``path`` is relative to its store."""

    path: str
    device: int
    inode: int
    size: int


class Target(Struct, frozen=True, kw_only=True):
    """What is in the other store already, and what its file system takes. Sizes are bytes."""

    store: Store
    is_store: bool
    """Whether it is a store already, not a folder that becomes one."""
    here: Mapping[str, Whole]
    """Under its digest each blob of the store that is copied from."""
    there: Mapping[str, Whole]
    """Under its digest each blob there; what earlier runs found to be damaged is none."""
    models: Mapping[str, Model]
    used: frozenset[str]
    """The digests that a model there needs."""
    unreadable: frozenset[str]
    """The paths of manifests there that cannot be read."""
    sidecars: frozenset[str]
    parts: int
    """What an interrupted copy has written so far."""
    free: int
    file_system: str
    """Its kind, such as ``ext4``; empty where unknown."""
    shares: bool
    """Whether files there can share extents with those here (reflinks)."""


def look_at_target(inventory: Inventory, folder: str, now: float) -> Target:
    """Look at the folder that is copied to. Raises Refused where it cannot become, or be, another store."""
    root = os.path.realpath(folder)
    store = inventory.store
    _require_apart(store, root)
    _require_store(root)
    above = root  # or the nearest folder above it that is there
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    target = _opened(root, above)
    is_store = bool(PARTS & set(names_in(root)))
    found = rescan(target, now) if is_store else None
    mount = mount_of(above)
    begun = [target.path(f"{COPYING}/{name}") for name in names_in(target.path(COPYING))]
    return Target(
        store=target,
        is_store=is_store,
        here=_whole(inventory),
        there=_whole(found) if found else {},
        models=found.model_by_name if found else {},
        used=frozenset(blob.key for blob in found.blobs if blob.models) if found else frozenset(),
        unreadable=frozenset(found.broken_by_path) if found else frozenset(),
        sidecars=frozenset(f"metadata/{name}" for name in names_in(target.path("metadata"))),
        parts=sum(os.lstat(path).st_blocks for path in begun) * BLOCK,
        free=capacity_of(above).free,
        file_system=mount.kind,
        shares=mount.kind in WITH_REFLINKS and os.stat(above).st_dev == os.stat(store.root).st_dev,
    )


def names_in(folder: str) -> list[str]:
    """Return the names in a folder; none where there is no such folder."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _require_apart(store: Store, root: str) -> None:
    """Raise Refused where both stores are one, wholly or in part, or one lies in the other."""
    for name in ("", *_TREES):
        one, other = os.path.join(store.root, name), os.path.join(root, name)
        if os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other):
            raise Refused(f"{clean(root)} and {clean(store.root)} are one store: {clean(other)} is in both")
    if f"{root}/".startswith(f"{store.root}/"):
        raise Refused(f"{clean(root)} lies in the store itself: name a folder outside {clean(store.root)}")


def _require_store(root: str) -> None:
    """Raise Refused for what is neither a store nor a folder that can become one."""
    if os.path.lexists(root) and not os.path.isdir(root):
        raise Refused(f"{clean(root)} is not a folder")
    try:
        names = set(names_in(root))
    except OSError as error:
        raise Refused(f"cannot read {clean(root)}: {error.strerror}") from error
    if names - _NOTHING_YET and not names & PARTS:
        raise Refused(
            f"{clean(root)} is not a model store, and not empty: name a new folder, such as {clean(root)}/models"
        )
    for name in (*_TREES, COPYING):
        path = os.path.join(root, name)
        if os.path.islink(path):
            raise Refused(f"{clean(path)} is a link, and Prunella writes nothing through one; name the folder itself")
        if os.path.isdir(path) and os.stat(path).st_dev != os.stat(root).st_dev:
            raise Refused(f"{clean(path)} is on another file system than {clean(root)}; copying there is not possible")


def _opened(root: str, above: str) -> Store:
    barred = unwritable(root) if above == root else None if os.access(above, os.W_OK | os.X_OK) else above
    owner = owner_name(os.stat(barred or above).st_uid)
    store = Store(root=root, why="named", owner=owner, writable=barred is None, unwritable=barred)
    if barred:
        user = owner_name(os.geteuid())
        raise Refused(f"{clean(barred)} belongs to {owner}, and {user} may not write there; nothing was copied")
    store.check_changeable()
    return store


def _whole(inventory: Inventory) -> dict[str, Whole]:
    """Under its digest the first file of each blob that has the bytes, as far as its size and earlier runs say."""
    bad = {problem.path for problem in inventory.problems if problem.kind in ("wrong-hash", "unreadable-blob")}
    found: dict[str, Whole] = {}
    for blob in inventory.blobs:
        if not blob.has_hash or blob.state in (State.TRASHED, State.MISSING):
            continue
        for file in blob.content:
            if file.path in bad:
                continue
            try:
                status = os.stat(inventory.store.path(file.path)) if file.target is not None else None
            except OSError:  # a link that leads nowhere
                continue
            if status and stat.S_ISREG(status.st_mode):
                found.setdefault(blob.key, Whole(file.path, status.st_dev, status.st_ino, status.st_size))
            elif not status and stat.S_ISREG(file.mode):
                found.setdefault(blob.key, Whole(file.path, file.device, file.inode, file.size))
    return found


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
    if under and model.manifest.path.startswith("manifests-v2/"):
        raise InvalidInput(f"{clean(model.name)} lies in manifests-v2/, where --as is not possible")
    path = name.path if under else model.manifest.path
    return CopiedModel(
        name=model.name,
        under=name.short,
        manifest=model.manifest,
        path=there.manifest.path if there and is_there else path,
        needs=model.needs,
        is_there=is_there,
    )


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
