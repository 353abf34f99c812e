"""Reads everything below ``manifests/``. What cannot be read or trusted becomes a Problem that blocks removals."""

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator

from msgspec import Struct

from prunella_core.digests import FileKind, parse_digest, read_blob_name
from prunella_core.files import look_at, read_small
from prunella_core.inventory import Problem
from prunella_core.manifest import LARGEST_MANIFEST, Layer, Manifest, ManifestError, decode
from prunella_core.names import ModelName
from prunella_core.problems import problem
from prunella_core.scan.progress import REPORT_EVERY, Progress, Report, silent
from prunella_core.sizes import File
from prunella_core.store import Store

_DEPTH = 4  # host, namespace, model, tag
_DROPPING = re.compile(r"\.DS_Store\Z|\._.*|Thumbs\.db\Z|desktop\.ini\Z", re.DOTALL | re.IGNORECASE)


class ReadManifest(Struct, frozen=True):
    """A manifest that Ollama lists too: its name, file, digest, layers, and every digest it needs."""

    name: ModelName
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

    @property
    def needed(self) -> frozenset[str]:
        """Every digest that some manifest needs."""
        return frozenset(digest for manifest in self.manifests for digest in manifest.needs)


def read_manifests(store: Store, report: Report = silent, children_too_in: Iterable[str] = ()) -> ManifestReading:
    """Read every manifest of ``store``, in the order of their paths.

    The children of manifest lists are looked for in its blobs, and in the folders ``children_too_in``.
    """
    reader = _Reader(store, [store.blobs, *children_too_in])
    for count, (relative, parts) in enumerate(reader.walk("manifests", ()), 1):
        reader.read(relative, parts)
        if count % REPORT_EVERY == 0:
            report(Progress(count, 0))
    return ManifestReading(tuple(reader.manifests), tuple(reader.problems))


class _Reader:
    """One walk. Problems are collected, not raised: one bad file must not hide the others."""

    def __init__(self, store: Store, children_in: list[str]) -> None:
        self.store = store
        self.children_in = children_in
        self.manifests: list[ReadManifest] = []
        self.problems: list[Problem] = []
        self._look_for_siblings()

    def _look_for_siblings(self) -> None:
        if os.path.lexists(self.store.path("manifests-v2")):
            self._add("manifests-v2", "manifests-v2", "manifests of a newer Ollama lie beside manifests/")
        if not os.path.lexists(self.store.manifests):
            self._add("manifests", "no-manifests", "there is no manifests/ folder")

    def _add(self, path: str, kind: str, message: str, name: ModelName | None = None) -> None:
        try:
            file = look_at(self.store.root, path)
        except OSError:  # the problem is told all the same, only not offered for removal
            file = None
        mendable = file if file and (file.is_regular or file.target is not None) and "/" in path else None
        self.problems.append(problem(path, kind, message, name.short if name else None, mendable))

    def walk(self, relative: str, parts: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield every file at the depth of a tag; note everything that is not where it belongs."""
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
                yield from self.walk(path, below)
            elif _DROPPING.match(entry.name):
                self._add(path, "dropping", "an operating system's own file lies among the manifests")
            elif self._is_in_place(path, entry, len(below)):
                yield path, below

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

    def read(self, relative: str, parts: tuple[str, ...]) -> None:
        """Read one manifest and add it, or the Problem that it is."""
        name = ModelName(*parts)
        if not name.is_valid:
            self._add(relative, "bad-name", "its path is no name that a model can have")
            return
        try:
            file = look_at(self.store.root, relative)
            data = read_small(self.store.path(relative), LARGEST_MANIFEST)
        except OSError as error:
            self._add(relative, "unreadable", f"cannot read this manifest: {error.strerror}", name)
            return
        if data is None:
            self._add(relative, "large-manifest", "the file is too large for a manifest", name)
            return
        try:
            manifest = decode(data)
        except ManifestError as error:
            self._add(relative, error.kind, str(error), name)
            return
        self._accept(name, file, data, manifest)

    def _accept(self, name: ModelName, file: File, data: bytes, manifest: Manifest) -> None:
        if manifest.flaw:
            self._add(file.path, *manifest.flaw, name)
        layers = list(manifest.layers)
        needs = {layer.digest: None for layer in layers if layer.digest}
        needs.update(dict.fromkeys(sorted(manifest.mentioned)))
        for child in dict.fromkeys(manifest.children):
            self._follow(child, file.path, name, layers, needs, ())
        if own := self._blob_behind(file):
            needs[own] = None
        size = sum(layer.size for layer in layers)
        digest = hashlib.sha256(data).hexdigest()
        looks_created = data.endswith(b"\n")
        self.manifests.append(ReadManifest(name, file, digest, size, tuple(layers), tuple(needs), looks_created))

    def _follow(
        self,
        child: str,
        path: str,
        name: ModelName,
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
        name = digest.replace(":", "-")
        paths = [os.path.join(folder, name) for folder in self.children_in] if parse_digest(digest) else []
        path = next((path for path in paths if os.path.lexists(path)), None)
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
