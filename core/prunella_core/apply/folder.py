"""The folder in which one operation keeps what it took out of the store."""

import errno
import os
from collections.abc import Callable, Collection, Iterator, Set
from contextlib import suppress

from msgspec import Struct

from prunella_core.apply.moves import (
    Move,
    bring_back,
    changed,
    drop_empty_folders,
    is_own,
    is_same,
    is_whole,
    key_of,
    look,
    still_needed,
    unlink,
)
from prunella_core.fs.disk import Disk, remove_tree_of_folders
from prunella_core.fs.files import File, files_below, has_reflinks, read_small
from prunella_core.ledger.log import Action
from prunella_core.ollama.manifest import LARGEST_MANIFEST
from prunella_core.ollama.names import Area, place_of
from prunella_core.plan.records import FileError
from prunella_core.scan.manifests import read_manifests
from prunella_core.scan.own import RECORD, read_record
from prunella_core.store import Store

_TAKEN = "taken"
"""Here lies what has just lost its name in the store, until it is compared with the plan."""

_NO_LINKS = {errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
"""What says that this file cannot have a second name: the file system has none, or they are for its owner alone."""


class Record(Struct, frozen=True):
    """What an operation says of itself, for people and for the log: paths that are made harmless for a screen."""

    files: tuple[str, ...] = ()
    action: Action = "rm"


class Folder:
    """Files lie in it under the same path as in the store, so that a person could put them back by hand.

    Its area says how far the operation came: in ``staging`` nothing is decided and all goes back; in ``removing`` it is
    decided, and all is unlinked; in ``trash`` it stays. The rename between them is the decision. Every method raises
    OSError.
    """

    def __init__(self, store: Store, disk: Disk, area: Area, operation: str) -> None:
        self.store = store
        self.disk = disk
        self.id = operation
        self._lie_in(area)
        self._linked: set[str] = set()
        self._lent: list[File] = []
        self._made = ""

    def _lie_in(self, area: Area) -> None:
        self.inside = f".prunella/{area}/{self.id}"
        self.path = self.store.path(self.inside)

    def record(self) -> Record:
        """What the operation wrote down; without files when it cannot be read."""
        return read_record(self.path, Record)

    def paths(self, below: str = "") -> Iterator[str]:
        """Every file in it, by its path here. A folder with the name of a blob is none of ours, and one thing."""
        where = f"{self.path}/{below}"
        for name in sorted(os.listdir(where)) if os.path.isdir(where) else ():
            path = below + name
            is_folder = os.path.isdir(where + name) and not os.path.islink(where + name)
            if is_folder and place_of(f"blobs/{name}").digest is None:
                yield from self.paths(f"{path}/")
            else:
                yield path

    def add_name(self, file: File) -> None:
        """Give a file of ``blobs/`` a second name here; where none can be given, move it here."""
        if self._link(file):
            self._linked.add(file.path)
            self._compare(file.path, file)
        else:
            self.disk.move(self._take(file), self._place(file.path))

    def lend_name(self, file: File) -> None:
        """Give a file that stays a second name here while the manifest of a model that shares it is away.

        Ollama's own rm of the other model deletes it meanwhile, and an undo has to have it.
        """
        if self._link(file, errno.ENOENT):
            self._lent.append(file)

    def keep_name(self, file: File) -> None:
        """Give a file that stays in the store a second name here."""
        self.disk.link(self.store.path(file.path), self._place(file.path))

    def copy(self, file: File) -> None:
        """Copy a manifest, with its time: it is written again in place, and a second name would change with it."""
        if file.target is not None:
            self.keep_name(file)
            return
        path, copy = self.store.path(file.path), f"{self.path}/copying"  # without a place: half of it never goes back
        data = read_small(path, LARGEST_MANIFEST)
        if data is None or not is_same(self.disk.status(path), file):
            raise changed(file)
        self.disk.write(copy, data, file.mtime_ns)
        self.disk.move(copy, self._place(file.path))

    def _link(self, file: File, *but: int) -> bool:
        """Give a file a second name here; whether it could be given."""
        try:
            self.keep_name(file)
        except OSError as error:
            if error.errno not in (*_NO_LINKS, *but):
                raise
            return False
        return True

    def take_name(self, file: File) -> None:
        """Take the name of a file that has a second one here out of ``blobs/``."""
        if file.path not in self._linked:
            return
        try:
            self.disk.unlink(self._take(file))
        except FileNotFoundError:  # Ollama deleted it, as it does without a manifest; the second name has the bytes
            pass
        except OSError:
            self.give_back(f"{_TAKEN}/{file.path}", file.path)
            raise

    def move(self, file: File) -> None:
        """Move a file here, and back if it is not the planned one."""
        self.disk.move(self.store.path(file.path), self._place(file.path))
        self._compare(file.path, file)

    def _take(self, file: File) -> str:
        """Move a file out of ``blobs/`` to a name that nothing else has, and compare it there.

        In its place it could still be replaced between the look and an unlink.
        """
        taken = f"{_TAKEN}/{file.path}"
        self.disk.move(self.store.path(file.path), self._place(taken))
        self._compare(taken, file)
        return f"{self.path}/{taken}"

    def _place(self, path: str) -> str:
        place = f"{self.path}/{path}"
        folder = os.path.dirname(place)
        if folder != self._made and not os.path.isdir(folder):
            self.disk.make_folder(folder)
        self._made = folder
        return place

    def _compare(self, path: str, file: File) -> None:
        """Put back what has been set aside when it is not the planned file. Raises OSError then."""
        if not is_same(self.disk.status(f"{self.path}/{path}"), file):
            self.give_back(path)
            raise changed(file)

    def is_unchanged(self, file: File) -> bool:
        """Whether what lies here is still the planned file: who had it open for writing may have written on."""
        return is_same(self.disk.status(f"{self.path}/{file.path}"), file)

    def give_back(self, *paths: str) -> None:
        """Move files to their places in the store; what has come there meanwhile is newer and stays."""
        moves = [Move(f"{self.inside}/{path}", path.removeprefix(f"{_TAKEN}/")) for path in paths]
        bring_back(self.store, moves, self.disk, lambda move: self.disk.unlink(self.store.path(move.source)))

    def undo(self) -> list[FileError]:
        """Put everything back; return what is missing all the same."""
        paths = sorted(self.paths(), key=lambda path: not path.startswith(f"{_TAKEN}/"))
        self.give_back(*filter(_has_place, paths))
        missing = _models_missing(self.store, self.record().files)
        self.remove()
        return missing

    def decide(self, area: Area) -> None:
        """Move the folder to ``area``, durably: from then on nothing goes back.

        Lent names go before. Of what Ollama deleted meanwhile, ours is the only one, and stays with the models.
        """
        for file in self._lent:
            if self.disk.status(self.store.path(file.path)) is not None:
                self.disk.unlink(f"{self.path}/{file.path}")
        drop_empty_folders(self.store, [f"{self.inside}/{file.path}" for file in self._lent], self.disk)
        remove_tree_of_folders(self.disk, f"{self.path}/{_TAKEN}")
        self.disk.settle(self.path)
        self.disk.move(self.path, self.store.path(f".prunella/{area}/{self.id}"))
        self._lie_in(area)

    def finish(
        self, known: Set[str] = frozenset(), step: Callable[[], object] = bool
    ) -> tuple[int, set[str], list[FileError]]:
        """Unlink the files: it is decided. Return the bytes that left the disk, what went back, and what failed.

        A blob that a manifest needs goes back when its name is free. While there is a problem other than the
        ``known`` ones that could hide a manifest, whole blobs wait here for the next run.
        """
        with_extents = has_reflinks(self.store.root)
        files = [file for file in files_below(self.path, with_extents=with_extents) if file.path != RECORD]
        seen = look(self.store, 0)
        new = (each for each in seen.hiding if each.path not in known and each.kind != "no-manifests")
        hiding = next(new, None)  # manifests/ goes when it is empty: Ollama removes it
        back = {file.path for file in still_needed(self.store, files, seen.needed)}
        going = [file for file in files if file.path not in back and not (hiding and is_whole(file.path))]
        errors = drop_empty_folders(self.store, [file.path for file in going], self.disk)
        self.give_back(*sorted(back))
        freed = 0
        for file in going:
            step()
            try:
                with suppress(FileNotFoundError):
                    freed += unlink(self.store, f"{self.path}/{file.path}", file, self.disk)
            except OSError as error:
                errors.append(FileError(path=file.path, message=f"cannot be unlinked: {error.strerror}"))
        if hiding:
            errors.append(FileError(path=hiding.path, message=f"{hiding.message}: the blobs wait until it can be read"))
        try:
            self.remove()
        except OSError as error:
            errors.append(FileError(path=self.inside, message=f"stays empty: {error.strerror}"))
        return freed, back, errors

    def remove(self) -> None:
        """Remove the record and the empty folders; what has a place in the store stays."""
        for path in [path for path in self.paths() if not _has_place(path)]:
            self.disk.unlink(f"{self.path}/{path}")
        remove_tree_of_folders(self.disk, self.path)


def folders_in(store: Store, disk: Disk, area: Area) -> list[Folder]:
    """The folders of operations in ``area``; none where that is a link. Raises OSError."""
    where = store.path(f".prunella/{area}")
    if os.path.islink(where):
        return []
    try:
        with os.scandir(where) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []
    return [Folder(store, disk, area, name) for name in names]


def drop_finished_entries(store: Store, disk: Disk) -> None:
    """Remove entries of the trash that hold nothing but their record. Raises OSError."""
    for entry in folders_in(store, disk, Area.TRASH):
        if all(path == RECORD for path in entry.paths()):  # asks no further than the first other file
            entry.remove()


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
        for manifest in (read_manifests(store).manifests.values() if digests else ())
        if not digests.isdisjoint(manifest.needs)
    ]
