"""Brings what models need and what is on the disk together: all digests at once, by numbers."""

from collections.abc import Iterator, Mapping
from functools import cached_property

from prunella_core.fs.sizes import BLOCK, File
from prunella_core.inventory.rows import Taken
from prunella_core.ollama.manifest import Layer
from prunella_core.scan.entries import BLOCKS, LINKS, SIZE, Entries


class Match:
    """What is there of the digests that have users, and what is there beside them."""

    def __init__(
        self, users: dict[str, tuple[str, ...]], shared: Mapping[str, tuple[str, ...]], whole: Entries
    ) -> None:
        self.users = users
        self.shared = shared
        self.whole = whole
        self._rows = whole.rows_of(users)
        self.is_all_plain = None not in self._rows

    @cached_property
    def missing(self) -> list[str]:
        """The needed digests that have no file."""
        if self.is_all_plain:
            return []
        odd = self.whole.odd
        return [digest for digest, row in zip(self.users, self._rows, strict=True) if row is None and digest not in odd]

    def files(self) -> Iterator[tuple[str, tuple[File, ...]]]:
        """The needed digests that have files, with these."""
        return self.whole.files_of(zip(self.users, self._rows, strict=True))

    @cached_property
    def unneeded(self) -> list[str]:
        """The digests with files that nobody needs, in the order of their names."""
        return sorted([*self.whole.beside(self._rows), *(self.whole.odd.keys() - self.users.keys())])

    def taken(self) -> Taken:
        """What the needed digests take."""
        blocks, odd = self.whole.column(BLOCKS), self.whole.odd
        placed = zip(self.users, self._rows, strict=True)
        allocated = {digest: 0 if row is None else blocks[row] * BLOCK for digest, row in placed}
        allocated.update((digest, files[0].allocated) for digest, files in odd.items() if digest in self.users)
        return Taken(allocated, self._linked())

    def _linked(self) -> frozenset[str]:
        several = {
            digest
            for digest, files in self.whole.odd.items()
            if digest in self.users and (len(files) > 1 or files[0].shared or files[0].links > 1)
        }
        links = self.whole.column(LINKS)
        if max(links, default=1) > 1:
            placed = zip(self.users, self._rows, strict=True)
            several.update(digest for digest, row in placed if row is not None and links[row] > 1)
        return frozenset(several)

    def of_other_size(self, layers: Mapping[str, Layer]) -> set[str]:
        """The digests whose file has another size than their layer."""
        sizes, odd = self.whole.column(SIZE), self.whole.odd
        find = layers.get
        wrong = {
            digest
            for digest, row in zip(self.users, self._rows, strict=True)
            if row is not None and (layer := find(digest)) and sizes[row] != layer.size
        }
        return wrong | {
            digest for digest, files in odd.items() if digest in layers and files[0].size != layers[digest].size
        }
