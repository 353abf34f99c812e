"""What Prunella itself keeps in a store: pins, hard links that are not those of others, the trash, the guard's mirror.

Every removal is a store of its own under ``.prunella/trash/<id>/``.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from prunella_core.fs.files import File, files_below, has_reflinks, read_own
from prunella_core.inventory.problems import problem
from prunella_core.inventory.records import Cause, Model, Problem, TrashedModel, TrashEntry
from prunella_core.ollama.names import Area, place_of
from prunella_core.scan.manifests import ManifestReading, ReadManifest, blob_in, read_manifests
from prunella_core.scan.system import Count
from prunella_core.store import Store, read_pins

RESTORING = "restoring.json"
"""What a restore notes in our folder while it moves files: some have a name in the store and one in the trash then."""

_HOLDING = (Area.STAGING, Area.REMOVING, Area.GUARD)


class OwnFiles:
    """What was found below ``.prunella/``; what cannot be read is a Problem."""

    def __init__(self, store: Store) -> None:
        self.links: Counter[tuple[int, int]] = Counter()
        """By device and inode, the links in staging, removing and the guard: they go when an operation ends."""
        self.problems: list[Problem] = []
        self.pins: tuple[str, ...] = ("*",)  # while they cannot be read every model counts as pinned
        try:
            self.pins = read_pins(store)
        except OSError as error:
            message = f"cannot read the pins: {error.strerror}"
            self.problems.append(problem(".prunella/pins", "pins-unreadable", message))
        self.guard: tuple[File, ...] = ()
        """The files of the guard, whose links are among these: Ollama's own delete leaves them."""
        self.staged: frozenset[str] = frozenset()
        """What manifests need that an operation set aside: unless it is decided, they come back."""
        if not os.path.islink(store.own):
            is_restoring = os.path.lexists(os.path.join(store.own, RESTORING))
            for area in (*_HOLDING, Area.TRASH) if is_restoring else _HOLDING:
                folder = f".prunella/{area}"
                found: tuple[File, ...] = ()
                try:
                    found = tuple(files_below(store.root, folder))
                except OSError as error:
                    message = f"cannot read what an operation set aside: {error.strerror}"
                    self.problems.append(problem(folder, "staging-unreadable", message))
                self.links.update((file.device, file.inode) for file in found)
                self.guard += found if area is Area.GUARD else ()
            self._read_staged(store)

    def _read_staged(self, store: Store) -> None:
        folder = os.path.join(store.own, Area.STAGING)
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) and not os.path.islink(folder) else ():
            aside = Store(root=os.path.join(folder, name), why="staging", owner=store.owner, writable=False)
            if os.path.isdir(aside.manifests) and not os.path.islink(aside.manifests):
                self.staged |= read_manifests(aside, lambda digest: blob_in(store, digest)).needed

    def without(self, files: Iterable[File]) -> tuple[File, ...]:
        """The same files, with only those hard links counted that are not ours."""
        return tuple(map(self._without, files)) if self.links else tuple(files)

    def _without(self, file: File) -> File:
        ours = self.links[file.device, file.inode] if file.links > 1 else 0
        return replace(file, links=max(file.links - ours, 1)) if ours else file


RECORD = "record.json"
"""What an entry is signed with. Emptying takes it away, so an entry without it only keeps what others need."""

_LARGEST_RECORD = 64 * 1024 * 1024
_GUARD = ".prunella/guard"


_Kind = TypeVar("_Kind", bound=Struct)


class _Record(Struct, frozen=True):
    cause: Cause = "removed"
    happened_at: float | None = None
    keep: int | None = None


_ID = re.compile(r"([0-9]{8}T[0-9]{6})-[0-9a-f]+\Z")
_ID_TIME = "%Y%m%dT%H%M%S"


def new_id(store: Store, now: float, paths: Iterable[str]) -> str:
    """Name a removal by its time (seconds, UTC), so that its age needs no reading, and by what it takes.

    The same removal always has the same name, unless the trash has that already.
    """
    time, taken = datetime.fromtimestamp(now, UTC).strftime(_ID_TIME), "\0".join(paths).encode(errors="surrogateescape")
    marks = (hashlib.sha256(taken + bytes(attempt)).hexdigest()[:6] for attempt in count())
    return next(name for mark in marks if not os.path.lexists(os.path.join(store.trash, name := f"{time}-{mark}")))


def read_trash(store: Store, own: OwnFiles | None = None) -> tuple[tuple[TrashEntry, ...], tuple[Problem, ...]]:
    """Read the entries of the trash, the oldest first, and what of it cannot be read.

    While there is such a Problem nothing in the trash may be deleted.
    """
    if os.path.islink(store.own) or os.path.islink(store.trash):  # nothing of ours: a removal refuses it by name
        return (), ()
    try:
        with os.scandir(store.trash) as listing:
            names = sorted(entry.name for entry in listing if entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):  # a file in its place is named when something is to be removed
        return (), ()
    except OSError as error:
        return (), (_unreadable(".prunella/trash", error),)
    files: dict[str, tuple[File, ...]] = {}
    problems = []
    with_extents = has_reflinks(store.root)
    for name in names:
        try:
            below = tuple(files_below(store.root, f".prunella/trash/{name}", with_extents))
            files[name] = own.without(below) if own else below
        except OSError as error:
            problems.append(_unreadable(f".prunella/trash/{name}", error))

    @cache
    def in_trash() -> dict[str, str]:
        paths = [file.path for below in files.values() for file in below]
        return {digest: store.path(path) for path in paths if (digest := place_of(path).whole)}

    def find(digest: str) -> str | None:
        """Where a blob lies that is a manifest: in the store, else in any entry of the trash."""
        return blob_in(store, digest) or in_trash().get(digest)

    found = [_read_entry(store, name, below, find) for name, below in files.items()]
    problems += [problem for _entry, unreadable in found for problem in unreadable]
    return tuple(entry for entry, _unreadable in found), tuple(problems)


def _unreadable(path: str, error: OSError) -> Problem:
    return problem(path, "trash-unreadable", f"cannot read this part of the trash: {error.strerror}")


def _read_entry(
    store: Store, name: str, files: tuple[File, ...], find: Callable[[str], str | None]
) -> tuple[TrashEntry, list[Problem]]:
    prefix = f".prunella/trash/{name}"
    as_store = Store(root=store.path(prefix), why="trash", owner=store.owner, writable=store.writable)
    reading = ManifestReading(as_store, find)
    if not os.path.islink(as_store.manifests):
        reading.read(Count())
    record = read_record(as_store.root, _Record)
    entry = TrashEntry(
        id=name,
        removed_at=removed_at(store.trash, name),
        models=tuple(_trashed(prefix, manifest) for manifest in reading.manifests.values()),
        files=files,
        is_spent=all(file.path != f"{prefix}/{RECORD}" for file in files),
        cause=record.cause,
        happened_at=record.happened_at,
        keep=record.keep,
    )
    unreadable = [found for found in reading.problems if found.kind == "unreadable"]
    return entry, [problem(f"{prefix}/{found.path}", "trash-unreadable", found.message) for found in unreadable]


def read_record(folder: str, kind: type[_Kind]) -> _Kind:
    """What the record in ``folder`` says; one that is gone or cannot be read says nothing, as one of Prunella's own."""
    with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(read_own(f"{folder}/{RECORD}", _LARGEST_RECORD) or b"{}", type=kind)
    return kind()


def _trashed(prefix: str, manifest: ReadManifest) -> TrashedModel:
    return TrashedModel(
        name=manifest.name,
        manifest=replace(manifest.file, path=f"{prefix}/{manifest.file.path}"),
        digest=manifest.digest,
        size=manifest.size,
        needs=manifest.needs,
    )


def removed_at(folder: str, name: str) -> float:
    """When the removal called ``name`` in ``folder`` was done (seconds, UTC). Raises OSError."""
    if match := _ID.match(name):
        with suppress(ValueError):  # digits that are no date: then the folder's own time has to do
            return datetime.strptime(match[1], _ID_TIME).replace(tzinfo=UTC).timestamp()
    return os.stat(os.path.join(folder, name)).st_mtime


def read_vanished(store: Store, mirror: Collection[File], models: Collection[Model]) -> tuple[TrashedModel, ...]:
    """Read the manifests of the mirror that no model has with the same bytes; as a rule there are none."""
    live = {model.manifest.path: model for model in models}
    strays = set()
    for file in mirror:
        if not file.path.startswith(f"{_GUARD}/manifests"):
            continue
        copy = place_of(file.path)
        model = live.get(copy.inner)
        if copy.is_manifest and not (model and model.manifest.identity[2:] == file.identity[2:]):
            strays.add(copy.inner)  # neither its times nor its size are those of the manifest: its bytes are read
    if not strays:
        return ()
    aside = Store(root=store.path(_GUARD), why="guard", owner=store.owner, writable=False)
    reading = read_manifests(aside, lambda digest: blob_in(aside, digest) or blob_in(store, digest))
    return tuple(
        _trashed(_GUARD, copy)
        for copy in reading.manifests.values()
        if copy.file.path in strays and not ((model := live.get(copy.file.path)) and model.digest == copy.digest)
    )
