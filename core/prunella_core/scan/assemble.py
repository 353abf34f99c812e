"""Puts what was read together: who uses what, what nothing uses, what is missing."""

import os
from collections.abc import Callable, Iterator

from prunella_core.digests import read_blob_name
from prunella_core.inventory import Blob, Details, Inventory, Model, Problem, State, TrashEntry
from prunella_core.manifest import Layer
from prunella_core.pins import is_pinned, read_pins
from prunella_core.problems import problem
from prunella_core.scan.blobs import BlobReading, read_blobs
from prunella_core.scan.configs import UNKNOWN, read_config
from prunella_core.scan.manifests import ReadManifest, read_manifests
from prunella_core.scan.progress import Report, Space, silent, space_of
from prunella_core.scan.system import held_open, keeps_atime
from prunella_core.scan.trash import read_trash
from prunella_core.sizes import File
from prunella_core.store import Store

_LOADED_KINDS = {"weights", "tensor"}


def scan(store: Store, now: float, report: Report = silent, space_of: Callable[[str], Space] = space_of) -> Inventory:
    """Read the whole store at ``now`` (seconds, UTC). Blobs are listed before manifests are read.

    In that order a model whose pull ends in mid-scan has its manifest seen with its blobs, or not its blobs: never the
    blobs without the manifest. What cannot be read is a Problem in the Inventory; only a store that vanishes raises
    OSError.
    """
    on_disk = read_blobs(store, 0, report)
    reading = read_manifests(store, report)
    models = _models(store, reading.manifests, on_disk, read_pins(store))
    users = _with_link_targets(_users(reading.manifests), on_disk)
    layers = {layer.digest: layer for manifest in reading.manifests for layer in manifest.layers}
    trash = read_trash(store)
    space = space_of(store.root)
    return Inventory(
        store=store,
        scanned_at=now,
        models=tuple(models),
        blobs=(*_rows(on_disk, users, layers), *_trashed_rows(trash)),
        problems=(*reading.problems, *on_disk.problems, *_model_problems(store, models, on_disk)),
        trash=trash,
        held_open=held_open(store, on_disk.partial),
        disk_total=space.total,
        disk_free=space.free,
    )


def _models(
    store: Store, manifests: tuple[ReadManifest, ...], on_disk: BlobReading, pins: tuple[str, ...]
) -> list[Model]:
    known: dict[str, Details] = {}
    with_atime = keeps_atime(store.blobs)
    models = [_model(store, manifest, on_disk, known, with_atime, pins) for manifest in manifests]
    return sorted(models, key=lambda model: model.name)


def _model(
    store: Store,
    manifest: ReadManifest,
    on_disk: BlobReading,
    known: dict[str, Details],
    with_atime: bool,
    pins: tuple[str, ...],
) -> Model:
    config = next((layer.digest for layer in manifest.layers if layer.kind == "config"), "")
    if config not in known:
        files = on_disk.whole.get(config, ())
        known[config] = read_config(store.path(files[0].path)) if files and files[0].is_regular else UNKNOWN
    return Model(
        name=manifest.name.short,
        manifest=manifest.file,
        digest=manifest.digest,
        size=manifest.size,
        layers=manifest.layers,
        needs=manifest.needs,
        details=known[config],
        looks_created=manifest.looks_created,
        weights_read_at=_weights_read_at(store, manifest, on_disk) if with_atime else None,
        is_pinned=is_pinned(manifest.name.short, pins),
    )


def _weights_read_at(store: Store, manifest: ReadManifest, on_disk: BlobReading) -> float | None:
    """The atime of the first layer that is read when a model is loaded: all are read together."""
    digest = next((layer.digest for layer in manifest.layers if layer.kind in _LOADED_KINDS), "")
    file = next((file for file in on_disk.whole.get(digest, ()) if file.is_regular), None)
    try:
        return os.lstat(store.path(file.path)).st_atime if file else None
    except FileNotFoundError:
        return None


def _users(manifests: tuple[ReadManifest, ...]) -> dict[str, tuple[str, ...]]:
    users: dict[str, list[str]] = {}
    for manifest in sorted(manifests, key=lambda read: read.name.short):
        for digest in manifest.needs:
            users.setdefault(digest, []).append(manifest.name.short)
    return {digest: tuple(names) for digest, names in users.items()}


def _with_link_targets(users: dict[str, tuple[str, ...]], on_disk: BlobReading) -> dict[str, tuple[str, ...]]:
    """Let a blob that a needed blob links to be needed by the same models."""
    result = dict(users)
    waiting = [digest for digest in users if any(file.target for file in on_disk.whole.get(digest, ()))]
    for digest in waiting:
        for file in on_disk.whole[digest]:
            target = _digest_in_blobs(file.target)
            if target in on_disk.whole and not set(result[digest]) <= set(result.get(target, ())):
                result[target] = tuple(sorted({*result.get(target, ()), *result[digest]}))
                waiting.append(target)
    return result


def _digest_in_blobs(target: str | None) -> str:
    """The digest that the target of a link is named by; taking it for one of this folder only ever keeps more."""
    return read_blob_name(os.path.basename(target or "")).digest or ""


def _rows(on_disk: BlobReading, users: dict[str, tuple[str, ...]], layers: dict[str, Layer]) -> Iterator[Blob]:
    for digest, files in on_disk.whole.items():
        kind = layers[digest].kind if digest in layers else None
        state = State.REFERENCED if digest in users else State.UNREFERENCED
        models = users.get(digest, ())
        yield Blob(key=digest, digest=digest, state=state, kind=kind, files=files, models=models)
    for digest in users.keys() - on_disk.whole.keys():
        layer = layers.get(digest)
        yield Blob(
            key=digest,
            digest=digest,
            state=State.MISSING,
            kind=layer.kind if layer else None,
            files=(),
            models=users[digest],
            declared=layer.size if layer else None,
        )
    for digest, files in on_disk.partial.items():
        yield _unused(f"{digest}-partial", digest, State.PARTIAL, files)
    for path, files in on_disk.leftover.items():
        yield _unused(path, None, State.LEFTOVER, files)
    for path, files in on_disk.stray.items():
        yield _unused(path, None, State.STRAY, files)


def _unused(key: str, digest: str | None, state: State, files: tuple[File, ...]) -> Blob:
    in_order = tuple(sorted(files, key=lambda file: file.path))
    return Blob(key=key, digest=digest, state=state, kind=None, files=in_order)


def _trashed_rows(trash: tuple[TrashEntry, ...]) -> Iterator[Blob]:
    for entry in trash:
        names = tuple(model.name for model in entry.models)
        for file in entry.files:
            if "/blobs/" in file.path:
                digest = read_blob_name(os.path.basename(file.path)).digest
                yield Blob(
                    key=file.path,
                    digest=digest,
                    state=State.TRASHED,
                    kind=None,
                    files=(file,),
                    removed_at=entry.removed_at,
                    models=tuple(m.name for m in entry.models if digest in m.needs) if digest else names,
                )


def _model_problems(store: Store, models: list[Model], on_disk: BlobReading) -> Iterator[Problem]:
    for model in models:
        missing = [digest for digest in model.needs if not _is_there(store, on_disk.whole.get(digest))]
        if missing:
            count = f"{len(missing)} of its {len(model.needs)} blobs"
            named = ", ".join(digest[:19] for digest in missing[:3]) + (" …" if len(missing) > 3 else "")
            yield problem(model.manifest.path, "missing-blob", f"{count} not there: {named}", model.name)
        for layer in model.layers:
            files = on_disk.whole.get(layer.digest, ())
            if files and files[0].is_regular and files[0].size != layer.size:
                sizes = f"{files[0].size} bytes, not the {layer.size} of the manifest"
                message = f"the {layer.kind} blob {layer.digest[:19]} has {sizes}"
                yield problem(model.manifest.path, "wrong-size", message, model.name)


def _is_there(store: Store, files: tuple[File, ...] | None) -> bool:
    """Whether a blob has its bytes; of a symbolic link it is asked whether it leads anywhere, and nothing more."""
    return bool(files) and any(file.is_regular or os.path.exists(store.path(file.path)) for file in files or ())
