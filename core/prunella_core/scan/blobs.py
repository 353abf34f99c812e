"""Reads the folder ``blobs/``: one row a digest, and one for every file with a name that holds none."""

import os
from collections.abc import Collection, Iterator
from stat import S_ISDIR, S_ISLNK, S_ISREG

from msgspec import Struct

from prunella_core.fs.extents import shared_bytes
from prunella_core.fs.files import file_from, files_below, has_reflinks
from prunella_core.fs.sizes import File
from prunella_core.inventory.problems import problem
from prunella_core.inventory.records import Problem
from prunella_core.ollama.digests import BlobName, FileKind, digest_of_name, read_blob_name
from prunella_core.ollama.paths import place_of
from prunella_core.scan.own import OwnFiles
from prunella_core.scan.progress import REPORT_EVERY, Count
from prunella_core.scan.root import RootFiles
from prunella_core.store.locate import Store

Rows = dict[str, tuple[File, ...]]
"""Files by the key of their row."""


class Listing(Struct, frozen=True):
    """The names in ``blobs/``, in the order that the disk has them in: that is the quickest to look at."""

    names: list[str]
    problems: tuple[Problem, ...] = ()


class BlobReading(Struct, frozen=True):
    """The files of ``blobs/``: whole ones by digest, partials by digest and ``-partial``, the others by path.

    Sidecars in ``metadata/`` are files of their blob. Leftovers also lie elsewhere in the store.
    """

    whole: Rows
    partial: Rows
    leftover: Rows
    stray: Rows
    links: tuple[str, ...]
    """The keys of the rows that have a symbolic link in ``blobs/``."""
    problems: tuple[Problem, ...]

    def find(self, key: str) -> tuple[File, ...] | None:
        """The files of a row, whatever it is."""
        if key in self.whole:
            return self.whole[key]
        return self.partial.get(key) or self.leftover.get(key) or self.stray.get(key)


def list_blobs(store: Store) -> Listing:
    """Read the names, and decide by that which files count."""
    try:
        return Listing(os.listdir(store.blobs))
    except FileNotFoundError:
        return Listing([], (problem("blobs", "no-blobs", "there is no blobs/ folder"),))
    except OSError as error:
        return Listing([], (problem("blobs", "unreadable", f"cannot list this folder: {error.strerror}"),))


def look_at_blobs(
    store: Store, listing: Listing, count: Count | None = None, own: OwnFiles | None = None
) -> BlobReading:
    """Look at every file of ``listing``, and at what Ollama keeps in the root besides. Raises Cancelled."""
    reader = _BlobReader(store, count or Count())
    if listing.names:
        reader.read(listing.names)
    reader.add_root(RootFiles(store))
    rows = reader.rows
    if own and own.links:
        rows = {kind: {key: own.without(files) for key, files in found.items()} for kind, found in rows.items()}
    return BlobReading(
        whole=rows[FileKind.WHOLE],
        partial=rows[FileKind.PARTIAL],
        leftover=rows[FileKind.LEFTOVER],
        stray=rows[FileKind.STRAY],
        links=tuple(dict.fromkeys(reader.links)),
        problems=tuple(sorted([*listing.problems, *reader.problems], key=lambda found: found.path)),
    )


def read_blobs(store: Store) -> BlobReading:
    """List ``blobs/`` and look at every file."""
    return look_at_blobs(store, list_blobs(store))


class _BlobReader:
    """Looks at names; it opens nothing but to ask which extents are shared."""

    def __init__(self, store: Store, count: Count) -> None:
        self.store = store
        self.count = count
        self.with_extents = has_reflinks(store.blobs)
        self.rows: dict[FileKind, Rows] = {kind: {} for kind in FileKind}
        self.links: list[str] = []
        self.problems: list[Problem] = []

    def read(self, names: list[str]) -> None:
        try:
            folder = os.open(self.store.blobs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:  # gone since it was listed
            return
        try:
            for start in range(0, len(names), REPORT_EVERY):
                some = names[start : start + REPORT_EVERY]
                self._read_some(some, folder)
                self.count.add(blobs=len(some))
        finally:
            os.close(folder)

    def _read_some(self, names: list[str], folder: int) -> None:
        stat, whole = os.stat, self.rows[FileKind.WHOLE]
        for name in names:
            try:
                status = stat(name, dir_fd=folder, follow_symlinks=False)
                digest = digest_of_name(name)
                if digest and digest not in whole and S_ISREG(status.st_mode):
                    shared = shared_bytes(name, folder) if self.with_extents and status.st_blocks else 0
                    whole[digest] = (file_from(f"blobs/{name}", status, None, shared),)
                else:
                    self._place(name, status, folder)
            except FileNotFoundError:  # gone between listing and looking: as if the scan had come later
                continue
            except OSError as error:
                message = f"cannot look at this file: {error.strerror}"
                self.problems.append(problem(f"blobs/{name}", "unreadable", message))

    def _place(self, name: str, status: os.stat_result, folder: int) -> None:
        """Put an entry that is no plain blob in the row where it belongs."""
        path = f"blobs/{name}"
        if S_ISDIR(status.st_mode):
            self._add_folder(path)
            return
        is_link, is_regular = S_ISLNK(status.st_mode), S_ISREG(status.st_mode)
        target = os.readlink(name, dir_fd=folder) if is_link else None
        shared = shared_bytes(name, folder) if self.with_extents and is_regular and status.st_blocks else 0
        kind, key = _row_of(path, read_blob_name(name)) if is_link or is_regular else (FileKind.STRAY, path)
        if is_link:
            self.links.append(key)
        files = (*self.rows[kind].get(key, ()), file_from(path, status, target, shared))
        self.rows[kind][key] = tuple(sorted(files, key=lambda file: file.path))

    def _add_folder(self, path: str) -> None:
        """A folder is one row, with all that is in it. Ollama never looks into it; only its own leftover is removed."""
        is_leftover = place_of(f"{path}/").kind is FileKind.LEFTOVER
        files = self._in_folder(path)
        if files or not is_leftover:
            self.rows[FileKind.LEFTOVER if is_leftover else FileKind.STRAY][path] = files

    def _in_folder(self, path: str) -> tuple[File, ...]:
        try:
            return tuple(files_below(self.store.root, path, self.with_extents))
        except OSError as error:
            message = f"cannot look into this folder: {error.strerror}"
            self.problems.append(problem(path, "unreadable-folder", message))
            return ()

    def add_root(self, root: RootFiles) -> None:
        """Add the sidecars to the blobs that they belong to; what belongs to none is left over."""
        whole, leftover = self.rows[FileKind.WHOLE], self.rows[FileKind.LEFTOVER]
        for digest, files in root.sidecars.items():
            if digest in whole:
                whole[digest] += files
            else:
                leftover.update((file.path, (file,)) for file in files)
        leftover.update(root.leftover)
        self.problems += root.problems


def _row_of(path: str, name: BlobName) -> tuple[FileKind, str]:
    if name.digest is None:
        return name.kind, path
    return name.kind, f"{name.digest}-partial" if name.kind is FileKind.PARTIAL else name.digest


def reached_from(store: Store, on_disk: BlobReading) -> dict[str, tuple[str, ...]]:
    """For each row that is a symbolic link the keys of the rows that it leads to, over every hop within the store."""
    if not on_disk.links:
        return {}
    kinds = (on_disk.whole, on_disk.partial, on_disk.leftover, on_disk.stray)
    key_of = {_entry(file.path): key for rows in kinds for key, files in rows.items() for file in files}
    root, blobs = os.path.realpath(store.root), os.path.realpath(store.blobs)
    found = {}
    for key in on_disk.links:
        links = [file.path for file in on_disk.find(key) or () if file.target is not None]
        hops = dict.fromkeys(hop for path in links for hop in _hops(root, os.path.join(root, path)))
        entries = [_entry(f"blobs/{hop[len(blobs) + 1 :]}") for hop in hops if hop.startswith(blobs + os.sep)]
        keys = dict.fromkeys(key_of.get(entry) or place_of(entry).whole for entry in entries)
        found[key] = tuple(other for other in keys if other and other != key and on_disk.find(other))
    return found


def _entry(path: str) -> str:
    """The entry of ``blobs/`` that holds a path."""
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
