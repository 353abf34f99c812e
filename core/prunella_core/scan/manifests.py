"""Reads everything below ``manifests/`` and ``manifests-v2/``. What cannot be read or trusted becomes a Problem."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain

from msgspec import Struct

from prunella_core.fs.files import File, file_from, look_at, read_small, read_with_status
from prunella_core.inventory.problems import problem
from prunella_core.inventory.records import Problem
from prunella_core.ollama.manifest import (
    LARGEST_MANIFEST,
    Layer,
    Manifest,
    ManifestError,
    ServerReading,
    could_be_manifest,
    decode,
    digests_for_server,
)
from prunella_core.ollama.names import FileKind, ModelName, read_blob_name
from prunella_core.scan.system import Count
from prunella_core.store import Store

_TREES = ("manifests-v2", "manifests")  # the first wins where both have a name
_DEPTH = 5  # tree, host, namespace, model, tag
_DROPPING = re.compile(r"\.DS_Store\Z|\._.*|Thumbs\.db\Z|desktop\.ini\Z", re.DOTALL | re.IGNORECASE)
_A_DROPPING = ("dropping", "an operating system's own file lies among the manifests")


class ReadManifest(Struct, frozen=True, gc=False):
    """A manifest that Ollama lists too: its short name, file, digest, layers, and every digest it needs.

    Of a list, digest, size and first layers are those of the first manifest in it that is here: that is what runs.
    """

    name: str
    file: File
    digest: str
    size: int
    layers: tuple[Layer, ...]
    needs: tuple[str, ...]
    looks_created: bool


def read_manifests(
    store: Store, find_blob: Callable[[str], str | None] | None = None, count: Count | None = None
) -> "ManifestReading":
    """Read every manifest of ``store``, those of ``manifests-v2/`` first. Raises Cancelled.

    ``find_blob`` says where the blob of a digest lies, if it is here: it may be a manifest. By default that is looked
    up in ``blobs/``.
    """
    reading = ManifestReading(store, find_blob or (lambda digest: blob_in(store, digest)))
    reading.read(count or Count())
    return reading


def blob_in(store: Store, digest: str) -> str | None:
    """Return where the blob of ``digest`` lies in ``store``; ``None`` where it is not."""
    path = os.path.join(store.blobs, digest.replace(":", "-"))
    return path if os.path.lexists(path) else None


class ManifestReading:
    """All manifests of a store, and all that stands in the way of trusting them.

    Problems are collected, not raised: one bad file must not hide the others.
    """

    def __init__(self, store: Store, find_blob: Callable[[str], str | None]) -> None:
        self.store = store
        self.find_blob = find_blob
        self.manifests: dict[str, ReadManifest] = {}
        self.problems: list[Problem] = []
        self.by_server: list[ServerReading] = []
        """How the server reads those that it may read in another way."""
        self.temporary: list[File] = []
        """Files that a write of a manifest leaves for a moment, or when it is interrupted."""
        self.blobs: set[str] = set()
        """The digests of blobs that are manifests."""
        self.keeps_manifests_as_blobs = os.path.lexists(store.path("manifests-v2"))

    @property
    def needed(self) -> frozenset[str]:
        """Every digest that some manifest needs."""
        return frozenset(digest for manifest in self.manifests.values() for digest in manifest.needs)

    def read(self, count: Count) -> None:
        """Walk and read, once. Raises Cancelled."""
        trees = [tree for tree in _TREES if os.path.lexists(self.store.path(tree))]
        if not trees:
            self._add("manifests", "no-manifests", "there is no manifests/ folder")
        listing = list(chain.from_iterable(map(self._walk, trees)))  # apart from the reading: that is quicker
        for some in count.each("models", listing):
            for path, is_link in some:
                self._read_one(path, is_link)

    def _add(self, path: str, kind: str, message: str, name: str | None = None) -> None:
        try:
            file = look_at(self.store.root, path)
        except OSError:  # the problem is reported all the same, only not offered for deletion
            file = None
        deletable = file if file and (file.is_regular or file.target is not None) and "/" in path else None
        self.problems.append(problem(path, kind, message, name, deletable))

    def _walk(self, relative: str) -> Iterator[tuple[str, bool]]:
        """Yield the path of every file at the depth of a tag, and whether it is a link; note what is misplaced."""
        try:
            with os.scandir(self.store.path(relative)) as entries:
                listing = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self._add(relative, "unreadable", f"cannot list this folder: {error.strerror}")
            return
        depth = relative.count("/") + 2
        for entry in listing:
            path = f"{relative}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(path)
            elif entry.name.startswith(".manifest-") and relative.startswith("manifests-v2/"):
                with suppress(FileNotFoundError):  # renamed meanwhile: the manifest is written
                    self.temporary.append(look_at(self.store.root, path))
            elif _DROPPING.match(entry.name) and not ModelName.of_path(path).is_valid:
                self._add(path, *_A_DROPPING)
            elif self._is_in_place(path, entry, depth):
                yield path, entry.is_symlink()

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
        target = self._behind(path)
        digest = _digest_of_link(target)
        is_ours = target.startswith(self.store.root + os.sep) or bool(digest and self.find_blob(digest) == target)
        if not os.path.exists(target):
            self._add(path, "dangling-link", "a link that points to nothing lies among the manifests")
        elif not is_ours:
            self._add(path, "outside-link", "a link that points out of the store lies among the manifests")
        elif depth != _DEPTH or not os.path.isfile(target):
            self._add(path, "not-a-file", "a link to a folder lies among the manifests")
        else:
            return True
        return False

    def _behind(self, path: str) -> str:
        """The file that a link leads to. One that names a blob leads to that blob, wherever it lies now."""
        target = os.path.realpath(self.store.path(path))
        digest = _digest_of_link(os.readlink(self.store.path(path)))
        return target if os.path.exists(target) or not digest else self.find_blob(digest) or target

    def _read_one(self, path: str, is_link: bool) -> None:
        parsed = ModelName.of_path(path)
        if not parsed.is_valid:
            self._add(path, "bad-name", "its path is no name that a model can have")
            return
        name = parsed.short
        try:
            where = self._behind(path) if is_link else f"{self.store.root}/{path}"
            status, data = read_with_status(where, LARGEST_MANIFEST)
            file = look_at(self.store.root, path) if is_link else file_from(path, status)
            if data is None:
                self._add(path, "large-manifest", "the file is too large for a manifest", name)
            elif name in self.manifests:
                self._add(path, "same-name", f"{self.manifests[name].file.path} has the same name, and wins", name)
            else:
                self._understand(name, file, data)
        except OSError as error:
            self._add(path, "unreadable", f"cannot read this manifest: {error.strerror}", name)

    def _understand(self, name: str, file: File, data: bytes) -> None:
        try:
            manifest = decode(data)
        except ManifestError as error:
            if _DROPPING.match(os.path.basename(file.path)) and not could_be_manifest(data):
                self._add(file.path, *_A_DROPPING)
            else:
                self._add(file.path, error.kind, str(error), name)
            self._read_as_server(file, data)
            return
        if not manifest.is_canonical:
            self._read_as_server(file, data)
        if manifest.flaw:
            self._add(file.path, *manifest.flaw, name)
        self.manifests[name] = self._accepted(name, file, data, manifest)

    def _read_as_server(self, file: File, data: bytes) -> None:
        if file.path.startswith("manifests/"):  # the server that is read here knows no other
            self.by_server.append(ServerReading(file.path, digests_for_server(data)))

    def _accepted(self, name: str, file: File, data: bytes, manifest: Manifest) -> ReadManifest:
        digest, layers, mentioned = hashlib.sha256(data).hexdigest(), manifest.layers, manifest.mentioned
        needs = dict.fromkeys([layer.digest for layer in layers])
        if self.keeps_manifests_as_blobs or file.target is not None:
            needs.update(dict.fromkeys(self._blobs_of(file, f"sha256:{digest}")))
        size = sum([layer.size for layer in layers])
        for at, (child, its_digest) in enumerate(self._children(manifest, file.path, name)):
            if at == 0:
                digest, size = its_digest[len("sha256:") :] or digest, child.size
            layers += child.layers
            mentioned |= child.mentioned
            needs.update(dict.fromkeys([its_digest, *(layer.digest for layer in child.layers)]))
        if mentioned:
            needs.update(dict.fromkeys(sorted(mentioned)))
        needs.pop("", None)
        return ReadManifest(name, file, digest, size, layers, tuple(needs), data.endswith(b"\n"))

    def _blobs_of(self, file: File, own: str) -> Iterator[str]:
        """The blobs that hold this manifest: by its own digest, if one is here, or behind a link."""
        behind = _digest_of_link(os.path.realpath(self.store.path(file.path))) if file.target is not None else None
        for digest in (own if self.find_blob(own) else None, behind):
            if digest:
                self.blobs.add(digest)
                yield digest

    def _children(self, manifest: Manifest, path: str, name: str) -> list[tuple[Manifest, str]]:
        """The manifests of a list that are here, each with its digest. Others are normal: a pull fetches only one."""
        found: list[tuple[Manifest, str]] = []
        if not manifest.children:
            return found
        for child in dict.fromkeys(manifest.children):
            where = None if child.inline or not child.digest else self.find_blob(child.digest)
            if where:
                self.blobs.add(child.digest)
                found.append((self._read_child(where, path, name), child.digest))
            elif child.inline:
                found.append((child.inline, child.digest))
        if not found:
            self._add(path, "missing-child", "none of the manifests that the list names is here", name)
        return found

    def _read_child(self, where: str, path: str, name: str) -> Manifest:
        """A manifest in a list; one that cannot be read, or is a list itself, could hide a reference."""
        try:
            data = read_small(where, LARGEST_MANIFEST)
            child = decode(data or b"")
        except (OSError, ManifestError):
            child = Manifest((), (), frozenset(), ("bad-child", ""))
        if child.flaw or child.children:
            self._add(path, "bad-child", "the list names a manifest that cannot be read or is a list itself", name)
        return child


def _digest_of_link(target: str) -> str | None:
    kind, digest = read_blob_name(os.path.basename(target))
    return digest if kind is FileKind.WHOLE else None
