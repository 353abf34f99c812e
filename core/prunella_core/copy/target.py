"""The folder that models are copied to, as it is before anything is written. Nothing here changes it."""

import os
import stat
from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.fs.files import BLOCK
from prunella_core.fs.mounts import WITH_REFLINKS, mount_of
from prunella_core.inventory.records import Inventory, Model, State
from prunella_core.ledger.memory import rescan
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
    mtime_ns: int
    mode: int


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
    """The models there, under their names."""
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
    above = _there(root)
    target = _opened(root, above)
    is_store = bool(PARTS & set(_names(root)))
    found = rescan(target, now) if is_store else None
    mount = mount_of(above)
    return Target(
        store=target,
        is_store=is_store,
        here=_whole(inventory),
        there=_whole(found) if found else {},
        models=found.model_by_name if found else {},
        used=frozenset(blob.key for blob in found.blobs if blob.models) if found else frozenset(),
        unreadable=frozenset(found.broken_by_path) if found else frozenset(),
        sidecars=frozenset(f"metadata/{name}" for name in _names(target.path("metadata"))),
        parts=sum(os.lstat(target.path(f"{COPYING}/{name}")).st_blocks for name in parts_in(target)) * BLOCK,
        free=capacity_of(above).free,
        file_system=mount.kind,
        shares=mount.kind in WITH_REFLINKS and os.stat(above).st_dev == os.stat(store.root).st_dev,
    )


def parts_in(target: Store) -> list[str]:
    """The names of files that an interrupted copy has begun."""
    return _names(target.path(COPYING))


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _there(path: str) -> str:
    """The nearest folder that is there, above a path or itself."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return path


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
        names = set(_names(root))
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
            whole = (
                Whole(file.path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode)
                if status
                else Whole(file.path, file.device, file.inode, file.size, file.mtime_ns, file.mode)
            )
            if stat.S_ISREG(whole.mode):
                found.setdefault(blob.key, whole)
    return found
