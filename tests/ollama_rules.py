"""What Ollama does to the files of a store: its start, rm, cp, create and pull, in the order of its own calls.

It follows server v0.33 as far as deleting, writing and looking go, and knows nothing else. It takes no lock, writes
manifests last and in place, and does not look again at a blob that it found there.
"""

import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from random import Random
from typing import Any

GRACE = 3_600.0
"""The start deletes nothing that was written in the last hour (seconds)."""

_DIGEST_NAME = re.compile(r"sha256[:-][0-9a-fA-F]{64}\Z")
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"
_NAME = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_.:-]{{0,349}}/[A-Za-z0-9_][A-Za-z0-9_-]{{0,79}}/{_PART}/{_PART}\Z")

Needs = dict[str, frozenset[str]]
"""The digests that each manifest names, under its path below ``manifests/``."""


class Unreadable(Exception):
    """A manifest that Ollama cannot read: it leaves its pruning alone then."""


class PullFailed(Exception):
    """A pull ended without a manifest, as when a file of its download is gone."""


def no_wait() -> None:
    """A registry that answers at once."""


class Ollama:
    """A server on the store at ``root``.

    ``wait`` is called wherever the real one waits for the registry; ``now`` is the clock of the start-up prune.
    ``deleted`` names the blobs that it deleted as unused.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        now: Callable[[], float] = time.time,
        wait: Callable[[], None] = no_wait,
        prunes: bool = True,
    ) -> None:
        self.root = os.fspath(root)
        self.now = now
        self.wait = wait
        self.prunes = prunes
        self.random = Random(0)
        self.deleted: list[str] = []

    # Its start

    def start(self) -> None:
        """Rename blobs of old, and delete what no manifest names; leave all of it where a manifest is unreadable."""
        self._rename_old_blobs()
        if not self.prunes:
            return
        try:
            self.manifests(strict=True)
        except Unreadable:
            return
        self._delete_unused(self._old_blobs())
        self._drop_empty_folders(f"{self.root}/manifests")
        self.manifests()  # it lists them next, which makes the folder again

    def _rename_old_blobs(self) -> None:
        for folder, folders, names in os.walk(self._blobs()):
            for name in (*folders, *names):
                if name.startswith("sha256:"):
                    os.rename(f"{folder}/{name}", f"{folder}/{name.replace(':', '-', 1)}")

    def _old_blobs(self) -> set[str]:
        """The digests of all blobs older than an hour; every other old file goes at once, folders stay."""
        found = set()
        for name in sorted(os.listdir(self._blobs())):
            path = f"{self._blobs()}/{name}"
            status = os.lstat(path)
            if os.path.isdir(path) and not os.path.islink(path):
                continue
            if self.now() - status.st_mtime < GRACE:
                continue
            if _DIGEST_NAME.match(name):
                found.add(name.replace("-", ":"))
            else:
                os.remove(path)
        return found

    # Its commands

    def rm(self, name: str) -> None:
        """Delete a manifest, folders that are empty now, and the layers that no other manifest names."""
        path = self._existing(name)
        digests = needs_of(path)
        os.remove(path)
        self._drop_empty_folders(f"{self.root}/manifests")
        self._remove_layers(digests)

    def cp(self, source: str, target: str) -> None:
        """Write over the target, in place; what it needed before stays."""
        os.makedirs(os.path.dirname(self.manifest(target)), exist_ok=True)
        with open(self.manifest(source), "rb") as read, open(self.manifest(target), "wb", buffering=0) as write:
            write.write(read.read())

    def create(self, name: str, base: str, own: str) -> None:
        """Write a model of the layers of ``base`` and a new one; drop the layers that ``name`` had before."""
        old = self._needs(name) if os.path.exists(self.manifest(name)) else None
        layers = [self._touched(digest) for digest in sorted(self._needs(base))]
        layers.append(self._new_layer(own))
        self._write_manifest(name, layers)
        if self.prunes and old is not None:
            self._remove_layers(old)

    def pull(self, name: str, contents: Sequence[str]) -> None:
        """Download a model whose blobs have these contents, the config last. Raises PullFailed."""
        unused = set(self._needs(name)) if os.path.exists(self.manifest(name)) else set()
        self.wait()  # the manifest
        digests = [digest_of(content) for content in contents]
        fetched = [digest for digest in digests if self._download(digest, contents[digests.index(digest)])]
        for digest in fetched:
            self._verify(digest)
        unused -= set(digests)
        self._write_manifest(name, [(digest, len(text)) for digest, text in zip(digests, contents, strict=True)])
        if self.prunes and unused:
            self._delete_unused(unused)

    # Blobs

    def _download(self, digest: str, content: str) -> bool:
        """Fetch a blob unless it is there: then it is neither touched nor looked at again."""
        path = self.blob(digest)
        if os.path.exists(path):
            return False
        self.wait()  # its size: nothing on the disk says yet that it is on its way
        part = {"N": 0, "Offset": 0, "Size": len(content), "Completed": 0}
        write(f"{path}-partial-0", json.dumps(part).encode())
        with open(f"{path}-partial", "a+b") as file:
            file.truncate(len(content))
            self.wait()  # where it comes from
            self.wait()  # its bytes
            try:
                with open(f"{path}-partial", "r+b") as chunk:
                    chunk.write(content.encode())
                write(f"{path}-partial-0", json.dumps(part | {"Completed": len(content)}).encode())
                os.remove(f"{path}-partial-0")
                os.rename(f"{path}-partial", path)
            except FileNotFoundError as error:
                raise PullFailed(path) from error
        return True

    def _verify(self, digest: str) -> None:
        try:
            with open(self.blob(digest), "rb") as file:
                sound = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" == digest
        except FileNotFoundError as error:
            raise PullFailed(digest) from error
        if not sound:
            os.remove(self.blob(digest))
            raise PullFailed(digest)

    def _touched(self, digest: str) -> tuple[str, int]:
        try:
            size = os.stat(self.blob(digest)).st_size
            os.utime(self.blob(digest))
        except FileNotFoundError as error:
            raise PullFailed(digest) from error
        return digest, size

    def _new_layer(self, content: str) -> tuple[str, int]:
        temporary = f"{self._blobs()}/sha256-{self.random.randrange(10**9)}"
        write(temporary, content.encode())
        digest = digest_of(content)
        if os.path.exists(self.blob(digest)):
            os.remove(temporary)
        else:
            os.rename(temporary, self.blob(digest))
        return self._touched(digest)

    def _remove_layers(self, digests: Collection[str]) -> None:
        with suppress(Unreadable):
            used = self._used()
            for digest in digests:
                if digest not in used:
                    with suppress(FileNotFoundError):
                        self._delete(digest)

    def _delete_unused(self, digests: Collection[str]) -> None:
        with suppress(Unreadable):
            for digest in set(digests) - self._used():
                with suppress(OSError):
                    self._delete(digest)

    def _delete(self, digest: str) -> None:
        os.remove(self.blob(digest))
        self.deleted.append(digest)

    # Manifests

    def manifests(self, *, strict: bool = False) -> Needs:
        """Read all manifests. A link that leads nowhere raises Unreadable; so does any damage, when ``strict``."""
        os.makedirs(f"{self.root}/manifests", exist_ok=True)
        found: Needs = {}
        for path in self._paths():
            try:
                if not stat.S_ISDIR(os.stat(path).st_mode):
                    name = os.path.relpath(path, f"{self.root}/manifests")
                    found[name] = needs_of(path, name)
            except OSError as error:
                raise Unreadable(path) from error
            except ValueError as error:
                if strict:
                    raise Unreadable(path) from error
        return found

    def _paths(self) -> Iterator[str]:
        """What lies four levels deep."""
        folders = [f"{self.root}/manifests"]
        for _level in range(4):
            folders = [f"{folder}/{name}" for folder in folders for name in names_in(folder)]
        yield from folders

    def _existing(self, name: str) -> str:
        """The path of a manifest, whatever the case of its name."""
        wanted = self.manifest(name).casefold()
        return next((path for path in self._paths() if path.casefold() == wanted), self.manifest(name))

    def _used(self) -> set[str]:
        return {digest for needs in self.manifests().values() for digest in needs}

    def _needs(self, name: str) -> frozenset[str]:
        return needs_of(self.manifest(name))

    def _write_manifest(self, name: str, layers: Sequence[tuple[str, int]]) -> None:
        entries = [{"mediaType": "application/vnd.ollama.image.model", "digest": d, "size": size} for d, size in layers]
        document = {"schemaVersion": 2, "config": entries[-1], "layers": entries[:-1]}
        os.makedirs(os.path.dirname(self.manifest(name)), exist_ok=True)
        write(self.manifest(name), json.dumps(document).encode())

    def _drop_empty_folders(self, folder: str) -> None:
        for name in names_in(folder):
            if not os.path.islink(f"{folder}/{name}"):
                self._drop_empty_folders(f"{folder}/{name}")
        if os.path.isdir(folder) and not os.listdir(folder):
            with suppress(FileNotFoundError):
                os.rmdir(folder)

    # Places

    def manifest(self, name: str) -> str:
        """The path of a model's manifest."""
        model, _, tag = name.partition(":")
        default = ["registry.ollama.ai", "library"][: 2 - model.count("/")]
        return "/".join([self.root, "manifests", *default, model, tag or "latest"])

    def blob(self, digest: str) -> str:
        """The path of a blob."""
        return f"{self._blobs()}/{digest.replace(':', '-')}"

    def _blobs(self) -> str:
        return f"{self.root}/blobs"


def digest_of(content: str) -> str:
    """The digest of a blob with this content."""
    return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"


def write(path: str, data: bytes) -> None:
    """Write in place: empty first, then whole."""
    with open(path, "wb", buffering=0) as file:
        file.write(data)


def names_in(folder: str) -> list[str]:
    """The names in a folder; none where it is none."""
    try:
        return sorted(os.listdir(folder))
    except (NotADirectoryError, FileNotFoundError):
        return []


def needs_of(path: str, name: str = "a/b/c/d") -> frozenset[str]:
    """The digests that a manifest names: its layers and its config. Raises ValueError where Ollama cannot read it."""
    if not _NAME.match(name):
        raise ValueError(name)
    with open(path, "rb") as file:
        text = file.read().decode(errors="replace").lstrip()
    document: Any = json.JSONDecoder().raw_decode(text)[0] or {}
    try:
        entries = [*(document.get("layers") or ()), document.get("config") or {}]
        return frozenset(entry["digest"] for entry in entries if entry.get("digest"))
    except (AttributeError, TypeError) as error:
        raise ValueError(path) from error
