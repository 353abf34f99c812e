"""Reads ``blobs/``, and what else Ollama keeps in the root: sidecars of blobs, folders of conversions."""

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from stat import S_ISDIR, S_ISREG

from prunella_core.fs.files import BLOCK, File, files_below, has_reflinks, look_at, look_in
from prunella_core.fs.mounts import shared_bytes
from prunella_core.inventory.problems import problem
from prunella_core.inventory.records import Problem
from prunella_core.ollama.names import FileKind, is_whole_name, place_of, read_blob_name
from prunella_core.scan.own import OwnFiles
from prunella_core.scan.system import Count, opened_below
from prunella_core.store import Store

Rows = dict[str, tuple[File, ...]]
"""Files by the key of their row: a digest, a digest and ``-partial``, or a path."""


Listing = tuple[list[str], list[Problem]]
"""The names in ``blobs/``, in the order that the disk has them in (the quickest to look at), and what is wrong."""


def list_blobs(store: Store) -> Listing:
    """Read the names, and decide by that which files count."""
    try:
        return os.listdir(store.blobs), []
    except FileNotFoundError:
        return [], [problem("blobs", "no-blobs", "there is no blobs/ folder")]
    except OSError as error:
        return [], [problem("blobs", "unreadable", f"cannot list this folder: {error.strerror}")]


def read_blobs(
    store: Store, listing: Listing | None = None, count: Count | None = None, own: OwnFiles | None = None
) -> "BlobReading":
    """Look at every file of ``listing``, and at what else Ollama keeps in the root. Raises Cancelled."""
    names, problems = listing or list_blobs(store)
    found = BlobReading(store, problems)
    if names:
        found.read(names, count or Count())
    found.read_root()
    if own and own.links:
        found.rows = {key: own.without(files) for key, files in found.rows.items()}
    problems.sort(key=lambda each: each.path)
    return found


class BlobReading:
    """The files of ``blobs/`` by row, and the sidecars and leftovers that lie elsewhere in the store.

    Only names are looked at; nothing is opened but to ask which extents are shared.
    """

    def __init__(self, store: Store, problems: list[Problem]) -> None:
        self.store = store
        self.problems = problems
        self.with_extents = has_reflinks(store.blobs)
        self.rows: Rows = {}
        self.kinds: dict[str, FileKind] = {}
        """What the rows are that are no whole blobs."""
        self.links: dict[str, None] = {}
        """The keys of the rows that have a symbolic link in ``blobs/``, in their order."""

    def read(self, names: Sequence[str], count: Count) -> None:
        """Look at names in ``blobs/``: first at whole blobs, then at what may belong to the rows of these."""
        try:
            folder = os.open(self.store.blobs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:  # gone since it was listed
            return
        try:
            others = [name for some in count.each("blobs", names) for name in self._read_whole(folder, some)]
            for name in others:
                self._place(name, folder)
        finally:
            os.close(folder)

    def _read_whole(self, folder: int, names: Iterable[str]) -> Iterator[str]:
        """Add the ordinary files that are named as whole blobs, and yield the other names."""
        stat, rows, with_extents = os.stat, self.rows, self.with_extents
        for name in names:
            try:
                status = stat(name, dir_fd=folder, follow_symlinks=False) if is_whole_name(name) else None
            except OSError:  # looked at again with the others, which says why
                status = None
            if status is None or not S_ISREG(status.st_mode):
                yield name
                continue
            mode, inode, device, links, _user, _group, size = status[:7]
            taken, path = status.st_blocks * BLOCK, f"blobs/{name}"
            shared = shared_bytes(name, folder) if with_extents and taken else 0
            file = File(path, size, taken, status.st_mtime_ns, mode, device, inode, links, None, shared)
            rows[f"sha256:{name[7:]}"] = (file,)

    def _place(self, name: str, folder: int) -> None:
        path = f"blobs/{name}"
        try:
            file = look_in(folder, name, path, self.with_extents)
        except FileNotFoundError:  # gone between listing and looking: as if the scan had come later
            return
        except OSError as error:
            self.problems.append(problem(path, "unreadable", f"cannot look at this file: {error.strerror}"))
            return
        if S_ISDIR(file.mode):
            is_leftover = place_of(f"{path}/").kind is FileKind.LEFTOVER
            self._add_folder(path, FileKind.LEFTOVER if is_leftover else FileKind.STRAY)
            return
        is_link = file.target is not None
        kind, digest = read_blob_name(name) if is_link or file.is_regular else (FileKind.STRAY, None)
        key = path if digest is None else f"{digest}-partial" if kind is FileKind.PARTIAL else digest
        if is_link:
            self.links[key] = None
        self._add(key, kind, file)

    def _add(self, key: str, kind: FileKind, file: File) -> None:
        self.rows[key] = tuple(sorted((*self.rows.get(key, ()), file), key=lambda each: each.path))
        if kind is not FileKind.WHOLE:
            self.kinds[key] = kind

    def _add_folder(self, path: str, kind: FileKind) -> None:
        """A folder is one row, with all that is in it. Ollama never looks into it; only its own leftover is removed."""
        files: tuple[File, ...] = ()
        try:
            files = tuple(files_below(self.store.root, path, self.with_extents))
        except OSError as error:
            self.problems.append(problem(path, "unreadable-folder", f"cannot look into this folder: {error.strerror}"))
        if files or kind is FileKind.STRAY:
            self.rows[path], self.kinds[path] = files, kind

    def read_root(self) -> None:
        """Add folders of conversions and, to the blobs that they belong to, sidecars."""
        for path, is_folder in self._list(""):
            if is_folder and place_of(f"{path}/").kind is FileKind.LEFTOVER:
                self._add_folder(path, FileKind.LEFTOVER)
        for path, is_folder in self._list("metadata"):
            place = place_of(path)
            if is_folder or (not place.digest and place.kind is not FileKind.LEFTOVER):
                continue
            with suppress(FileNotFoundError):  # gone since it was listed
                file = look_at(self.store.root, path)
                if place.digest in self.rows:
                    self.rows[place.digest] += (file,)
                else:  # it belongs to no blob
                    self._add(path, FileKind.LEFTOVER, file)

    def _list(self, folder: str) -> Iterator[tuple[str, bool]]:
        try:
            with os.scandir(self.store.path(folder) if folder else self.store.root) as entries:
                listing = sorted(entries, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            self.problems.append(problem(folder, "unreadable-folder", f"cannot list this folder: {error.strerror}"))
            return
        for entry in listing:
            yield os.path.join(folder, entry.name), entry.is_dir(follow_symlinks=False)


def held_open(store: Store, on_disk: BlobReading) -> frozenset[str]:
    """The keys of downloads that a process has open, as far as ``/proc`` may be read by this user."""
    partials = [key for key, kind in on_disk.kinds.items() if kind is FileKind.PARTIAL]
    opened = opened_below(os.path.realpath(store.blobs)) if partials else []
    pairs = set(map(tuple, opened))  # the helper of a run as root answers with lists
    return frozenset(key for key in partials for file in on_disk.rows[key] if (file.device, file.inode) in pairs)


def reached_from(store: Store, on_disk: BlobReading) -> dict[str, tuple[str, ...]]:
    """For each row that is a symbolic link the keys of the rows that it leads to, over every hop within the store."""
    if not on_disk.links:
        return {}
    key_of = {_entry(file.path): key for key, files in on_disk.rows.items() for file in files}
    root, blobs = os.path.realpath(store.root), os.path.realpath(store.blobs)
    found = {}
    for key in on_disk.links:
        links = [file.path for file in on_disk.rows[key] if file.target is not None]
        hops = dict.fromkeys(hop for path in links for hop in _hops(root, os.path.join(root, path)))
        entries = [_entry(f"blobs/{hop[len(blobs) + 1 :]}") for hop in hops if hop.startswith(blobs + os.sep)]
        keys = dict.fromkeys(key_of.get(entry) or place_of(entry).whole for entry in entries)
        found[key] = tuple(other for other in keys if other and other != key and on_disk.rows.get(other))
    return found


def _entry(path: str) -> str:
    return "/".join(path.split("/", 2)[:2])


def _hops(root: str, path: str) -> Iterator[str]:
    """Every path that the link at ``path`` leads over, to its end; what leaves ``root`` ends there."""
    seen = {path}
    while os.path.islink(path):
        folder, name = os.path.split(os.path.join(os.path.dirname(path), os.readlink(path)))
        path = os.path.join(os.path.realpath(folder), name) if name not in ("", ".", "..") else os.path.realpath(folder)
        if path in seen or not path.startswith(root + os.sep):
            return
        seen.add(path)
        yield path


def led_to(store: Store, needed: Collection[str], on_disk: BlobReading) -> set[str]:
    """What the blobs of ``needed`` lead to where they are links: needed as they are, and named nowhere."""
    reached = reached_from(store, on_disk)
    return {key for digest in needed for key in reached.get(digest, ())}.difference(needed)
