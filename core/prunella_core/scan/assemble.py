"""Puts what was read together: who uses what, what nothing uses, what is missing."""

import os
from collections.abc import Iterable, Iterator

from prunella_core.fs.sizes import File
from prunella_core.inventory.problems import problem
from prunella_core.inventory.records import Blob, Details, Model, Problem, State, TrashEntry
from prunella_core.inventory.rows import BlobRows, Taken
from prunella_core.ollama.digests import read_blob_name
from prunella_core.ollama.manifest import Layer, layer_kind
from prunella_core.scan.blobs import BlobReading, digest_in_blobs
from prunella_core.scan.configs import UNKNOWN, read_config
from prunella_core.scan.manifests import ManifestReading, ReadManifest
from prunella_core.scan.match import Match
from prunella_core.scan.system import keeps_atime
from prunella_core.store.locate import Store
from prunella_core.store.pins import is_pinned

_LOADED_KINDS = {"weights", "tensor"}
_Users = dict[str, tuple[str, ...]]


class Index:
    """Who needs each digest, and what for, of everything that was read from ``manifests/``."""

    def __init__(self, reading: ManifestReading) -> None:
        self.reading = reading
        self.manifests = sorted(reading.manifests, key=lambda manifest: manifest.name)
        self.users: _Users = {}
        """Under each digest the models that need it, in their order. Blobs with the same users have the same tuple."""
        self.shared: _Users = {}
        """Of these, those that several models need."""
        self.layers: dict[str, Layer] = {}
        self.of_two_sizes: set[str] = set()
        """Digests of which not all manifests declare the same size."""
        more: dict[str, list[str]] = {}
        for manifest in self.manifests:
            self._add(manifest, more)
        known: dict[tuple[str, ...], tuple[str, ...]] = {}
        for digest, names in more.items():
            together = (*self.users[digest], *names)
            self.users[digest] = self.shared[digest] = known.setdefault(together, together)

    def _add(self, manifest: ReadManifest, more: dict[str, list[str]]) -> None:
        alone = (manifest.name,)
        for digest in manifest.needs:
            if self.users.setdefault(digest, alone) is not alone:
                more.setdefault(digest, []).append(manifest.name)
        for layer in manifest.layers:
            if self.layers.setdefault(layer.digest, layer).size != layer.size:
                self.of_two_sizes.add(layer.digest)


class Assembly:
    """Makes models, rows and problems of what was read. Small files that many models share are read once."""

    def __init__(self, store: Store, pins: tuple[str, ...]) -> None:
        self.store = store
        self.pins = pins
        self.with_atime = keeps_atime(store.blobs)
        self._details: dict[str, Details] = {}
        self._read_at: dict[str, float | None] = {}

    def models(self, index: Index, on_disk: BlobReading) -> tuple[Model, ...]:
        """Every model, in the order of the names."""
        return tuple([self._model(manifest, on_disk) for manifest in index.manifests])

    def _model(self, manifest: ReadManifest, on_disk: BlobReading) -> Model:
        return Model(
            name=manifest.name,
            manifest=manifest.file,
            digest=manifest.digest,
            size=manifest.size,
            layers=manifest.layers,
            needs=manifest.needs,
            details=self._details_of(manifest, on_disk),
            looks_created=manifest.looks_created,
            weights_read_at=self._weights_read_at(manifest, on_disk) if self.with_atime else None,
            is_pinned=is_pinned(manifest.name, self.pins),
        )

    def _details_of(self, manifest: ReadManifest, on_disk: BlobReading) -> Details:
        layers = manifest.layers
        config = layers[0].digest if layers and layers[0].kind == "config" else ""
        if config not in self._details:
            files = on_disk.whole.get(config, ())
            if not files or not files[0].is_regular:
                return UNKNOWN
            self._details[config] = read_config(self.store.path(files[0].path))
        return self._details[config]

    def _weights_read_at(self, manifest: ReadManifest, on_disk: BlobReading) -> float | None:
        """The atime of the first layer that is read when a model is loaded: all are read together."""
        for layer in manifest.layers:
            if layer.kind in _LOADED_KINDS:
                return self._atime(layer.digest, on_disk)
        return None

    def _atime(self, digest: str, on_disk: BlobReading) -> float | None:
        if digest not in self._read_at and digest in on_disk.whole:
            file = next((file for file in on_disk.whole[digest] if file.is_regular), None)
            try:
                self._read_at[digest] = os.lstat(self.store.path(file.path)).st_atime if file else None
            except FileNotFoundError:
                self._read_at[digest] = None
        return self._read_at.get(digest)

    def match(self, index: Index, on_disk: BlobReading) -> Match:
        """Find what models need among the files."""
        users, shared = _with_link_targets(index, on_disk)
        return Match(users, shared, on_disk.whole)

    def rows(
        self,
        index: Index,
        match: Match,
        on_disk: BlobReading,
        trash: tuple[TrashEntry, ...],
        is_whole: bool = True,
    ) -> BlobRows:
        """Every row of ``blobs/``, and of the trash. What a model needs and is not there is missing, or not read yet.

        The same store always gives the same order: that of the models, then that of the names.
        """
        layers = index.layers
        others = (*_unneeded(match, on_disk), *_trashed(trash))
        if is_whole:
            others = (*_absent(match, layers, State.MISSING), *others)
        return BlobRows(match.users, match.shared, others, _Source(match, layers, with_unread=not is_whole))

    def problems(self, index: Index, match: Match, on_disk: BlobReading, is_whole: bool = True) -> tuple[Problem, ...]:
        """What stands in the way, in the manifests, in the blobs, and between them."""
        found = (*index.reading.problems, *on_disk.problems)
        if not is_whole:
            return (problem("", "unread", "the store was not read to its end"), *found)
        return (*found, *self._between(index, match, on_disk))

    def _between(self, index: Index, match: Match, on_disk: BlobReading) -> Iterator[Problem]:
        """What models miss, and what has another size than their manifests say."""
        absent = {digest for digest in on_disk.links if not self._is_there(match.whole[digest])}
        absent.update(match.missing)
        odd = index.of_two_sizes | match.of_other_size(index.layers)
        for manifest in index.manifests if absent or odd else ():
            if not absent.isdisjoint(manifest.needs):
                yield _missing(manifest, [digest for digest in manifest.needs if digest in absent])
            if not odd.isdisjoint(manifest.needs):
                yield from _wrong_sizes(manifest, on_disk)

    def _is_there(self, files: tuple[File, ...]) -> bool:
        """Whether a blob has its bytes; of a symbolic link it is asked whether it leads anywhere, and nothing more."""
        return any(file.is_regular or os.path.exists(self.store.path(file.path)) for file in files)


def _missing(manifest: ReadManifest, missing: list[str]) -> Problem:
    count = f"{len(missing)} of its {len(manifest.needs)} blobs"
    named = ", ".join(digest[:19] for digest in missing[:3]) + (" …" if len(missing) > 3 else "")
    return problem(manifest.file.path, "missing-blob", f"{count} not there: {named}", manifest.name)


def _wrong_sizes(manifest: ReadManifest, on_disk: BlobReading) -> Iterator[Problem]:
    for layer in manifest.layers:
        file = on_disk.whole.get(layer.digest, (None,))[0]
        if file and file.is_regular and file.size != layer.size:
            sizes = f"{file.size} bytes, not the {layer.size} of the manifest"
            message = f"the {layer.kind} blob {layer.digest[:19]} has {sizes}"
            yield problem(manifest.file.path, "wrong-size", message, manifest.name)


def _with_link_targets(index: Index, on_disk: BlobReading) -> tuple[_Users, _Users]:
    """Let a blob that a needed blob links to be needed by the same models; return the users, and the shared ones."""
    users, shared = index.users, index.shared
    waiting = [digest for digest in on_disk.links if digest in users]
    for digest in waiting:
        for file in on_disk.whole[digest]:
            target = digest_in_blobs(file.target)
            if target in on_disk.whole and not set(users[digest]) <= set(users.get(target, ())):
                users[target] = tuple(sorted({*users.get(target, ()), *users[digest]}))
                if len(users[target]) > 1:
                    shared[target] = users[target]
                waiting.append(target)
    return users, shared


class _Source:
    """What rows are made from when somebody asks for them."""

    def __init__(self, match: Match, layers: dict[str, Layer], *, with_unread: bool) -> None:
        self.match = match
        self.layers = layers
        self.with_unread = with_unread

    def referenced(self) -> Iterator[Blob]:
        there, users, layer_of = State.REFERENCED, self.match.users, self.layers.get
        for digest, files in self.match.files():
            kind = layer_kind(layer.media_type) if (layer := layer_of(digest)) else None
            yield Blob(key=digest, digest=digest, state=there, kind=kind, files=files, models=users[digest])
        if self.with_unread:
            yield from _absent(self.match, self.layers, State.UNREAD)

    def find(self, digest: str) -> Blob | None:
        """One of these rows."""
        if (models := self.match.users.get(digest)) is None:
            return None
        kind = layer_kind(layer.media_type) if (layer := self.layers.get(digest)) else None
        if files := self.match.whole.get(digest):
            return Blob(key=digest, digest=digest, state=State.REFERENCED, kind=kind, files=files, models=models)
        return next(_absent(self.match, self.layers, State.UNREAD, [digest])) if self.with_unread else None

    def taken(self) -> Taken:
        return self.match.taken()


def _absent(
    match: Match, layers: dict[str, Layer], state: State, digests: Iterable[str] | None = None
) -> Iterator[Blob]:
    for digest in match.missing if digests is None else digests:
        layer, models = layers.get(digest), match.users[digest]
        declared = layer.size if layer else None
        kind = layer_kind(layer.media_type) if layer else None
        yield Blob(key=digest, digest=digest, state=state, kind=kind, files=(), models=models, declared=declared)


def _unneeded(match: Match, on_disk: BlobReading) -> Iterator[Blob]:
    for digest in match.unneeded:
        files = match.whole[digest]
        yield Blob(key=digest, digest=digest, state=State.UNREFERENCED, kind=None, files=files)
    for digest, files in sorted(on_disk.partial.items()):
        yield Blob(key=f"{digest}-partial", digest=digest, state=State.PARTIAL, kind=None, files=files)
    for path, files in sorted(on_disk.leftover.items()):
        yield Blob(key=path, digest=None, state=State.LEFTOVER, kind=None, files=files)
    for path, files in sorted(on_disk.stray.items()):
        yield Blob(key=path, digest=None, state=State.STRAY, kind=None, files=files)


def _trashed(trash: tuple[TrashEntry, ...]) -> Iterator[Blob]:
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
