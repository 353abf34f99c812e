"""What Ollama keeps in the root of a store beside blobs and manifests: sidecars of blobs, folders of conversions."""

import os
from collections.abc import Iterator

from prunella_core.fs.files import files_below, look_at
from prunella_core.fs.sizes import File
from prunella_core.inventory.problems import problem
from prunella_core.inventory.records import Problem
from prunella_core.ollama.digests import FileKind
from prunella_core.ollama.paths import place_of
from prunella_core.store.locate import Store


class RootFiles:
    """Sidecars under the digest of their blob, and leftovers under the path of their row."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.sidecars: dict[str, tuple[File, ...]] = {}
        self.leftover: dict[str, tuple[File, ...]] = {}
        self.problems: list[Problem] = []
        for path, is_folder in self._list(""):
            if is_folder and place_of(f"{path}/").kind is FileKind.LEFTOVER:
                self._add_folder(path)
        for path, is_folder in self._list("metadata"):
            if not is_folder:
                self._add_sidecar(path)

    def _list(self, folder: str) -> Iterator[tuple[str, bool]]:
        try:
            with os.scandir(self.store.path(folder) if folder else self.store.root) as entries:
                listing = sorted(entries, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            message = f"cannot list this folder: {error.strerror}"
            self.problems.append(problem(folder, "unreadable-folder", message))
            return
        for entry in listing:
            yield os.path.join(folder, entry.name), entry.is_dir(follow_symlinks=False)

    def _add_folder(self, path: str) -> None:
        """A whole folder is one row."""
        try:
            if files := tuple(files_below(self.store.root, path)):
                self.leftover[path] = files
        except OSError as error:
            message = f"cannot look into this folder: {error.strerror}"
            self.problems.append(problem(path, "unreadable-folder", message))

    def _add_sidecar(self, path: str) -> None:
        place = place_of(path)
        try:
            if place.digest:
                before = self.sidecars.get(place.digest, ())
                self.sidecars[place.digest] = (*before, look_at(self.store.root, path))
            elif place.kind is FileKind.LEFTOVER:
                self.leftover[path] = (look_at(self.store.root, path),)
        except FileNotFoundError:  # gone since it was listed
            return
