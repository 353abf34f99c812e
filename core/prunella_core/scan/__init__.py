"""The one reader: turns a Store into an Inventory. It opens manifests and small configs, and writes nothing."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from functools import cache

from prunella_core.fs.files import File
from prunella_core.inventory.problems import distance, flipped, problem
from prunella_core.inventory.records import Blob, Details, Inventory, Model, Problem, State, TrashEntry
from prunella_core.ollama.manifest import Layer, layer_kind
from prunella_core.ollama.names import FileKind, place_of
from prunella_core.scan.blobs import BlobReading, Rows, held_open, list_blobs, reached_from, read_blobs
from prunella_core.scan.manifests import ReadManifest, read_manifests
from prunella_core.scan.own import OwnFiles, read_trash, read_vanished
from prunella_core.scan.system import (
    Capacity,
    Count,
    Report,
    capacity_of,
    keeps_atime,
    never,
    read_config,
    silent,
    weights_in,
    without_sweeps,
)
from prunella_core.store import Store, is_pinned


def scan(
    store: Store,
    now: float,
    report: Report = silent,
    capacity_of: Callable[[str], Capacity] = capacity_of,
    *,
    cancelled: Callable[[], bool] = never,
) -> Inventory:
    """Read the whole store at ``now`` (seconds, UTC). What cannot be read is a Problem in the Inventory.

    Blobs are listed before manifests are read. In that order a model whose pull ends in mid-scan has its manifest seen
    with its blobs, or not its blobs: never the blobs without the manifest. Raises Cancelled, and OSError when the store
    vanishes.
    """
    count = Count(report, cancelled)
    own = OwnFiles(store)
    listing = list_blobs(store)
    manifests = read_manifests(store, count=count)
    on_disk = read_blobs(store, listing, count, own)
    trash, trash_problems = read_trash(store, own)
    by_name = sorted(manifests.manifests.values(), key=lambda manifest: manifest.name)
    reaches = reached_from(store, on_disk)
    users = _users(by_name, reaches)
    layers, odd = _layers(by_name)
    rows = dict(on_disk.rows)
    needed, missing, resized = _needed(users, layers, rows, reaches, manifests.blobs)
    unneeded = _unneeded(rows, on_disk.kinds, reaches, manifests.temporary)
    absent = {blob.key for blob in missing}
    absent.update(key for key in on_disk.links if key in users and not _is_there(store, on_disk.rows[key]))
    models = _models(store, by_name, on_disk, own.pins)
    disk = capacity_of(store.root)
    return Inventory(
        store=store,
        scanned_at=now,
        models=models,
        blobs=(*needed, *missing, *unneeded, *_trashed(trash)),
        problems=(
            *manifests.problems,
            *on_disk.problems,
            *_of_blobs(by_name, absent, odd | resized, on_disk.rows),
            *_flipped(absent, users, rows, on_disk),
            *own.problems,
            *trash_problems,
        ),
        by_server=tuple(manifests.by_server),
        trash=trash,
        held_open=held_open(store, on_disk),
        staged=own.staged,
        guard=own.guard,
        vanished=read_vanished(store, own.guard, models),
        disk_total=disk.total,
        disk_free=disk.free,
    )


_STATES = {FileKind.PARTIAL: State.PARTIAL, FileKind.LEFTOVER: State.LEFTOVER, FileKind.STRAY: State.STRAY}
_ORDER = tuple(State)
_Names = tuple[str, ...]


def _users(manifests: Iterable[ReadManifest], reaches: Mapping[str, _Names]) -> dict[str, _Names]:
    """Under each digest the models that need it, in their order. Blobs with the same users have the same tuple.

    What a needed link leads to is needed by the same models.
    """
    users: dict[str, _Names] = {}
    several: dict[str, list[str]] = {}
    for manifest in manifests:
        alone = (manifest.name,)
        for digest in manifest.needs:
            if (first := users.setdefault(digest, alone)) is not alone:
                several.setdefault(digest, [*first]).append(manifest.name)
    led: dict[str, set[str]] = {}
    for link, keys in reaches.items():
        for key in keys:
            led.setdefault(key, set()).update(several.get(link) or users.get(link, ()))
    for key, names in led.items():
        if names:
            several[key] = sorted(names.union(several.get(key) or users.get(key, ())))
    known: dict[_Names, _Names] = {}
    for digest, together in several.items():
        users[digest] = known.setdefault(tuple(together), tuple(together))
    return users


def _layers(manifests: Iterable[ReadManifest]) -> tuple[dict[str, Layer], set[str]]:
    """The layer of each digest, and the digests of which not all manifests declare the same size."""
    layers: dict[str, Layer] = {}
    odd = set()
    for manifest in manifests:
        for layer in manifest.layers:
            if layers.setdefault(layer.digest, layer).size != layer.size:
                odd.add(layer.digest)
    return layers, odd


def _needed(
    users: Mapping[str, _Names], layers: Mapping[str, Layer], rows: Rows, reaches: Mapping[str, _Names], blobs: Set[str]
) -> tuple[list[Blob], list[Blob], set[str]]:
    """Move from ``rows`` what models need: what is there, what is missing, what has another size."""
    found, missing, odd = [], [], set()
    take, layer_of, reached, referenced, nothing = rows.pop, layers.get, reaches.get, State.REFERENCED, ()
    for key, models in users.items():
        layer, files = layer_of(key), take(key, nothing)
        kind = layer_kind(layer.media_type) if layer else "manifest" if key in blobs else None
        if not files:
            missing.append(Blob(key, key, State.MISSING, kind, (), models, declared=layer.size if layer else None))
            continue
        found.append(
            Blob(key, key if layer else _digest_of(key), referenced, kind, files, models, reached(key, nothing))
        )
        if layer and layer.size != files[0].size:
            odd.add(key)
    return found, missing, odd


def _unneeded(
    rows: Rows, kinds: Mapping[str, FileKind], reaches: Mapping[str, _Names], temporary: Iterable[File]
) -> list[Blob]:
    kinds = {**kinds, **{file.path: FileKind.LEFTOVER for file in temporary}}
    found = [
        Blob(
            key,
            _digest_of(key),
            _STATES.get(kinds.get(key, FileKind.WHOLE), State.UNREFERENCED),
            None,
            files,
            reaches=reaches.get(key, ()),
        )
        for key, files in (rows | {file.path: (file,) for file in temporary}).items()
    ]
    return sorted(found, key=lambda blob: (_ORDER.index(blob.state), blob.key))


def _digest_of(key: str) -> str | None:
    return key.removesuffix("-partial") if key.startswith("sha256:") else None


def _trashed(trash: Iterable[TrashEntry]) -> Iterator[Blob]:
    for entry in trash:
        names = tuple(model.name for model in entry.models)
        for file in entry.files:
            place = place_of(file.path)
            if place.kind:
                digest = place.digest
                yield Blob(
                    key=file.path,
                    digest=digest,
                    state=State.TRASHED,
                    kind=None,
                    files=(file,),
                    removed_at=entry.removed_at,
                    models=tuple(m.name for m in entry.models if digest in m.needs) if digest else names,
                )


def _models(store: Store, manifests: Iterable[ReadManifest], on_disk: BlobReading, pins: _Names) -> tuple[Model, ...]:

    @cache
    def details(digest: str) -> Details:
        files = on_disk.rows.get(digest)
        return read_config(store.path(files[0].path)) if files and files[0].is_regular else Details()

    @cache
    def read_at(digest: str) -> float | None:
        file = next((file for file in on_disk.rows.get(digest, ()) if file.is_regular), None)
        try:
            return os.lstat(store.path(file.path)).st_atime if file else None
        except FileNotFoundError:
            return None

    with_atime = keeps_atime(store.blobs)
    models = []
    times = {}
    for manifest in manifests:
        layers = manifest.layers
        config = layers[0].digest if layers and layers[0].kind == "config" else ""
        loaded = weights_in(layers) if with_atime else None
        weights = loaded.digest if loaded else ""
        times[weights] = read_at(weights)
        model = Model(
            name=manifest.name,
            manifest=manifest.file,
            digest=manifest.digest,
            size=manifest.size,
            layers=layers,
            needs=manifest.needs,
            details=details(config),
            looks_created=manifest.looks_created,
            weights_read_at=times[weights],
            is_pinned=is_pinned(manifest.name, pins),
        )
        models.append(model)
    return without_sweeps(models, times.values())


def _is_there(store: Store, files: Iterable[File]) -> bool:
    """Whether a blob has its bytes; of a symbolic link it is asked whether it leads anywhere, and nothing more."""
    return any(file.is_regular or os.path.exists(store.path(file.path)) for file in files)


def _of_blobs(manifests: Iterable[ReadManifest], absent: Set[str], odd: Set[str], rows: Rows) -> Iterator[Problem]:
    for manifest in manifests if absent or odd else ():
        if missing := [digest for digest in manifest.needs if digest in absent] if absent else []:
            count = f"{len(missing)} of its {len(manifest.needs)} blobs"
            named = ", ".join(digest[:19] for digest in missing[:3]) + (" …" if len(missing) > 3 else "")
            yield problem(manifest.file.path, "missing-blob", f"{count} not there: {named}", manifest.name)
        for layer in manifest.layers if not odd.isdisjoint(manifest.needs) else ():
            file = rows.get(layer.digest, (None,))[0]
            if file and file.is_regular and file.size != layer.size:
                sizes = f"{file.size:,} bytes, but its manifest says {layer.size:,}"
                message = f"the {layer.kind} blob {layer.digest[:19]} has {sizes}"
                yield problem(manifest.file.path, "wrong-size", message, manifest.name)


def _flipped(absent: Set[str], users: Mapping[str, _Names], unneeded: Rows, on_disk: BlobReading) -> Iterator[Problem]:
    for digest, missing in flipped(absent, unneeded.keys() - on_disk.kinds.keys()).items():
        path, name = on_disk.rows[digest][0].path, users[missing][0]
        digits = distance(digest, missing)
        message = f"nothing references this blob, and {missing}, which is missing, differs in {digits} of 64 digits"
        yield problem(path, "flipped-digit", message, name)
