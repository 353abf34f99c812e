"""The files of whole blobs by their digest, kept as numbers: a record is made of one only when somebody asks for it."""

import os
from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, count
from stat import S_ISREG
from struct import Struct

from prunella_core.fs.sizes import BLOCK, File
from prunella_core.ollama.digests import are_plain_names, digest_of_name
from prunella_core.scan.lister import FIELDS, WIDTH

SIZE, BLOCKS, MODE, LINKS = 0, 1, 3, 6
"""Where a number stands among those of a file."""


_unpack_from = Struct(f"{WIDTH}q").unpack_from


class Entries(Mapping[str, tuple[File, ...]]):
    """Files by digest. A plain one is an ordinary file under the one name that today's server gives it.

    Of a plain file its numbers say all. Links, other names, and several files of one digest are kept as records.
    """

    def __init__(self) -> None:
        self._numbers = array("q")
        self._digests: list[str] = []
        self._row: dict[str, int] = {}
        self.odd: dict[str, tuple[File, ...]] = {}
        """The digests that have anything else than one plain file."""

    def copy(self) -> "Entries":
        """The same as it is now."""
        copy = Entries()
        copy._numbers, copy._digests = self._numbers[:], self._digests[:]
        copy._row, copy.odd = self._row.copy(), self.odd.copy()
        return copy

    def add_plain(self, digest: str, status: os.stat_result) -> bool:
        """Take in a plain file by its ``lstat`` result; if its numbers are too large for that, say no."""
        try:
            numbers = array("q", FIELDS(status))
        except OverflowError:
            return False
        self._row[digest] = len(self._digests)
        self._digests.append(digest)
        self._numbers.extend(numbers)
        return True

    def add_all(self, names: str, numbers: "array[int]") -> list[str]:
        """Take in all that are plain, as ``lister`` tells them: a ``/`` after each name, and the numbers of each.

        Returns the names of the others.
        """
        others = []
        if not (are_plain_names(names[:-1], len(numbers) // WIDTH) and all(map(S_ISREG, set(numbers[MODE::WIDTH])))):
            told = list(zip(names.split("/"), range(0, len(numbers), WIDTH), strict=False))
            plain = [(name, at) for name, at in told if _is_plain(name, numbers[at + MODE])]
            others = [name for name, at in told if not _is_plain(name, numbers[at + MODE])]
            names = "".join([f"{name}/" for name, _at in plain])
            numbers = array("q", chain.from_iterable(numbers[at : at + WIDTH] for _name, at in plain))
        digests = names.replace("-", ":").split("/")[:-1]
        self._row.update(zip(digests, count(len(self._digests)), strict=False))
        self._digests += digests
        self._numbers.extend(numbers)
        return others

    def put(self, digest: str, files: tuple[File, ...]) -> None:
        """Let these be the files of a digest, whatever was known of it."""
        self._row.pop(digest, None)
        self.odd[digest] = files

    def __getitem__(self, digest: str) -> tuple[File, ...]:
        row = self._row.get(digest)
        return self.odd[digest] if row is None else next(self.files_of([(digest, row)]))[1]

    def files_of(self, found: Iterable[tuple[str, int | None]]) -> Iterator[tuple[str, tuple[File, ...]]]:
        """The files of many digests, each with its place as ``rows_of`` gives it; those without one are left out."""
        same: dict[int, int] = {}  # one number for all instead of one each: that is some megabytes
        for digest, row in found:
            if row is not None:
                size, blocks, mtime_ns, mode, device, inode, links = _unpack_from(self._numbers, row * WIDTH * 8)
                mode, device = same.setdefault(mode, mode), same.setdefault(device, device)
                path = f"blobs/sha256-{digest[7:]}"
                yield digest, (File(path, size, blocks * BLOCK, mtime_ns, mode, device, inode, links),)
            elif digest in self.odd:
                yield digest, self.odd[digest]

    def __iter__(self) -> Iterator[str]:
        yield from self._row
        yield from self.odd

    def __len__(self) -> int:
        return len(self._row) + len(self.odd)

    def __contains__(self, digest: object) -> bool:
        return digest in self._row or digest in self.odd

    def column(self, field: int) -> "array[int]":
        """One number of every plain file."""
        return self._numbers[field::WIDTH]

    def rows_of(self, digests: Iterable[str]) -> list[int | None]:
        """The place of each digest's plain file in the columns."""
        return list(map(self._row.get, digests))

    def beside(self, rows: Iterable[int | None]) -> list[str]:
        """The digests of all files but those at ``rows``."""
        others = set(self._row.values()).difference(rows)
        return [self._digests[row] for row in others]


def _is_plain(name: str, mode: int) -> bool:
    return S_ISREG(mode) and digest_of_name(name) is not None
