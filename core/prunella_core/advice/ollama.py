"""What Ollama itself does to a store when its server starts the next time, and what its user may not do there.

The rules of a start are those of the server (its ``Serve``, ``fixBlobs``, ``PruneLayers`` and ``manifest.Manifests``,
as of v0.33): blobs named ``sha256:…`` are renamed to ``sha256-…``; then, unless ``OLLAMA_NOPRUNE`` is set or a manifest
cannot be read, every file in ``blobs/`` is deleted that is an hour old and not named by a digest in a manifest.
Folders in ``blobs/`` stay, and so does all that lies outside of ``blobs/``, but for empty folders below ``manifests/``.
A later server also reads ``manifests-v2/``, keeps what either tree names, and goes on past a bad manifest.
"""

import os
import pwd
import re
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from prunella_core.base.text import few
from prunella_core.fs.files import File, allocated, reclaimed
from prunella_core.inventory.records import Blob, Inventory, Model, Problem, State
from prunella_core.ollama.names import Area, ModelName, place_of
from prunella_core.store.locate import owner_name

GRACE_SECONDS = 3_600
"""What was written within this time stays (``layerPruneGracePeriod``)."""

OLDER = "Ollama 0.33"
"""The last release that does not read ``manifests-v2/``, and deletes what only that names."""
_LAST_WITHOUT_V2 = (0, 33)
_DIGEST = re.compile(r"sha256:[0-9a-fA-F]{64}\Z")
_RELEASE = re.compile(r"v?([0-9]+)\.([0-9]+)")
_NO = {"", "0", "f", "F", "false", "False", "FALSE"}
_PART = re.compile(r".*-partial-[0-9]+\Z")
_SLASHES_OF_A_TAG = 4  # manifests/host/namespace/model/tag
_STOPPING = {"bad-name", "dangling-link", "dropping", "unreadable", "large-manifest"}
_BROKEN = {"empty-manifest", "bad-manifest"}
_OVERLOOKED = {"too-deep", "too-shallow"}
_UNSURE = {"bad-child", "outside-link", "not-a-file", "unreadable", "large-manifest", "unknown-schema"}


class LostDownload(Struct, frozen=True, kw_only=True):
    """A download that cannot resume where it stopped: files of it are deleted."""

    digest: str
    files: tuple[str, ...]
    held: int
    """Bytes on the disk already."""
    size: int
    """Bytes of the whole."""


class NextStart(Struct, frozen=True, kw_only=True):
    """What the next start does. Paths are relative to the store, sizes in bytes."""

    skipped: bool
    noprune: bool
    """Whether the environment that was asked has ``OLLAMA_NOPRUNE`` set; the server's own may say otherwise."""
    why: str | None
    """Why the server's prune is skipped."""
    files: tuple[str, ...]
    """The paths that are gone afterwards: deleted or renamed."""
    renamed: tuple[tuple[str, str], ...]
    """Old and new paths of those of ``files`` that are renamed."""
    reclaims: int
    would_break: tuple[str, ...]
    """Models that lose blobs, or have a manifest that names none any more."""
    downloads: tuple[LostDownload, ...]
    overlooked: tuple[str, ...]
    """Files below ``manifests/`` that the server does not read: it deletes what only they name."""
    stops: tuple[Problem, ...]
    """What below ``manifests/`` makes the server skip its prune."""
    unsure: tuple[Problem, ...]
    """What this user cannot read or this version does not know: the server may differ."""
    server_version: str | None = None
    """The version of the server that was asked."""
    older_server: "NextStart | None" = None
    """Where the store has models in ``manifests-v2/``: what a server does that does not know them."""


def is_noprune(environ: Mapping[str, str]) -> bool:
    """Whether ``OLLAMA_NOPRUNE`` is set in ``environ``; as the server reads it, any unknown word means yes."""
    return environ.get("OLLAMA_NOPRUNE", "").strip().strip("\"'") not in _NO


def next_start(inventory: Inventory, now: float, noprune: bool, version: str | None = None) -> NextStart:
    """Return what a server that starts at ``now`` (seconds, UTC) does to the store, if nothing changes until then.

    A server of unknown ``version`` is one that knows every tree of manifests that the store has.
    """
    has_v2 = any(map(_is_in_v2, inventory.models))
    release = _RELEASE.match(version or "")
    found = tuple(map(int, release.groups())) if release else ()
    knows_v2 = found > _LAST_WITHOUT_V2 if any(found) else has_v2  # a build between releases says 0.0.0
    coming = _start(inventory, now, noprune, knows_v2=knows_v2)
    older = _start(inventory, now, noprune, knows_v2=False) if has_v2 else None
    return replace(coming, server_version=version, older_server=older)


def dangers(coming: NextStart) -> tuple[Problem, ...]:
    """Return the danger that a server which does not know ``manifests-v2/`` is to the store, where it is one."""
    older = coming.older_server
    if older is None or not older.would_break:
        return ()
    blobs, models = len(older.files), len(older.would_break)
    lost = f"{blobs} blob{'s' * (blobs > 1)}, {models} model{'s' * (models > 1)}"
    message = f"{OLDER} would delete {lost}, at its next start"
    return (Problem(path="manifests-v2", kind="older-server", message=message, blocks_prune=False),)


def _start(inventory: Inventory, now: float, noprune: bool, *, knows_v2: bool) -> NextStart:
    before = [file for blob in inventory.blobs if blob.state is not State.TRASHED for file in blob.files]
    renamed = {file.path: new for file in before if (new := _new_spelling(file.path))}
    after = {renamed.get(file.path, file.path): file for file in before}
    stops = () if knows_v2 else tuple(_stops(inventory))
    more = f" (and {len(stops) - 1} more that stop it)" if len(stops) > 1 else ""
    why = "OLLAMA_NOPRUNE is set" if noprune else f"{stops[0].path}: {stops[0].message}{more}" if stops else None
    kept = _kept(inventory, knows_v2)
    removed = {} if why else {path: file for path, file in after.items() if _is_due(path, file, kept, now)}
    staying = after.keys() - removed.keys()
    gone = {file.path for file in before} - staying
    return NextStart(
        skipped=why is not None,
        noprune=noprune,
        why=why,
        files=tuple(sorted(gone)),
        renamed=tuple(sorted((old, new) for old, new in renamed.items() if new in staying)),
        reclaims=reclaimed(removed.values()),
        would_break=tuple(sorted(set(_broken(inventory, _lost(removed, staying))))),
        downloads=tuple(_downloads(inventory.blobs, gone)),
        overlooked=tuple(problem.path for problem in inventory.problems if problem.kind in _OVERLOOKED),
        stops=stops,
        unsure=tuple(problem for problem in inventory.problems if problem.kind in _UNSURE),
    )


def _new_spelling(path: str) -> str | None:
    """The new path of a blob of an old version, wherever below ``blobs/`` it lies."""
    folder, _, rest = path.rpartition("/sha256:")
    return f"{folder}/sha256-{rest}" if folder and "/" not in rest else None


def _is_due(path: str, file: File, kept: Collection[str], now: float) -> bool:
    folder, _, name = path.rpartition("/")
    if folder != "blobs" or now - file.mtime_ns / 1e9 < GRACE_SECONDS:
        return False
    digest = name.replace("-", ":")
    return not _DIGEST.match(digest) or digest not in kept


def _is_in_v2(model: Model) -> bool:
    return place_of(model.manifest.path).area is Area.MANIFESTS_V2


def _kept(inventory: Inventory, knows_v2: bool) -> set[str]:
    if knows_v2:
        return {digest for model in inventory.models for digest in model.needs}
    by_server = {reading.path: reading.digests or () for reading in inventory.by_server}
    kept = {digest for digests in by_server.values() for digest in digests}
    for model in inventory.models:
        if model.manifest.path not in by_server and not _is_in_v2(model):
            kept.update(layer.digest for layer in model.layers)
    return kept


def _stops(inventory: Inventory) -> Iterator[Problem]:
    unread = {reading.path for reading in inventory.by_server if reading.digests is None}
    for problem in inventory.problems:
        is_a_tag = place_of(problem.path).area is Area.MANIFESTS and problem.path.count("/") == _SLASHES_OF_A_TAG
        if is_a_tag and (problem.kind in _STOPPING or (problem.kind in _BROKEN and problem.path in unread)):
            unread.discard(problem.path)
            yield problem
    for path in sorted(unread):
        message = "the server cannot read this manifest, although it can be read here"
        yield Problem(path=path, kind="bad-manifest", message=message, blocks_prune=False)


def _lost(removed: Collection[str], staying: Iterable[str]) -> set[str]:
    folded = {path.lower() for path in removed}  # a name may be in any case
    still = {place_of(path).whole for path in staying if path.lower() in folded}
    return {digest for path in removed if (digest := place_of(path).whole)} - still


def _broken(inventory: Inventory, lost: set[str]) -> Iterator[str]:
    """Models that need a deleted blob; where an unreferenced one is deleted, also models that name no blob any more.

    A manifest in the older tree is whole without the copy of it that lies in ``blobs/``.
    """
    for model in inventory.models:
        spare = () if _is_in_v2(model) else (f"sha256:{model.digest}",)
        if lost.intersection(model.needs).difference(spare):
            yield model.name
    rows = (inventory.blob_by_key.get(digest) for digest in lost)
    if any(row and row.state is State.UNREFERENCED for row in rows):
        for reading in inventory.by_server:
            if reading.digests == ():
                yield ModelName(*reading.path.split("/")[1:]).short


def _downloads(blobs: Iterable[Blob], gone: set[str]) -> Iterator[LostDownload]:
    for blob in blobs:
        files = tuple(file.path for file in blob.files if file.path in gone)
        data = [file for file in blob.files if not _PART.match(file.path)]
        if blob.state is State.PARTIAL and blob.digest and files and data:
            size = max(file.size for file in data)
            yield LostDownload(digest=blob.digest, files=files, held=min(allocated(data), size), size=size)


# What the user that Ollama runs as may do: less than before, after a ``sudo cp`` or a restore by root

_MANIFESTS = ("manifests", "manifests-v2")
_TREES = ("blobs", "metadata", *_MANIFESTS)
_READ, _WRITE, _ENTER = 4, 2, 1


def with_barred(inventory: Inventory, service: str | None) -> Inventory:
    """Return ``inventory`` with a problem for each folder that has files which the user ``service`` cannot use.

    By default that is the owner of the store. Access lists are not looked at.
    """
    root = inventory.store.root
    if inventory.store.exported_from is not None:
        return inventory
    name, uid, groups = _user(root, service)

    def lacks(status: os.stat_result, wanted: int) -> bool:
        granted = status.st_mode >> 3 if status.st_gid in groups else status.st_mode
        return status.st_uid != uid and granted & wanted != wanted

    found: list[Problem] = []
    for tree in _TREES if uid else ():
        if barred := list(_barred(lacks, os.path.join(root, tree), tree)):
            why = f"Ollama runs as {name}, who may not read or change {few(barred)}"
            found.append(Problem(path=tree, kind="foreign-files", message=why, blocks_prune=False, user=name))
    return replace(inventory, problems=(*inventory.problems, *found)) if found else inventory


def _user(root: str, service: str | None) -> tuple[str, int, list[int]]:
    uid = os.stat(root).st_uid
    with suppress(KeyError):
        entry = pwd.getpwnam(service) if service else pwd.getpwuid(uid)
        return entry.pw_name, entry.pw_uid, os.getgrouplist(entry.pw_name, entry.pw_gid)
    return owner_name(uid), uid, []


def _barred(lacks: Callable[[os.stat_result, int], bool], folder: str, path: str) -> Iterator[str]:
    """What Ollama cannot read, nor rewrite if it is a manifest, and folders in which it cannot delete or add files."""
    with suppress(OSError):  # gone, or closed to us as well, which is a problem already
        if lacks(os.stat(folder), _READ | _WRITE | _ENTER):
            yield f"{path}/"
        with os.scandir(folder) as entries:
            listing = sorted(entries, key=lambda entry: entry.name)
        wanted = _READ | _WRITE if path.split("/")[0] in _MANIFESTS else _READ
        for entry in listing:
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    yield from _barred(lacks, entry.path, f"{path}/{entry.name}")
                elif stat.S_ISREG(status.st_mode) and lacks(status, wanted):
                    yield f"{path}/{entry.name}"
