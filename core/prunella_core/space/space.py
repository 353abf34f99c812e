"""The one engine for bytes: which files leave the disk together, and with whom.

Files held by exactly the same holders form a cell and leave the disk when the last of these holders goes. All sizes are
bytes on the disk; a file with several links counts once, and is freed with the last of them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property
from typing import Literal, NamedTuple, TypeVar

from prunella_core.fs.sizes import File
from prunella_core.fs.sizes import allocated as distinct
from prunella_core.inventory.records import Blob, Inventory, State, TrashEntry, digest_of_file, is_of_blob
from prunella_core.ollama.paths import place_of
from prunella_core.space.cells import Cell, Holder, Selection
from prunella_core.space.sharing import Sharers, Sharing

K = TypeVar("K")
Mode = Literal["trash", "delete", "server"]
"""How files go. What is deleted for good stays while the trash needs it; what Ollama deletes stays in the guard."""

_NO_HOLDERS: frozenset[Holder] = frozenset()
_STAGED = Holder("staged", "")


class Usage(NamedTuple):
    """What one holder takes; ``frees`` is what deleting it alone gives back, ``shared`` what other models need too."""

    allocated: int
    frees: int
    shared: int


class Space:
    """All cells of a store, and those of each holder."""

    def __init__(self, inventory: Inventory, mode: Mode = "trash") -> None:
        self.inventory = inventory
        self.of: dict[Holder, list[Cell]] = {}
        self.cell_of: dict[str, Cell] = {}
        """The cell of each row of ``blobs/`` that has files, under its key."""
        self._sharers = Sharers()
        self._made: dict[tuple[str, frozenset[Holder]], Cell] = {}
        self._add_manifests()
        needed = _needed_by_trash(inventory.trash)
        self._add_blobs(_with_staged(needed if mode == "delete" else {}, inventory.staged))
        self._add_trash(needed)
        self.cells = sorted(self._made.values(), key=lambda cell: cell.rank)

    def frees(self, gone: Collection[Holder]) -> int:
        """What leaves the disk when exactly these go."""
        selection = self.selection()
        selection.add(*gone)
        return selection.frees

    def usage(self, holder: Holder) -> Usage:
        """What one holder takes, frees and shares."""
        cells = self.of.get(holder, [])
        if any(cell.linked for cell in cells):
            shared = [file for cell in cells if cell.is_shared for file in cell.files]
            return Usage(
                distinct(file for cell in cells for file in cell.files), self.frees([holder]), distinct(shared)
            )
        return Usage(
            sum([cell.plain for cell in cells]),
            sum([cell.own for cell in cells if len(cell.holders) == 1]),
            sum([cell.plain for cell in cells if cell.is_shared]),
        )

    @cached_property
    def models(self) -> dict[str, Usage]:
        """What each model takes, under its name."""
        return {model.name: self.usage(Holder("model", model.name)) for model in self.inventory.models}

    def shared_with(self, name: str) -> Sharing:
        """Return the other models that need files of the model ``name``."""
        return self._sharers.of(name, self.of.get(Holder("model", name), ()))

    def partition(self, key: Callable[[Cell], K]) -> dict[K, int]:
        """Add up the whole store by ``key``, every file once: for the most useful of the cells that it is in."""
        sums: dict[K, int] = {}
        seen: set[tuple[int, int]] = set()
        for cell in self.cells:
            size = cell.plain
            for file in cell.linked:
                identity = file.device, file.inode
                size += 0 if identity in seen else file.allocated
                seen.add(identity)
            into = key(cell)
            sums[into] = sums.get(into, 0) + size
        return sums

    def selection(self) -> Selection:
        """An empty selection."""
        return Selection(self.of)

    # Which files whom hold

    def _cell(self, kind: str, holders: frozenset[Holder], models: tuple[str, ...] = ()) -> Cell:
        cell = self._made.get((kind, holders))
        if cell is None:
            cell = self._made[kind, holders] = Cell(kind, holders, models)
            for holder in holders:
                self.of.setdefault(holder, []).append(cell)
        return cell

    def _add_manifests(self) -> None:
        for model in self.inventory.models:
            self._cell("manifest", frozenset([Holder("model", model.name)]), (model.name,)).add([model.manifest])
        for path, problem in self.inventory.broken_by_path.items():
            if problem.file:
                self._cell("broken", frozenset([Holder("manifest", path)])).add([problem.file])

    def _add_blobs(self, needed: Mapping[str, frozenset[Holder]]) -> None:
        leads = _leads(self.inventory)
        alike: dict[tuple[State, int], Cell] = {}  # tens of thousands of blobs have the very same tuple of models
        for blob in self.inventory.blobs:
            if not blob.files or blob.state is State.TRASHED:
                continue
            same = blob.state, id(blob.models) if blob.models else id(blob)
            cell = alike.get(same)
            if cell is None or blob.key in leads or blob.key in needed:
                holders = self._holders(blob, leads) | needed.get(blob.key, _NO_HOLDERS)
                cell = self._cell(blob.state, holders, blob.models)
                if blob.key not in leads and blob.key not in needed:
                    alike[same] = cell
            cell.blobs.append(blob)
            cell.add(blob.files)
            self.cell_of[blob.key] = cell

    def _holders(self, blob: Blob, leads: Mapping[str, frozenset[Holder]]) -> frozenset[Holder]:
        """Its models, or the row itself; where links lead to it also these, as long as no model needs them."""
        holders = frozenset([Holder("model", name) for name in blob.models])
        if blob.key in leads:
            by_name = self.inventory.model_by_name
            is_asked_for = any(blob.key in by_name[name].needs for name in blob.models)
            return holders | leads[blob.key] | (_NO_HOLDERS if is_asked_for else {Holder("blob", blob.key)})
        return holders or frozenset([Holder("blob", blob.key)])

    def _add_trash(self, needed: Mapping[str, frozenset[Holder]]) -> None:
        for entry in self.inventory.trash:
            for file in entry.files:
                self._cell(State.TRASHED, self._trash_holders(entry, file, needed)).add([file])

    def _trash_holders(
        self, entry: TrashEntry, file: File, needed: Mapping[str, frozenset[Holder]]
    ) -> frozenset[Holder]:
        """The entry that it lies in, unless that was emptied; of the last copy of a blob also all that need it."""
        own = frozenset([Holder("trash", entry.id)])
        digest = place_of(file.path).digest if is_of_blob(file.path) else None
        copies = self.inventory.trashed_files.get(digest or "")
        if digest is None or copies is None:
            return own
        blob = self.inventory.blob_by_key.get(digest)
        if (file not in copies and is_like(copies[0], file)) or (
            blob and any(is_like(f, copies[0]) for f in blob.files)
        ):
            return own
        missed_by = [Holder("model", name) for name in blob.models] if blob and not blob.files else []
        needs = needed.get(digest, _NO_HOLDERS).union(missed_by)
        return needs if needs and entry.is_spent else own | needs


def space_of(inventory: Inventory, mode: Mode = "trash") -> Space:
    """Return the Space of an inventory; it is made once and kept with it."""
    made = vars(inventory)
    key = f"space for {mode}"
    if key not in made:
        made[key] = Space(inventory, mode)
    space: Space = made[key]
    return space


def is_like(other: File, file: File) -> bool:
    """Whether another file of the same digest will do as well, going by its size."""
    return other.is_regular and other.size == file.size


def _needed_by_trash(trash: Iterable[TrashEntry]) -> dict[str, frozenset[Holder]]:
    """Under each digest the entries of the trash that need it and do not have it themselves."""
    needed: dict[str, set[Holder]] = {}
    for entry in trash:
        for digest in entry.needs - {digest_of_file(file.path) for file in entry.files}:
            needed.setdefault(digest, set()).add(Holder("trash", entry.id))
    return {digest: frozenset(holders) for digest, holders in needed.items()}


def _with_staged(needed: Mapping[str, frozenset[Holder]], staged: Collection[str]) -> Mapping[str, frozenset[Holder]]:
    """The same, and what manifests need that an operation set aside: they may come back."""
    return (
        {**needed, **{digest: needed.get(digest, _NO_HOLDERS) | {_STAGED} for digest in staged}} if staged else needed
    )


def _leads(inventory: Inventory) -> dict[str, frozenset[Holder]]:
    """Under the key of each row that links in ``blobs/`` lead to those of them that no model needs."""
    found: dict[str, set[Holder]] = {}
    for blob in inventory.blobs:
        for key in blob.reaches:
            found.setdefault(key, set()).update(() if blob.models else [Holder("blob", blob.key)])
    return {key: frozenset(holders - {Holder("blob", key)}) for key, holders in found.items()}
