"""A repair on the disk: a model is kept in the trash as it is, and of the store only its damaged blobs leave."""

import os
from contextlib import closing

from prunella_core.apply.folder import Folder
from prunella_core.apply.look import look
from prunella_core.apply.moves import is_manifest, is_whole, key_of
from prunella_core.apply.removal import Removal
from prunella_core.apply.work import World
from prunella_core.base.errors import Refused
from prunella_core.fs.disk import Disk
from prunella_core.fs.files import read_small
from prunella_core.ollama.manifest import LARGEST_MANIFEST
from prunella_core.ollama.names import Area
from prunella_core.plan.records import Receipt
from prunella_core.scan.trash import RECORD
from prunella_core.store import Store
from prunella_core.store.access import lock


class Keeping(Removal):
    """Sets aside links of all blobs and a copy of the manifest, which a pull writes again in place."""

    def _set_aside(self) -> None:
        """The names of damaged blobs leave last: whatever happens before, the store is as it was."""
        for file in self.shared:
            self.aside.keep_name(file)
        for item in self.blobs:
            self.aside.add_name(item.file)
        for item in self.manifests:
            self.aside.copy(item.file)
        for item in self.blobs:
            self.aside.take_name(item.file)
        self.moved = list(self.plan.files)

    def _in_place(self, why: str) -> Receipt:
        raise Refused(f"{why}; nothing was changed")


def put_back(store: Store, identity: str, world: World) -> bool:
    """Give the store what its models miss and an entry of the trash has, under the same name in both.

    An entry of which the store has everything then is dropped; returns whether it stays. Raises Refused and OSError.
    """
    with lock(store), closing(world.disk or Disk()) as disk:
        entry = Folder(store, disk, Area.TRASH, identity)
        needed = look(store, 0).needed
        for path in [path for path in entry.paths() if is_whole(path) and key_of(path) in needed]:
            if disk.status(store.path(path)) is None:
                disk.link(f"{entry.path}/{path}", store.path(path))
        if not all(_has(store, entry, path) for path in entry.paths() if path != RECORD):
            return True
        entry.undo()
        disk.remove_if_empty(store.trash)
        return False


def _has(store: Store, entry: Folder, path: str) -> bool:
    """Whether the store has a file of an entry: the very file, of a manifest the same bytes."""
    ours, theirs = f"{entry.path}/{path}", store.path(path)
    if not os.path.lexists(theirs):
        return False
    if is_manifest(path):
        return read_small(ours, LARGEST_MANIFEST) == read_small(theirs, LARGEST_MANIFEST)
    return os.path.samestat(os.lstat(ours), os.lstat(theirs))
