"""Puts what was read together: who uses what, what nothing uses, what is missing."""

import os
from collections.abc import Iterable, Iterator

from prunella_core.inventory.flipped import distance, flipped
from prunella_core.inventory.problems import problem
from prunella_core.inventory.records import Blob, Details, Model, Problem, State, TrashEntry
from prunella_core.ollama.manifest import Layer
from prunella_core.ollama.paths import place_of
from prunella_core.scan.blobs import BlobReading, Rows, reached_from
from prunella_core.scan.configs import UNKNOWN, read_config
from prunella_core.scan.manifests import ManifestReading, ReadManifest
from prunella_core.scan.system import keeps_atime
from prunella_core.store.locate import Store
from prunella_core.store.pins import is_pinned

_LOADED_KINDS = {"weights", "tensor"}
_Users = dict[str, tuple[str, ...]]


class Assembly:
    """Makes models, rows and problems of what was read. Small files that many models share are read once."""

    def __init__(self, store: Store, reading: ManifestReading, on_disk: BlobReading, pins: tuple[str, ...]) -> None:
        self.store = store
        self.reading = reading
        self.on_disk = on_disk
        self.pins = pins
        self.manifests = sorted(reading.manifests, key=lambda manifest: manifest.name)
        self.reaches = reached_from(store, on_disk)
        self.users = _users(self.manifests, self.reaches)
        self.layers: dict[str, Layer] = {}
        self.odd_sizes: set[str] = set()
        """Digests of which not all manifests declare the same size, or the file has another."""
        for manifest in self.manifests:
            self._add_layers(manifest)
        self.with_atime = keeps_atime(store.blobs)
        self._details: dict[str, Details] = {}
        self._read_at: dict[str, float | None] = {}

    def _add_layers(self, manifest: ReadManifest) -> None:
        known, whole = self.layers, self.on_disk.whole
        for layer in manifest.layers:
            if layer.digest not in known:
                known[layer.digest] = layer
                if (files := whole.get(layer.digest)) and files[0].size != layer.size:
                    self.odd_sizes.add(layer.digest)
            elif known[layer.digest].size != layer.size:
                self.odd_sizes.add(layer.digest)

    def models(self) -> tuple[Model, ...]:
        """Every model, in the order of the names."""
        return tuple([self._model(manifest) for manifest in self.manifests])

    def _model(self, manifest: ReadManifest) -> Model:
        return Model(
            name=manifest.name,
            manifest=manifest.file,
            digest=manifest.digest,
            size=manifest.size,
            layers=manifest.layers,
            needs=manifest.needs,
            details=self._details_of(manifest),
            looks_created=manifest.looks_created,
            weights_read_at=self._weights_read_at(manifest) if self.with_atime else None,
            is_pinned=is_pinned(manifest.name, self.pins),
        )

    def _details_of(self, manifest: ReadManifest) -> Details:
        layers = manifest.layers
        config = layers[0].digest if layers and layers[0].kind == "config" else ""
        if config not in self._details:
            files = self.on_disk.whole.get(config, ())
            if not files or not files[0].is_regular:
                return UNKNOWN
            self._details[config] = read_config(self.store.path(files[0].path))
        return self._details[config]

    def _weights_read_at(self, manifest: ReadManifest) -> float | None:
        """The atime of the first layer that is read when a model is loaded: all are read together."""
        for layer in manifest.layers:
            if layer.kind in _LOADED_KINDS:
                return self._atime(layer.digest)
        return None

    def _atime(self, digest: str) -> float | None:
        if digest not in self._read_at:
            file = next((file for file in self.on_disk.whole.get(digest, ()) if file.is_regular), None)
            try:
                self._read_at[digest] = os.lstat(self.store.path(file.path)).st_atime if file else None
            except FileNotFoundError:
                self._read_at[digest] = None
        return self._read_at[digest]

    def rows(self, trash: tuple[TrashEntry, ...]) -> tuple[Blob, ...]:
        """Every row of ``blobs/``, and of the trash: what models need in their order, then the others by name."""
        disk = self.on_disk
        return (
            *self._needed(),
            *self._unneeded(State.UNREFERENCED, disk.whole),
            *self._unneeded(State.PARTIAL, disk.partial),
            *self._unneeded(State.LEFTOVER, {**disk.leftover, **self._temporary()}),
            *self._unneeded(State.STRAY, disk.stray),
            *_trashed(trash),
        )

    def _temporary(self) -> Rows:
        return {file.path: (file,) for file in self.reading.temporary}

    def _kind(self, digest: str) -> str | None:
        if layer := self.layers.get(digest):
            return layer.kind
        return "manifest" if digest in self.reading.blobs else None

    def _needed(self) -> Iterator[Blob]:
        find, kind_of, reaches = self.on_disk.whole.get, self._kind, self.reaches.get
        missing = []
        for key, models in self.users.items():
            if files := find(key) or self.on_disk.find(key):
                yield Blob(
                    key=key,
                    digest=key if key in self.layers else _digest_of(key),
                    state=State.REFERENCED,
                    kind=kind_of(key),
                    files=files,
                    models=models,
                    reaches=reaches(key, ()),
                )
            else:
                missing.append(key)
        for key in missing:
            size = self.layers[key].size if key in self.layers else None
            models = self.users[key]
            yield Blob(
                key=key, digest=key, state=State.MISSING, kind=kind_of(key), files=(), models=models, declared=size
            )

    def _unneeded(self, state: State, rows: Rows) -> Iterator[Blob]:
        for key in sorted(rows.keys() - self.users.keys()):
            reaches = self.reaches.get(key, ())
            yield Blob(key=key, digest=_digest_of(key), state=state, kind=None, files=rows[key], reaches=reaches)

    def problems(self) -> tuple[Problem, ...]:
        """What stands in the way, in the manifests, in the blobs, and between them."""
        return (*self.reading.problems, *self.on_disk.problems, *self._between())

    def _between(self) -> Iterator[Problem]:
        """What models miss, and what has another size than their manifests say."""
        absent = {key for key in self.users.keys() - self.on_disk.whole.keys() if not self.on_disk.find(key)}
        absent.update(key for key in self.on_disk.links if key in self.users and not self._is_there(key))
        odd = self.odd_sizes
        for manifest in self.manifests if absent or odd else ():
            if not absent.isdisjoint(manifest.needs):
                yield _missing(manifest, [digest for digest in manifest.needs if digest in absent])
            if not odd.isdisjoint(manifest.needs):
                yield from self._wrong_sizes(manifest)
        yield from self._flipped(absent)

    def _flipped(self, absent: set[str]) -> Iterator[Problem]:
        for digest, missing in flipped(absent, self.on_disk.whole.keys() - self.users.keys()).items():
            path, name = self.on_disk.whole[digest][0].path, self.users[missing][0]
            digits = distance(digest, missing)
            message = f"nothing references this blob, and {missing}, which is missing, differs in {digits} of 64 digits"
            yield problem(path, "flipped-digit", message, name)

    def _is_there(self, key: str) -> bool:
        """Whether a blob has its bytes; of a symbolic link it is asked whether it leads anywhere, and nothing more."""
        files = self.on_disk.find(key) or ()
        return any(file.is_regular or os.path.exists(self.store.path(file.path)) for file in files)

    def _wrong_sizes(self, manifest: ReadManifest) -> Iterator[Problem]:
        for layer in manifest.layers:
            file = self.on_disk.whole.get(layer.digest, (None,))[0]
            if file and file.is_regular and file.size != layer.size:
                sizes = f"{file.size} bytes, not the {layer.size} of the manifest"
                message = f"the {layer.kind} blob {layer.digest[:19]} has {sizes}"
                yield problem(manifest.file.path, "wrong-size", message, manifest.name)


def _users(manifests: Iterable[ReadManifest], reaches: dict[str, tuple[str, ...]]) -> _Users:
    """Under each digest the models that need it, in their order. Blobs with the same users have the same tuple.

    What a needed link leads to is needed by the same models.
    """
    users: _Users = {}
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
    known: dict[tuple[str, ...], tuple[str, ...]] = {}
    for digest, together in several.items():
        users[digest] = known.setdefault(tuple(together), tuple(together))
    return users


def _digest_of(key: str) -> str | None:
    return key.removesuffix("-partial") if key.startswith("sha256:") else None


def _missing(manifest: ReadManifest, missing: list[str]) -> Problem:
    count = f"{len(missing)} of its {len(manifest.needs)} blobs"
    named = ", ".join(digest[:19] for digest in missing[:3]) + (" …" if len(missing) > 3 else "")
    return problem(manifest.file.path, "missing-blob", f"{count} not there: {named}", manifest.name)


def _trashed(trash: tuple[TrashEntry, ...]) -> Iterator[Blob]:
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
