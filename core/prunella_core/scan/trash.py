"""Reads the trash: a store of its own for every removal, under ``.prunella/trash/<id>/``."""

import os
import re
from contextlib import suppress
from datetime import UTC, datetime

from msgspec.structs import replace

from prunella_core.fs.files import files_below, has_reflinks
from prunella_core.inventory.records import TrashedModel, TrashEntry
from prunella_core.scan.manifests import ReadManifest, read_manifests
from prunella_core.store.locate import Store

RECORD = "record.json"
"""What an entry is signed with. Emptying takes it away, so an entry without it only keeps what others need."""

_ID = re.compile(r"([0-9]{8}T[0-9]{6})-[0-9a-f]+\Z")
_ID_TIME = "%Y%m%dT%H%M%S"


def new_id(now: float, mark: str) -> str:
    """Name a removal by its time (seconds, UTC), so that its age needs no reading, and a ``mark`` of hex digits."""
    return f"{datetime.fromtimestamp(now, UTC).strftime(_ID_TIME)}-{mark}"


def read_trash(store: Store) -> tuple[TrashEntry, ...]:
    """Every entry of the trash, the oldest first. Raises OSError when the trash is there and cannot be read."""
    if os.path.islink(store.own) or os.path.islink(store.trash):  # nothing of ours: a removal refuses it by name
        return ()
    try:
        with os.scandir(store.trash) as listing:
            names = sorted(entry.name for entry in listing if entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):  # a file in its place is told when something is to be removed
        return ()
    blobs = [store.blobs, *(os.path.join(store.trash, name, "blobs") for name in names)]
    return tuple(_read_entry(store, name, blobs) for name in names)


def _read_entry(store: Store, name: str, blobs: list[str]) -> TrashEntry:
    prefix = f".prunella/trash/{name}"
    as_store = Store(root=store.path(prefix), why="trash", owner=store.owner, writable=store.writable)
    is_ours = not os.path.islink(as_store.manifests)
    manifests = read_manifests(as_store, children_too_in=blobs).manifests if is_ours else ()
    files = tuple(files_below(store.root, prefix, has_reflinks(store.root)))
    return TrashEntry(
        id=name,
        removed_at=removed_at(store.trash, name),
        models=tuple(_trashed(prefix, manifest) for manifest in manifests),
        files=files,
        is_spent=all(file.path != f"{prefix}/{RECORD}" for file in files),
    )


def _trashed(prefix: str, manifest: ReadManifest) -> TrashedModel:
    return TrashedModel(
        name=manifest.name,
        manifest=replace(manifest.file, path=f"{prefix}/{manifest.file.path}"),
        digest=manifest.digest,
        size=manifest.size,
        needs=manifest.needs,
    )


def removed_at(folder: str, name: str) -> float:
    """When the removal was done whose files lie under its ``name`` in ``folder`` (seconds, UTC). Raises OSError."""
    if match := _ID.match(name):
        with suppress(ValueError):  # digits that are no date: then the folder's own time has to do
            return datetime.strptime(match[1], _ID_TIME).replace(tzinfo=UTC).timestamp()
    return os.stat(os.path.join(folder, name)).st_mtime
