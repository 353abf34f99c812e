"""Blobs that exactly the same models need: they share their fate, so whole groups are decided and added up at once."""

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prunella_core.fs.sizes import File
from prunella_core.ollama.digests import read_blob_name

if TYPE_CHECKING:
    from prunella_core.inventory.records import Blob, Inventory


class Group:
    """Some blobs with the same users. All sizes are bytes."""

    __slots__ = ("allocated", "asked_by", "has_files", "largest", "linked", "own", "users")

    def __init__(self, users: tuple[str, ...], asked_by: tuple[str, ...]) -> None:
        self.users = users
        self.asked_by = asked_by
        """Those of the users that need it themselves, and not only because a blob of theirs is a link to it."""
        self.has_files = False
        self.allocated = 0
        self.largest = 0
        self.own = 0
        """What leaves the disk with those of its files that have no other links."""
        self.linked: list[File] = []
        """The others: of these it leaves with the last link."""

    def add(self, blob: "Blob") -> None:
        """Take in a blob with these users."""
        size = blob.allocated
        self.allocated += size
        self.largest = max(size, self.largest)
        for file in blob.files:
            self.has_files = True
            if file.links > 1:
                self.linked.append(file)
            else:
                self.own += file.own


class Groups:
    """All groups of a store: by blob, and by model."""

    def __init__(self, inventory: "Inventory") -> None:
        self.by_model: dict[str, list[Group]] = {model.name: [] for model in inventory.models}
        self._by_users: dict[int, Group] = {}
        self._alone: dict[str, Group] = {}
        for digest in _linked_to(inventory):
            self._set_apart(inventory, digest)
        for blob in inventory.blobs:
            if blob.models and blob.state != "trashed":
                self._add(blob)

    @property
    def only_led_to(self) -> frozenset[str]:
        """The digests that no model asks for itself: a link of theirs leads there, and they stay when it goes."""
        return frozenset(digest for digest, group in self._alone.items() if not group.asked_by)

    def holder(self, blob: "Blob") -> Group | str:
        """Who shares the fate of a row: its group, or of a row that no model needs it alone, by its key."""
        if not blob.models or blob.state == "trashed":
            return blob.key
        return self._alone.get(blob.key) or self._by_users[id(blob.models)]

    def holders(self, blobs: "Iterable[Blob]") -> list[Group | str]:
        """The same for many rows."""
        if self._alone:
            return list(map(self.holder, blobs))
        find, holder = self._by_users.get, self.holder
        return [find(id(blob.models)) or holder(blob) for blob in blobs]

    def _add(self, blob: "Blob") -> None:
        group = self._alone.get(blob.key) if self._alone else None
        group = group or self._by_users.get(id(blob.models))  # many blobs have the very same tuple
        if group is None:
            group = self._by_users[id(blob.models)] = self._new(blob.models, blob.models)
        group.add(blob)

    def _new(self, users: tuple[str, ...], asked_by: tuple[str, ...]) -> Group:
        group = Group(users, asked_by)
        for name in users:
            self.by_model[name].append(group)
        return group

    def _set_apart(self, inventory: "Inventory", digest: str) -> None:
        """Let what links lead to be a group of its own: some of its users may not ask for it themselves."""
        blob = inventory.blob_by_key.get(digest)
        if blob and blob.models:
            asked_by = tuple(name for name in blob.models if digest in inventory.model_by_name[name].needs)
            self._alone[digest] = self._new(blob.models, asked_by)


def _linked_to(inventory: "Inventory") -> Iterator[str]:
    targets = {file.target for blob in inventory.blobs for file in blob.files if file.target}
    for target in targets:
        digest = read_blob_name(os.path.basename(target)).digest
        if digest:
            yield digest
