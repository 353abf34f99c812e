"""What Prunella itself keeps in a store, apart from the trash: pins, and hard links that are not those of others."""

import os
from collections import Counter
from collections.abc import Iterable

from msgspec.structs import replace

from prunella_core.fs.files import File, files_below
from prunella_core.inventory.problems import problem
from prunella_core.inventory.records import Problem
from prunella_core.ollama.names import Area
from prunella_core.scan.manifests import blob_in, read_manifests
from prunella_core.store import Store, read_pins

RESTORING = "restoring.json"
"""What a restore notes in our folder while it moves files: some have a name in the store and one in the trash then."""

_HOLDING = (Area.STAGING, Area.REMOVING, Area.GUARD)


class OwnFiles:
    """What was found below ``.prunella/``; what cannot be read is a Problem."""

    def __init__(self, store: Store) -> None:
        self.links: Counter[tuple[int, int]] = Counter()
        """By device and inode, the links in staging, removing and the guard: they go when an operation ends."""
        self.problems: list[Problem] = []
        self.pins = self._read_pins(store)
        self.guard: tuple[File, ...] = ()
        """The files of the guard, whose links are among these: Ollama's own delete leaves them."""
        self.staged: frozenset[str] = frozenset()
        """What manifests need that an operation set aside: unless it is decided, they come back."""
        if not os.path.islink(store.own):
            is_restoring = os.path.lexists(os.path.join(store.own, RESTORING))
            for area in (*_HOLDING, Area.TRASH) if is_restoring else _HOLDING:
                found = self._files_below(store, f".prunella/{area}")
                self.links.update((file.device, file.inode) for file in found)
                self.guard += found if area is Area.GUARD else ()
            self._read_staged(store)

    def _read_pins(self, store: Store) -> tuple[str, ...]:
        """The pins; while they cannot be read every model counts as pinned."""
        try:
            return read_pins(store)
        except OSError as error:
            message = f"cannot read the pins: {error.strerror}"
            self.problems.append(problem(".prunella/pins", "pins-unreadable", message))
            return ("*",)

    def _read_staged(self, store: Store) -> None:
        folder = os.path.join(store.own, Area.STAGING)
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) and not os.path.islink(folder) else ():
            aside = Store(root=os.path.join(folder, name), why="staging", owner=store.owner, writable=False)
            if os.path.isdir(aside.manifests) and not os.path.islink(aside.manifests):
                self.staged |= read_manifests(aside, lambda digest: blob_in(store, digest)).needed

    def _files_below(self, store: Store, folder: str) -> tuple[File, ...]:
        try:
            return tuple(files_below(store.root, folder))
        except OSError as error:
            message = f"cannot read what an operation set aside: {error.strerror}"
            self.problems.append(problem(folder, "staging-unreadable", message))
            return ()

    def without(self, files: Iterable[File]) -> tuple[File, ...]:
        """The same files, with only those hard links counted that are not ours."""
        return tuple(files) if not self.links else tuple(map(self._without, files))

    def _without(self, file: File) -> File:
        ours = self.links[file.device, file.inode] if file.links > 1 else 0
        return replace(file, links=max(file.links - ours, 1)) if ours else file
