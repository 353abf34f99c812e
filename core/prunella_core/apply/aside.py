"""The folder in which an operation sets files aside, until it is decided or undone."""

import errno
import os
from collections.abc import Collection, Iterator

from prunella_core.apply.moves import Move, bring_back, is_same, require_same
from prunella_core.apply.places import TAKEN, is_own, is_whole, key_of, read_record, staging
from prunella_core.fs.disk import Disk, remove_tree_of_folders
from prunella_core.fs.files import files_below
from prunella_core.fs.sizes import File
from prunella_core.ollama.digests import read_blob_name
from prunella_core.plan.records import FileError
from prunella_core.scan import read_manifests
from prunella_core.store.locate import Store

_NO_LINKS = {errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
"""What says that this file cannot have a second name: the file system has none, or they are for its owner alone."""


class Aside:
    """``staging/<id>`` of one operation. Every method raises OSError."""

    def __init__(self, store: Store, operation: str, disk: Disk) -> None:
        self.store = store
        self.disk = disk
        self.inside = f".prunella/staging/{operation}"
        self.folder = staging(store, operation)
        self._linked: set[str] = set()
        self._lent: list[File] = []
        self._made = ""

    def add_name(self, file: File) -> None:
        """Give a file of ``blobs/`` a second name here; where none can be given, move it here."""
        aside = self._place(file.path)
        try:
            self.disk.link(self.store.path(file.path), aside)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self.disk.move(self._take(file), aside)
            return
        self._linked.add(file.path)
        self._compare(aside, file)

    def lend_name(self, file: File) -> None:
        """Give a file that stays a second name here while the manifest of a model that shares it is away.

        Ollama's own rm of the other model deletes it meanwhile, and an undo has to have it.
        """
        try:
            self.disk.link(self.store.path(file.path), self._place(file.path))
        except OSError as error:
            if error.errno not in (*_NO_LINKS, errno.ENOENT):
                raise
        else:
            self._lent.append(file)

    def drop_lent(self) -> None:
        """Remove these names again. Of what Ollama deleted, ours is the only one, and stays with the models."""
        for file in self._lent:
            if self.disk.status(self.store.path(file.path)) is not None:
                self.disk.unlink(f"{self.folder}/{file.path}")

    def take_name(self, file: File) -> None:
        """Take the name of a file that has a second one here out of ``blobs/``."""
        if file.path not in self._linked:
            return
        try:
            self.disk.unlink(self._take(file))
        except FileNotFoundError:  # Ollama deleted it, as it does without a manifest; the second name has the bytes
            pass
        except OSError:
            self._put(Move(f"{self.inside}/{TAKEN}/{file.path}", file.path), self._move_of(file.path))
            raise

    def move(self, file: File) -> None:
        """Move a file here, and back if it is not the planned one."""
        aside = self._place(file.path)
        self.disk.move(self.store.path(file.path), aside)
        self._compare(aside, file)

    def _take(self, file: File) -> str:
        """Move a file out of ``blobs/`` to a name that nothing else has, and compare it there.

        In its place it could still be replaced between the look and an unlink.
        """
        taken = self._place(f"{TAKEN}/{file.path}")
        self.disk.move(self.store.path(file.path), taken)
        self._compare(taken, file)
        return taken

    def _compare(self, place: str, file: File) -> None:
        """Put back what has been set aside when it is not the planned file. Raises OSError then."""
        is_planned = is_same(self.disk.status(place), file)
        if not is_planned:
            self._put(Move(f"{self.inside}{place[len(self.folder) :]}", file.path))
        require_same(is_planned, file)

    def return_file(self, file: File) -> None:
        """Give one file its place back."""
        self._put(self._move_of(file.path))

    def is_unchanged(self, file: File) -> bool:
        """Whether what lies here is still the planned file: who had it open for writing may have written on."""
        return is_same(self.disk.status(f"{self.folder}/{file.path}"), file)

    def undo(self) -> list[FileError]:
        """Put everything back; return what is missing all the same."""
        record = read_record(self.folder)
        for move in list(self._taken()):
            self._put(move)
        paths = [file.path for file in files_below(self.folder)]
        self._put(*[self._move_of(path) for path in paths if _has_place(path)])
        missing = _models_missing(self.store, record.files if record else ())
        for path in paths:
            if not _has_place(path):
                self.disk.unlink(f"{self.folder}/{path}")
        remove_tree_of_folders(self.disk, self.folder)
        return missing

    def drop_empty(self) -> None:
        """Remove the folder of what was being compared."""
        remove_tree_of_folders(self.disk, f"{self.folder}/{TAKEN}")

    def _place(self, path: str) -> str:
        place = f"{self.folder}/{path}"
        folder = place.rpartition("/")[0]
        if folder != self._made and not os.path.isdir(folder):
            self.disk.make_folder(folder)
        self._made = folder
        return place

    def _move_of(self, path: str) -> Move:
        return Move(f"{self.inside}/{path}", path)

    def _put(self, *moves: Move) -> None:
        """Move files to their places; what has come there meanwhile is newer and stays."""
        for _step in bring_back(self.store, moves, self.disk, self._drop):
            pass

    def _drop(self, move: Move) -> None:
        self.disk.unlink(self.store.path(move.source))

    def _taken(self, below: str = "") -> Iterator[Move]:
        """What was being compared when a run was killed. A folder with a blob's name is not ours, and one thing."""
        folder = f"{self.folder}/{TAKEN}{below}"
        if os.path.islink(folder) or not os.path.isdir(folder):
            return
        for name in sorted(os.listdir(folder)):
            path = f"{below}/{name}"
            is_folder = os.path.isdir(f"{folder}/{name}") and not os.path.islink(f"{folder}/{name}")
            if is_folder and not read_blob_name(name).digest:
                yield from self._taken(path)
            else:
                yield Move(f"{self.inside}/{TAKEN}{path}", path[1:])


def _has_place(path: str) -> bool:
    """Whether a file came from the store or its trash: the record did not."""
    return path.startswith(".prunella/trash/") if is_own(path) else "/" in path


def _models_missing(store: Store, paths: Collection[str]) -> list[FileError]:
    """The models that miss what was to be put back: Ollama may have deleted it while no manifest named it."""
    blobs = [path for path in paths if path.startswith("blobs/") and is_whole(path)]
    digests = {key_of(path) for path in blobs if not os.path.lexists(store.path(path))}
    said = "misses blobs that were deleted meanwhile: pull it again"
    return [
        FileError(path=manifest.file.path, message=f"{manifest.name} {said}")
        for manifest in (read_manifests(store).manifests if digests else ())
        if not digests.isdisjoint(manifest.needs)
    ]
