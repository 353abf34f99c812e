"""Reads the folder ``blobs/``: one row a digest, and one for every file whose name holds none."""

import os
from collections.abc import Callable, Set
from os import lstat
from stat import S_ISDIR, S_ISLNK, S_ISREG

from msgspec import Struct

from prunella_core.fs.extents import shared_bytes
from prunella_core.fs.files import file_from, files_below, has_reflinks
from prunella_core.fs.sizes import File
from prunella_core.inventory.problems import problem
from prunella_core.inventory.records import Problem
from prunella_core.ollama.digests import FileKind, digest_of_name, read_blob_name
from prunella_core.scan.beside import Beside, Piece, beside
from prunella_core.scan.entries import Entries
from prunella_core.scan.lister import LENGTH
from prunella_core.scan.progress import REPORT_EVERY
from prunella_core.store.locate import Store

Rows = dict[str, tuple[File, ...]]
"""Files by digest or path."""


class BlobReading(Struct, frozen=True):
    """The files of ``blobs/``: whole ones and partials by digest, the others by path."""

    whole: Entries
    partial: Rows
    leftover: Rows
    stray: Rows
    links: tuple[str, ...]
    """The digests of which some file is a symbolic link."""
    problems: tuple[Problem, ...]


def led_to(digests: Set[str], found: BlobReading) -> set[str]:
    """What the blobs of ``digests`` lead to where they are links, and so on: needed as they are, and named nowhere."""
    known = set(digests)
    waiting = [digest for digest in found.links if digest in known]
    for digest in waiting:
        for file in found.whole[digest]:
            target = digest_in_blobs(file.target)
            if target in found.whole and target not in known:
                known.add(target)
                waiting.append(target)
    return known - digests


def digest_in_blobs(target: str | None) -> str:
    """The digest that the target of a link is named by; taking it for one of this folder only ever keeps more."""
    return read_blob_name(os.path.basename(target or "")).digest or ""


NOTHING = BlobReading(Entries(), {}, {}, {}, (), ())
"""No blob was looked at."""


class BlobReader:
    """One listing of ``blobs/`` that opens nothing in it. What it has read so far can be asked at any time.

    It is done in two steps: ``list_names`` decides which names count, ``look`` looks at the files. In between a second
    process looks at those of a large folder; ``close`` ends that.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.count = 0
        self._folder = store.blobs + os.sep
        self._with_extents = False
        self._names: list[str] = []
        self._odd_names: list[str] = []
        self._beside: Beside | None = None
        self._told = 0
        """How many of the names, from the first on, the other process has told of in the same order."""
        self._untold: set[str] | None = None
        """The names that it has not told of, once it was another order or other names."""
        self._whole = Entries()
        self._rows: dict[FileKind, Rows] = {kind: {} for kind in FileKind}
        self._links: set[str] = set()
        self._problems: list[Problem] = []

    def start(self) -> None:
        """Let a second process begin to look, if the folder is large enough; nothing is listed by that."""
        if not has_reflinks(self.store.blobs):  # shared extents have to be asked for file by file
            self._beside = beside(self.store.blobs)

    def list_names(self) -> None:
        """Read the names, in the order that the disk has them in: that is the quickest."""
        try:
            names = os.listdir(self.store.blobs)
            self._names = [name for name in names if len(name) == LENGTH]
            self._odd_names = [name for name in names if len(name) != LENGTH]
            self._with_extents = has_reflinks(self.store.blobs)
        except FileNotFoundError:
            self._problems.append(problem("blobs", "no-blobs", "there is no blobs/ folder"))
        except OSError as error:
            self._problems.append(problem("blobs", "unreadable", f"cannot list this folder: {error.strerror}"))

    def look(self, report: Callable[[], None]) -> BlobReading:
        """Look at every file that was listed, and at those alone; ``report`` is called every few hundred."""
        self.take(report, to_the_end=True)
        names = [*self._odd_names, *(self._names[self._told :] if self._untold is None else sorted(self._untold))]
        for start in range(0, len(names), REPORT_EVERY):
            self._read_some(names[start : start + REPORT_EVERY])
            report()
        self._names = self._odd_names = []
        return self._reading(self._whole)

    def take(self, report: Callable[[], None], *, to_the_end: bool = False) -> None:
        """Take what the other process has told by now, of what was listed here too."""
        for piece in self._beside.pieces(to_the_end=to_the_end) if self._beside and self._names else ():
            claimed = self._claim(piece)
            others = self._whole.add_all(claimed.names, claimed.numbers)
            self._odd_names += others
            self.count += claimed.entries - len(others)
            report()

    def close(self) -> None:
        """End the other process."""
        if self._beside:
            self._beside.close()
            self._beside = None

    def so_far(self) -> BlobReading:
        """What is known by now, in no order; what is read later is not in it."""
        return self._reading(self._whole.copy())

    def _reading(self, whole: Entries) -> BlobReading:
        return BlobReading(
            whole,
            self._rows[FileKind.PARTIAL].copy(),
            self._rows[FileKind.LEFTOVER].copy(),
            self._rows[FileKind.STRAY].copy(),
            tuple(sorted(self._links)),
            tuple(sorted(self._problems, key=lambda found: found.path)),
        )

    def _claim(self, piece: Piece) -> Piece:
        """Leave out of a piece what came after the listing here: that does not count. Nearly always nothing did."""
        end = self._told + piece.entries
        if self._untold is None:
            if "/".join([*self._names[self._told : end], ""]) == piece.names:
                self._told = end
                return piece
            self._untold = set(self._names[self._told :])
        claimed = piece.only(self._untold)
        self._untold.difference_update(claimed.names.split("/"))
        return claimed

    def _read_some(self, names: list[str]) -> None:
        """The loop that all the time goes into: what is no plain blob is for ``_place``."""
        folder, whole, is_plain = self._folder, self._whole, not self._with_extents
        for name in names:
            try:
                status = lstat(folder + name)
                digest = digest_of_name(name)
                is_new = is_plain and S_ISREG(status.st_mode) and digest not in whole
                if not (digest and is_new and whole.add_plain(digest, status)):
                    self._place(name, status)
            except FileNotFoundError:  # gone between listing and looking: as if the scan had come later
                continue
            except OSError as error:
                message = f"cannot look at this file: {error.strerror}"
                self._problems.append(problem(f"blobs/{name}", "unreadable", message))
        self.count += len(names)

    def _place(self, name: str, status: os.stat_result) -> None:
        path = f"blobs/{name}"
        if S_ISDIR(status.st_mode):
            self._rows[FileKind.STRAY][path] = self._in_folder(path)
            return
        target = os.readlink(self._folder + name) if S_ISLNK(status.st_mode) else None
        is_regular = S_ISREG(status.st_mode)
        shared = shared_bytes(self._folder + name) if self._with_extents and is_regular else 0
        read = read_blob_name(name)
        kind = read.kind if target is not None or is_regular else FileKind.STRAY
        key = read.digest if read.digest and kind is not FileKind.STRAY else path
        if target is not None and kind is FileKind.WHOLE:
            self._links.add(key)
        before = self._whole.get(key, ()) if kind is FileKind.WHOLE else self._rows[kind].get(key, ())
        files = tuple(sorted((*before, file_from(path, status, target, shared)), key=lambda file: file.path))
        if kind is FileKind.WHOLE:
            self._whole.put(key, files)
        else:
            self._rows[kind][key] = files

    def _in_folder(self, path: str) -> tuple[File, ...]:
        """What somebody's own folder holds, for its size: Ollama never looks into it, and nothing of it is removed."""
        try:
            return tuple(files_below(self.store.root, path))
        except OSError as error:
            message = f"cannot look into this folder: {error.strerror}"
            self._problems.append(problem(path, "unreadable-folder", message))
            return ()


def read_blobs(store: Store) -> BlobReading:
    """List ``blobs/`` of a store at once."""
    reader = BlobReader(store)
    reader.list_names()
    return reader.look(lambda: None)
