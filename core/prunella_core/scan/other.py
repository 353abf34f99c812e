"""What lies in the root of a store and is neither Ollama's nor in an inventory: found by a walk of its own."""

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator

from msgspec import Struct

from prunella_core.base.errors import Cancelled
from prunella_core.base.text import clean
from prunella_core.fs.files import BLOCK, File
from prunella_core.inventory.records import Inventory
from prunella_core.scan.progress import never


class OtherFiles(Struct, frozen=True, kw_only=True):
    """Bytes on the disk of all files that an inventory does not name, our own notes among them."""

    entries: tuple[tuple[str, int], ...]
    """The entries of the root that hold them, and how many bytes each, the largest first."""
    notes: tuple[str, ...]
    """What could not be read, a sentence each."""

    @property
    def allocated(self) -> int:
        """All of it."""
        return sum(count for _name, count in self.entries)


def other_files(inventory: Inventory, cancelled: Callable[[], bool] = never) -> OtherFiles:
    """Walk the store of ``inventory`` on one device, each inode once; no link is followed. Raises Cancelled."""
    walk = _Walk(inventory.store.root, cancelled)
    counted = {(file.device, file.inode) for file in _known(inventory)}
    sums: Counter[str] = Counter()
    for path, status in walk.files():
        if (identity := (status.st_dev, status.st_ino)) not in counted:
            counted.add(identity)
            sums[path.split("/", 1)[0]] += status.st_blocks * BLOCK
    largest = sorted((+sums).items(), key=lambda entry: (-entry[1], entry[0]))
    return OtherFiles(entries=tuple(largest), notes=tuple(walk.notes))


def _known(inventory: Inventory) -> Iterator[File]:
    yield from (model.manifest for model in inventory.models)
    yield from (file for blob in inventory.blobs for file in blob.files)
    yield from (file for entry in inventory.trash for file in entry.files)
    yield from (problem.file for problem in inventory.broken_by_path.values() if problem.file)


class _Walk:
    def __init__(self, root: str, cancelled: Callable[[], bool]) -> None:
        self.root = root
        self.cancelled = cancelled
        self.notes: list[str] = []
        self._waiting = [""]

    def files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Everything that is no folder, by its path in the root."""
        device = os.lstat(self.root).st_dev
        while self._waiting:
            if self.cancelled():
                raise Cancelled("the walk was cancelled")
            for path, status in self._in(self._waiting.pop()):
                if not stat.S_ISDIR(status.st_mode):
                    yield path, status
                elif status.st_dev == device and path != "blobs":  # of those every file is in the inventory
                    self._waiting.append(path)

    def _in(self, folder: str) -> Iterator[tuple[str, os.stat_result]]:
        try:
            with os.scandir(os.path.join(self.root, folder)) as entries:
                for entry in entries:
                    yield os.path.join(folder, entry.name), entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # gone since it was listed
            return
        except OSError as error:
            self.notes.append(f"cannot read {clean(folder or self.root)}: {error.strerror}; it is not counted")
