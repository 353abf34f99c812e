"""A store as the choice sees it: cells of bytes that leave the disk together, each when all that it waits for goes.

The rules are those of ``planning``, told from the other end: not what a set frees, but which set frees a file.
"""

from collections.abc import Collection
from typing import NamedTuple

from prunella_core.advice.free.candidates import Candidate, ItemKind
from prunella_core.advice.free.regret import of_blobs, of_item, recency
from prunella_core.fs.sizes import File
from prunella_core.inventory.records import Blob, Inventory, State, TrashEntry, digest_of_file

Needs = frozenset[int]


class Cell(NamedTuple):
    """``frees`` bytes leave the disk, and that is regretted, when every one of ``needs`` goes."""

    needs: Needs
    frees: int
    regret: int


class Cells(NamedTuple):
    """All cells, and for each item what it costs by itself and which atoms come with it."""

    cells: tuple[Cell, ...]
    own: tuple[int, ...]
    """The regret for each item, whatever it frees."""
    atoms: tuple[tuple[int, ...], ...]
    """What cells wait for: the item itself, and with any removal of the trash, that the trash is tidied."""


def cells_of(inventory: Inventory, items: tuple[Candidate, ...], now: float) -> Cells:
    """Reckon the cells of ``items`` at ``now`` (seconds, UTC). Items are numbered as they come."""
    return _Reckoning(inventory, items, now).finish()


class _Group(NamedTuple):
    """What the blobs of the same users have in common. Thousands of blobs may have the same users."""

    needs: Needs
    kind: ItemKind
    recency: int


class _Reckoning:
    def __init__(self, inventory: Inventory, items: tuple[Candidate, ...], now: float) -> None:
        self.inventory = inventory
        self.items = items
        self.now = now
        self.number: dict[tuple[str, str], int] = {(item.kind, item.key): number for number, item in enumerate(items)}
        self.tidying = len(items)
        """An atom that goes along with any removal of the trash: what nothing needs any more goes too."""
        self.recency = [recency(now - item.idle_since) for item in items]
        self.sums: dict[Needs, list[int]] = {}
        self.linked: dict[tuple[int, int], list[tuple[File, Needs]]] = {}
        self.restorable = self._needed_by_trash()
        self.missed = {blob.digest for blob in inventory.others if blob.state is State.MISSING}

    def finish(self) -> Cells:
        """Go through everything that could go."""
        self._add_models()
        self._add_blobs()
        for entry in self.inventory.trash:
            for file in entry.files:
                self._add_trashed(entry, file)
        self._add_linked()
        atoms = (
            (number, self.tidying) if item.kind == "trash" else (number,) for number, item in enumerate(self.items)
        )
        cells = (Cell(needs, frees, regret) for needs, (frees, regret) in self.sums.items() if frees or regret)
        return Cells(tuple(cells), tuple(map(of_item, self.items)), tuple(atoms))

    def _add(self, needs: Needs, frees: int, regret: int) -> None:
        sums = self.sums.setdefault(needs, [0, 0])
        sums[0] += frees
        sums[1] += regret

    def _add_file(self, needs: Needs, file: File) -> None:
        if file.links > 1:
            self.linked.setdefault((file.device, file.inode), []).append((file, needs))
        else:
            self._add(needs, file.own, 0)

    def _add_linked(self) -> None:
        """A file with several links leaves the disk with the last of them."""
        for links in self.linked.values():
            if len(links) == links[0][0].links:
                self._add(frozenset().union(*(needs for _file, needs in links)), links[0][0].own, 0)

    def _needed_by_trash(self) -> dict[str, Needs]:
        needed: dict[str, set[int]] = {}
        for entry in self.inventory.trash:
            for digest in entry.needs:
                needed.setdefault(digest, set()).add(self.number["trash", entry.id])
        return {digest: frozenset(numbers) for digest, numbers in needed.items()}

    def _add_models(self) -> None:
        for model in self.inventory.models:
            number = self.number.get(("model", model.name))
            if number is not None:
                self._add_file(frozenset([number]), model.manifest)

    def _add_blobs(self) -> None:
        groups: dict[tuple[str, ...], _Group] = {}
        only_led_to = self.inventory.groups.only_led_to
        for blob in self.inventory.blobs:
            if blob.state is State.TRASHED or blob.key in only_led_to:
                continue
            group = groups.get(blob.models) if blob.models else self._group(blob.state.value, [blob.key])
            if group is None:
                group = groups[blob.models] = self._group("model", blob.models)
            if group.needs:
                self._add_blob(blob, group)

    def _group(self, kind: str, keys: Collection[str]) -> "_Group":
        """What the blobs of one set of users wait for; nothing when one of the users stays in any case."""
        numbers = [self.number[kind, key] for key in keys if (kind, key) in self.number]
        if len(numbers) < len(keys) or not numbers:
            return _Group(frozenset(), "leftover", 0)
        return _Group(frozenset(numbers), self.items[numbers[0]].kind, max(self.recency[number] for number in numbers))

    def _add_blob(self, blob: Blob, group: "_Group") -> None:
        needs = group.needs | self.restorable[blob.key] if blob.key in self.restorable else group.needs
        only = blob.files[0] if len(blob.files) == 1 else None
        count = blob.allocated if group.kind == "partial" else only.size if only else blob.size
        self._add(needs, 0, of_blobs(group.kind, count, group.recency))
        for file in blob.files:
            self._add_file(needs, file)

    def _add_trashed(self, entry: TrashEntry, file: File) -> None:
        needs = self._awaited(entry, file)
        if needs is None:
            return
        if needs != {self.tidying}:
            self._add(needs, 0, of_blobs("trash", file.allocated, self.recency[self.number["trash", entry.id]]))
        self._add_file(needs, file)

    def _awaited(self, entry: TrashEntry, file: File) -> Needs | None:
        """What a file of the trash waits for; ``None`` when it stays in any case."""
        digest = digest_of_file(file.path)
        own = frozenset([self.tidying if entry.is_spent else self.number["trash", entry.id]])
        if digest is None:
            return own
        if self._is_elsewhere(digest, file):
            return frozenset([self.tidying]) if digest in entry.needs else own
        if digest in self.missed:
            return None
        users = self.restorable.get(digest, frozenset())
        return users or own if entry.is_spent else own | users

    def _is_elsewhere(self, digest: str, file: File) -> bool:
        newest = self.inventory.trashed_blobs[digest]
        blob = self.inventory.blob_by_key.get(digest)
        others = (*(blob.files if blob else ()), *([newest] if newest.path != file.path else []))
        return any(other.is_regular and other.size == file.size for other in others)
