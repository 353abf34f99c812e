"""The one engine for bytes: which files leave the disk together, and with whom.

Files held by exactly the same holders form a cell and leave the disk when the last of these holders goes. All sizes are
bytes on the disk; a file with several links counts once, and is freed with the last of them.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property, reduce
from operator import or_
from typing import Literal, NamedTuple, TypeVar

from msgspec import Struct

from prunella_core.fs.files import File, allocated
from prunella_core.inventory.records import Blob, Inventory, State, TrashEntry
from prunella_core.ollama.names import place_of


class Holder(NamedTuple):
    """Something that keeps files on the disk: a model by name, a row of ``blobs/`` by key (a link holds what it leads
    to), a damaged manifest by path, an entry of the trash by ID, the guard by digest, what an operation set aside."""

    kind: Literal["model", "blob", "manifest", "trash", "guard", "staged"]
    key: str


_RANKS = ("referenced", "manifest", "broken", "unreferenced", "partial", "leftover", "stray", "trashed", "guard")


class Cell:
    """Files that leave the disk together. ``kind`` is the state of its blobs, or ``manifest`` or ``broken``."""

    __slots__ = (
        *("kind", "holders", "models", "blobs", "files", "linked", "own", "plain"),
        *("is_shared", "may_be_needed", "rank"),
    )

    def __init__(self, kind: str, holders: frozenset[Holder], models: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self.holders = holders
        self.models = models
        """The models among the holders, in the order of their names."""
        self.is_shared = kind == State.REFERENCED and len(models) > 1
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
        self.linked = [file for file in self.files if file.links > 1]
        alone = [file for file in self.files if file.links <= 1] if self.linked else self.files
        self.plain = sum([file.allocated for file in alone])
        self.own = self.plain - sum([file.allocated - file.own for file in alone if file.shared])

    @property
    def allocated(self) -> int:
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
        self.is_blocked = False
        """Whether a problem keeps every blob that a model could need."""
        self._touched: dict[Cell, int] = {}
        """How many holders of each cell are in it."""
        self._links: Counter[tuple[int, int]] = Counter()

    def add(self, *holders: Holder) -> None:
        for holder in holders:
            if holder not in self.gone:
                self.gone.add(holder)
                for cell in self.of.get(holder, ()):
                    count = self._touched[cell] = self._touched.get(cell, 0) + 1
                    if count == len(cell.holders) and self.leaves(cell):
                        self._account(cell, 1)

    def remove(self, *holders: Holder) -> None:
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


K = TypeVar("K")
Mode = Literal["trash", "delete", "server"]
"""How files go. What is deleted for good stays while the trash needs it; what Ollama deletes stays in the guard."""

MOST_NAMED = 20
_STAGED = Holder("staged", "")


class Usage(NamedTuple):
    """What one holder takes; ``frees`` is what deleting it alone gives back, ``shared`` what other models need too."""

    allocated: int
    frees: int
    shared: int


class Sharing(Struct, frozen=True):
    """The models that share files with one: the first ``MOST_NAMED`` from the largest cell down, and how many."""

    names: tuple[str, ...]
    count: int


class Space:
    def __init__(self, inventory: Inventory, mode: Mode = "trash") -> None:
        self.inventory = inventory
        self.of: dict[Holder, list[Cell]] = {}
        self._made: dict[tuple[str, frozenset[Holder]], Cell] = {}
        for model in inventory.models:
            self._cell("manifest", frozenset([Holder("model", model.name)]), (model.name,)).files.append(model.manifest)
        for path, problem in inventory.broken_by_path.items():
            if problem.file:
                self._cell("broken", frozenset([Holder("manifest", path)])).files.append(problem.file)
        needed = _needed_by_trash(inventory.keeping)
        self._add_blobs(_held_otherwise(inventory, needed if mode == "delete" else {}))
        self._add_trash(needed)
        self.cells = sorted(self._made.values(), key=lambda cell: cell.rank)
        for cell in self.cells:
            cell.add_up()

    def frees(self, gone: Iterable[Holder]) -> int:
        """What leaves the disk when exactly these go."""
        selection = self.selection()
        selection.add(*gone)
        return selection.frees

    def frees_models(self, names: Iterable[str]) -> int:
        """What leaves the disk when exactly these models go (problems and settling left out of account)."""
        return self.frees([Holder("model", name) for name in names])

    def usage(self, holder: Holder) -> Usage:
        """What one holder takes, frees and shares."""
        cells = self.of.get(holder, [])
        alone = [cell for cell in cells if len(cell.holders) == 1]
        is_plain = not any(cell.linked for cell in alone)
        frees = sum([cell.own for cell in alone]) if is_plain else self.frees([holder])
        return Usage(taken_by(cells), frees, taken_by([cell for cell in cells if cell.is_shared]))

    @cached_property
    def models(self) -> dict[str, Usage]:
        """What each model takes, under its name."""
        return {model.name: self.usage(Holder("model", model.name)) for model in self.inventory.models}

    @cached_property
    def cell_of(self) -> dict[str, Cell]:
        """The cell of each row of ``blobs/`` that has files, under its key."""
        return {blob.key: cell for cell in self.cells for blob in cell.blobs}

    @cached_property
    def rows(self) -> dict[str, Holder]:
        """The rows of ``blobs/`` that hold files themselves, under their keys: mostly those that no model needs."""
        return {holder.key: holder for holder in self.of if holder.kind == "blob"}

    def shared_with(self, name: str) -> Sharing:
        """Return the other models that need files of the model ``name``."""
        shared = [cell for cell in self.of.get(Holder("model", name), ()) if cell.is_shared]
        shared.sort(key=lambda cell: (-cell.allocated, cell.models))
        first = dict.fromkeys(other for cell in shared for other in cell.models[: MOST_NAMED + 1])
        first.pop(name, None)
        users = reduce(or_, (self._user_bits[cell] for cell in shared), 0)
        return Sharing(tuple(first)[:MOST_NAMED], max(users.bit_count() - 1, 0))

    @cached_property
    def _user_bits(self) -> dict[Cell, int]:
        """The users of each shared cell, one bit for each: sets of names would be united for every one of thousands."""
        bits = {model.name: 1 << number for number, model in enumerate(self.inventory.models)}
        return {cell: sum([bits[name] for name in cell.models]) for cell in self.cells if cell.is_shared}

    def partition(self, key: Callable[[Cell], K]) -> dict[K, int]:
        """Add up the whole store by ``key``, every file once: for the most useful of the cells that it is in."""
        sums: dict[K, int] = defaultdict(int)
        seen: set[tuple[int, int]] = set()
        for cell in self.cells:
            size = cell.plain
            for file in cell.linked:
                identity = file.device, file.inode
                size += 0 if identity in seen else file.allocated
                seen.add(identity)
            sums[key(cell)] += size
        return sums

    def selection(self) -> Selection:
        """An empty selection."""
        return Selection(self.of)

    def _cell(self, kind: str, holders: frozenset[Holder], models: tuple[str, ...] = ()) -> Cell:
        cell = self._made.get((kind, holders))
        if cell is None:
            cell = self._made[kind, holders] = Cell(kind, holders, models)
            for holder in holders:
                self.of.setdefault(holder, []).append(cell)
        return cell

    def _add_blobs(self, otherwise: Mapping[str, set[Holder]]) -> None:
        alike: dict[int, list[Blob]] = {}  # tens of thousands of blobs have the very same tuple of models
        for blob in self.inventory.blobs:
            if not blob.files or blob.state is State.TRASHED:
                continue
            if blob.models and blob.key not in otherwise:
                alike.setdefault(id(blob.models), []).append(blob)
            else:
                own = [Holder("model", name) for name in blob.models] or [Holder("blob", blob.key)]
                self._add_alike([blob], otherwise.get(blob.key, set()).union(own))
        for blobs in alike.values():
            self._add_alike(blobs, [Holder("model", name) for name in blobs[0].models])

    def _add_alike(self, blobs: list[Blob], holders: Iterable[Holder]) -> None:
        cell = self._cell(blobs[0].state, frozenset(holders), blobs[0].models)
        cell.blobs += blobs
        cell.files += [file for blob in blobs for file in blob.files]

    def _add_trash(self, needed: Mapping[str, set[Holder]]) -> None:
        for entry in self.inventory.trash:
            for file in entry.files:
                needs = self._who_needs(file, needed)
                own = set() if needs and entry.is_spent else {Holder("trash", entry.id)}
                self._cell(State.TRASHED, frozenset(needs | own)).files.append(file)

    def _who_needs(self, file: File, needed: Mapping[str, set[Holder]]) -> set[Holder]:
        """What needs a file of the trash, when it is the last copy of its blob: other entries, and models."""
        place = place_of(file.path)
        digest = (place.is_of_blob and place.digest) or ""
        copies = self.inventory.trashed_files.get(digest)
        if copies is None or (file not in copies and is_like(copies[0], file)):
            return set()
        blob = self.inventory.blob_by_key.get(digest)
        if blob and any(is_like(other, copies[0]) for other in blob.files):
            return set()
        missed_by = {Holder("model", name) for name in blob.models} if blob and not blob.files else set()
        return missed_by | needed.get(digest, set())


def space_of(inventory: Inventory, mode: Mode = "trash") -> Space:
    """Return the Space of an inventory; it is made once and kept with it."""
    return inventory.kept(f"space for {mode}", lambda: Space(inventory, mode))


def is_like(other: File, file: File) -> bool:
    """Whether another file of the same digest will do as well, going by its size."""
    return other.is_regular and other.size == file.size


def _needed_by_trash(trash: Iterable[TrashEntry]) -> Mapping[str, set[Holder]]:
    """Under each digest the entries of the trash that need it and do not have it themselves."""
    needed: dict[str, set[Holder]] = {}
    for entry in trash:
        for digest in entry.needs - {place_of(file.path).whole for file in entry.files}:
            needed.setdefault(digest, set()).add(Holder("trash", entry.id))
    return needed


def _held_otherwise(inventory: Inventory, needed: Mapping[str, set[Holder]]) -> Mapping[str, set[Holder]]:
    """What holds a row other than its models, under its key: the trash, an operation that set its model aside, links.

    What links lead to is held by those of them that no model needs, and by its own row while no model asks for it.
    """
    held = defaultdict(set, {digest: set(holders) for digest, holders in needed.items()})
    for digest in inventory.staged:
        held[digest].add(_STAGED)
    for link in inventory.blobs:
        for key in link.reaches:
            if not link.models:
                held[key].add(Holder("blob", link.key))
            models = inventory.blob_by_key[key].models
            if not any(key in inventory.model_by_name[name].needs for name in models):
                held[key].add(Holder("blob", key))
    return held
