"""What files a store's space consists of: cells of files that leave the disk together, and sets of what holds them."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from prunella_core.fs.files import File, allocated
from prunella_core.inventory.records import Blob, State


class Holder(NamedTuple):
    """Something that keeps files on the disk: a model by name, a row of ``blobs/`` by key (a link holds what it leads
    to), a damaged manifest by path, an entry of the trash by ID, the guard by digest, what an operation set aside."""

    kind: Literal["model", "blob", "manifest", "trash", "guard", "staged"]
    key: str


_RANKS = ("referenced", "manifest", "broken", "unreferenced", "partial", "leftover", "stray", "trashed", "guard")


class Cell:
    """Files that leave the disk together. ``kind`` is the state of its blobs, or ``manifest`` or ``broken``."""

    __slots__ = (
        "blobs",
        "files",
        "holders",
        "is_shared",
        "kind",
        "linked",
        "may_be_needed",
        "models",
        "own",
        "plain",
        "rank",
    )

    def __init__(self, kind: str, holders: frozenset[Holder], models: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self.holders = holders
        self.models = models
        """The models among the holders, in the order of their names."""
        self.is_shared = kind == State.REFERENCED and len(models) > 1
        """Whether several models need it."""
        self.may_be_needed = kind in (State.REFERENCED, State.UNREFERENCED)
        """Whether a manifest that cannot be read could need it."""
        self.rank = 0 if self.is_shared else _RANKS.index(kind) + 1
        """Which cell a file with several links counts for: the lowest, which is the most useful."""
        self.blobs: list[Blob] = []
        self.files: list[File] = []
        self.plain = 0
        """What its files with one link take."""
        self.own = 0
        """What of that is freed with the cell: extents that other files share stay."""
        self.linked: list[File] = []
        """Its files with several links: each is freed with the last of them, which may lie in another cell."""

    def add_up(self) -> None:
        """Measure its files, once all are here."""
        self.linked = [file for file in self.files if file.links > 1]
        alone = [file for file in self.files if file.links <= 1] if self.linked else self.files
        self.plain = sum([file.allocated for file in alone])
        self.own = self.plain - sum([file.allocated - file.own for file in alone if file.shared])

    @property
    def allocated(self) -> int:
        """What all its files take."""
        return self.plain + allocated(self.linked)


def taken_by(cells: Collection[Cell]) -> int:
    """What the files of several cells take, each file once."""
    return sum([cell.plain for cell in cells]) + allocated([file for cell in cells for file in cell.linked])


class Selection:
    """The holders that are to be deleted: what they free is kept up to date as they are added and removed."""

    def __init__(self, of: Mapping[Holder, list[Cell]]) -> None:
        self.of = of
        self.gone: set[Holder] = set()
        self.frees = 0
        """What leaves the disk with them."""
        self.is_blocked = False
        """Whether a problem keeps every blob that a model could need."""
        self._touched: dict[Cell, int] = {}
        """How many holders of each cell are in it."""
        self._links: Counter[tuple[int, int]] = Counter()

    def add(self, *holders: Holder) -> None:
        """Choose holders."""
        for holder in holders:
            if holder not in self.gone:
                self.gone.add(holder)
                for cell in self.of.get(holder, ()):
                    count = self._touched[cell] = self._touched.get(cell, 0) + 1
                    if count == len(cell.holders) and self.leaves(cell):
                        self._account(cell, 1)

    def remove(self, *holders: Holder) -> None:
        """Choose holders no more."""
        for holder in holders:
            if holder in self.gone:
                self.gone.remove(holder)
                for cell in self.of.get(holder, ()):
                    if self.leaves(cell):
                        self._account(cell, -1)
                    self._touched[cell] -= 1

    def gain(self, holders: Iterable[Holder]) -> int:
        """What would leave the disk with these too."""
        before, new = self.frees, [holder for holder in holders if holder not in self.gone]
        self.add(*new)
        gained = self.frees - before
        self.remove(*new)
        return gained

    def block(self, is_blocked: bool) -> None:
        """Say whether a problem keeps what a model could need."""
        if is_blocked != self.is_blocked:
            self.is_blocked = False
            for cell in self._touched:
                if cell.may_be_needed and self.leaves(cell):
                    self._account(cell, -1 if is_blocked else 1)
            self.is_blocked = is_blocked

    def leaves(self, cell: Cell) -> bool:
        """Whether a cell leaves the disk: all its holders go, and no problem keeps it."""
        return self._touched.get(cell) == len(cell.holders) and not (self.is_blocked and cell.may_be_needed)

    def leaving(self) -> Iterator[Cell]:
        """The cells that leave the disk."""
        return filter(self.leaves, self._touched)

    def kept(self) -> list[Cell]:
        """The cells of what goes that stay."""
        return [cell for cell, gone in self._touched.items() if gone and not self.leaves(cell)]

    def _account(self, cell: Cell, sign: int) -> None:
        self.frees += sign * cell.own
        for file in cell.linked:
            identity = file.device, file.inode
            gone = self._links[identity]
            self._links[identity] += sign
            self.frees += sign * file.own if max(gone, gone + sign) == file.links else 0
