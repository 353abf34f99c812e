"""Reads everything below ``manifests/``. What cannot be read or trusted becomes a Problem that blocks removals."""

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator

from msgspec import Struct

from prunella_core.fs.files import file_from, look_at, read_small, read_with_status
from prunella_core.fs.sizes import File
from prunella_core.inventory.problems import problem
from prunella_core.inventory.records import Problem
from prunella_core.ollama.digests import FileKind, read_blob_name
from prunella_core.ollama.manifest import (
    LARGEST_MANIFEST,
    Layer,
    Manifest,
    ManifestError,
    could_be_manifest,
    decode,
)
from prunella_core.ollama.names import ModelName
from prunella_core.ollama.server_reading import ServerReading, digests_for_server
from prunella_core.scan.progress import REPORT_EVERY, Count
from prunella_core.store.locate import Store

_DEPTH = 4  # host, namespace, model, tag
_DROPPING = re.compile(r"\.DS_Store\Z|\._.*|Thumbs\.db\Z|desktop\.ini\Z", re.DOTALL | re.IGNORECASE)
_A_DROPPING = ("dropping", "an operating system's own file lies among the manifests")


class ReadManifest(Struct, frozen=True, gc=False):
    """A manifest that Ollama lists too: its short name, file, digest, layers, and every digest it needs."""

    name: str
    file: File
    digest: str
    size: int
    layers: tuple[Layer, ...]
    needs: tuple[str, ...]
    looks_created: bool
    """Whether it ends in a line end: ``ollama create`` writes one, a registry sends none."""


class ManifestReading(Struct, frozen=True):
    """All manifests of a store, and all that stands in the way of trusting them."""

    manifests: tuple[ReadManifest, ...]
    problems: tuple[Problem, ...]
    by_server: tuple[ServerReading, ...]
    """How the server reads those that it may read in another way."""

    @property
    def needed(self) -> frozenset[str]:
        """Every digest that some manifest needs."""
        return frozenset(digest for manifest in self.manifests for digest in manifest.needs)


NOTHING = ManifestReading((), (), ())
"""No manifest was read."""


def read_manifests(
    store: Store, find_child: Callable[[str], str | None] | None = None, count: Count | None = None
) -> ManifestReading:
    """Read every manifest of ``store``, in the order of their paths. Raises Cancelled.

    ``find_child`` says where the blob of a digest lies that is a manifest in a list; by default that is in the store.
    """
    return _ManifestReader(store, find_child or (lambda digest: _in_blobs(store, digest)), count or Count()).read()


def _in_blobs(store: Store, digest: str) -> str | None:
    path = os.path.join(store.blobs, digest.replace(":", "-"))
    return path if os.path.lexists(path) else None


class _ManifestReader:
    """One walk. Problems are collected, not raised: one bad file must not hide the others."""

    def __init__(self, store: Store, find_child: Callable[[str], str | None], count: Count) -> None:
        self.store = store
        self.find_child = find_child
        self.count = count
        self.manifests: list[ReadManifest] = []
        self.problems: list[Problem] = []
        self.by_server: list[ServerReading] = []

    def read(self) -> ManifestReading:
        self._look_for_siblings()
        unreported = 0
        for unreported, (parts, is_link) in enumerate(self._walk("manifests", ()), 1):
            self._read_one(parts, is_link)
            if unreported % REPORT_EVERY == 0:
                self.count.add(models=REPORT_EVERY)
        self.count.add(models=unreported % REPORT_EVERY)
        return ManifestReading(tuple(self.manifests), tuple(self.problems), tuple(self.by_server))

    def _look_for_siblings(self) -> None:
        if os.path.lexists(self.store.path("manifests-v2")):
            self._add("manifests-v2", "manifests-v2", "manifests of a newer Ollama lie beside manifests/")
        if not os.path.lexists(self.store.manifests):
            self._add("manifests", "no-manifests", "there is no manifests/ folder")

    def _add(self, path: str, kind: str, message: str, name: str | None = None) -> None:
        try:
            file = look_at(self.store.root, path)
        except OSError:  # the problem is told all the same, only not offered for removal
            file = None
        mendable = file if file and (file.is_regular or file.target is not None) and "/" in path else None
        self.problems.append(problem(path, kind, message, name, mendable))

    def _walk(self, relative: str, parts: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], bool]]:
        """Yield the parts of every file at the depth of a tag, and whether it is a link; note what is misplaced."""
        if not parts and not os.path.lexists(self.store.manifests):
            return
        try:
            with os.scandir(self.store.path(relative)) as entries:
                listing = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self._add(relative, "unreadable", f"cannot list this folder: {error.strerror}")
            return
        for entry in listing:
            below = (*parts, entry.name)
            path = f"{relative}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(path, below)
            elif _DROPPING.match(entry.name) and not ModelName.of_path(below).is_valid:
                self._add(path, *_A_DROPPING)
            elif self._is_in_place(path, entry, len(below)):
                yield below, entry.is_symlink()

    def _is_in_place(self, path: str, entry: os.DirEntry[str], depth: int) -> bool:
        if entry.is_symlink():
            return self._is_sound_link(path, depth)
        if not entry.is_file(follow_symlinks=False):
            self._add(path, "not-a-file", "this is neither a folder nor an ordinary file")
        elif depth < _DEPTH:
            self._add(path, "too-shallow", "a file lies where only folders belong")
        elif depth > _DEPTH:
            self._add(path, "too-deep", "a file lies deeper than any model's manifest")
        else:
            return True
        return False

    def _is_sound_link(self, path: str, depth: int) -> bool:
        target = os.path.realpath(self.store.path(path))
        if not os.path.exists(target):
            self._add(path, "dangling-link", "a link that points to nothing lies among the manifests")
        elif not target.startswith(self.store.root + os.sep):
            self._add(path, "outside-link", "a link that points out of the store lies among the manifests")
        elif depth != _DEPTH or not os.path.isfile(target):
            self._add(path, "not-a-file", "a link to a folder lies among the manifests")
        else:
            return True
        return False

    def _read_one(self, parts: tuple[str, ...], is_link: bool) -> None:
        """Read one manifest and add it, or the Problem that it is."""
        parsed = ModelName.of_path(parts)
        relative = "/".join(("manifests", *parts))
        if not parsed.is_valid:
            self._add(relative, "bad-name", "its path is no name that a model can have")
            return
        name = parsed.short
        try:
            file, data = self._open(relative, is_link)
            if data is None:
                self._add(relative, "large-manifest", "the file is too large for a manifest", name)
            else:
                self._understand(name, file, data)
        except OSError as error:
            self._add(relative, "unreadable", f"cannot read this manifest: {error.strerror}", name)

    def _understand(self, name: str, file: File, data: bytes) -> None:
        try:
            manifest = decode(data)
        except ManifestError as error:
            if _DROPPING.match(os.path.basename(file.path)) and not could_be_manifest(data):
                self._add(file.path, *_A_DROPPING)
            else:
                self._add(file.path, error.kind, str(error), name)
            self.by_server.append(ServerReading(file.path, digests_for_server(data)))
            return
        if not manifest.is_canonical:
            self.by_server.append(ServerReading(file.path, digests_for_server(data)))
        self._accept(name, file, data, manifest)

    def _open(self, relative: str, is_link: bool) -> tuple[File, bytes | None]:
        status, data = read_with_status(f"{self.store.root}/{relative}", LARGEST_MANIFEST)
        return look_at(self.store.root, relative) if is_link else file_from(relative, status), data

    def _accept(self, name: str, file: File, data: bytes, manifest: Manifest) -> None:
        if manifest.flaw:
            self._add(file.path, *manifest.flaw, name)
        layers = list(manifest.layers)
        needs = dict.fromkeys([layer.digest for layer in layers])
        needs.update(dict.fromkeys(sorted(manifest.mentioned)))
        needs.pop("", None)
        for child in dict.fromkeys(manifest.children):
            self._follow(child, file.path, name, layers, needs, ())
        if own := self._blob_behind(file):
            needs[own] = None
        size = sum([layer.size for layer in layers])
        digest = hashlib.sha256(data).hexdigest()
        looks_created = data.endswith(b"\n")
        self.manifests.append(ReadManifest(name, file, digest, size, tuple(layers), tuple(needs), looks_created))

    def _follow(
        self,
        child: str,
        path: str,
        name: str,
        layers: list[Layer],
        needs: dict[str, None],
        above: tuple[str, ...],
    ) -> None:
        """Add what a manifest list's child needs, each once; a child that cannot be read, or is its own, blocks."""
        if child in needs and child not in above:
            return
        if child:
            needs[child] = None
        manifest = self._child(child) if child not in above else None
        if manifest is None or manifest.flaw:
            self._add(path, "missing-child", "the list names a child manifest that cannot be read", name)
            return
        layers.extend(manifest.layers)
        needs.update(dict.fromkeys(layer.digest for layer in manifest.layers if layer.digest))
        needs.update(dict.fromkeys(sorted(manifest.mentioned)))
        for grandchild in dict.fromkeys(manifest.children):
            self._follow(grandchild, path, name, layers, needs, (*above, child))

    def _child(self, digest: str) -> Manifest | None:
        path = self.find_child(digest) if digest else None
        try:
            data = read_small(path, LARGEST_MANIFEST) if path else None
            return decode(data) if data is not None else None
        except (OSError, ManifestError):  # the caller says so, with the path of the list
            return None

    def _blob_behind(self, file: File) -> str | None:
        """The digest of the blob that holds this manifest, where the manifest is a link to one."""
        if not stat.S_ISLNK(file.mode):
            return None
        found = read_blob_name(os.path.basename(os.path.realpath(self.store.path(file.path))))
        return found.digest if found.kind is FileKind.WHOLE else None
