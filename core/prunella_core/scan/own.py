"""What Prunella itself keeps in a store, apart from the trash: pins, and hard links that are not those of others."""

import os
from collections import Counter
from collections.abc import Iterable

from msgspec.structs import replace

from prunella_core.fs.files import files_below
from prunella_core.fs.sizes import File
from prunella_core.inventory.problems import problem
from prunella_core.inventory.records import Problem
from prunella_core.ollama.paths import Area
from prunella_core.store.locate import Store
from prunella_core.store.pins import read_pins

_HOLDING = (Area.STAGING, Area.REMOVING, Area.GUARD)


class OwnFiles:
    """What was found below ``.prunella/``; what cannot be read is a Problem."""

    def __init__(self, store: Store) -> None:
        self.links: Counter[tuple[int, int]] = Counter()
        """By device and inode, the links in staging, removing and the guard: they go when an operation ends."""
        self.problems: list[Problem] = []
        self.pins = self._read_pins(store)
        if not os.path.islink(store.own):
            for area in _HOLDING:
                self._count_links(store, f".prunella/{area}")

    def _read_pins(self, store: Store) -> tuple[str, ...]:
        """The pins; while they cannot be read every model counts as pinned."""
        try:
            return read_pins(store)
        except OSError as error:
            message = f"cannot read the pins: {error.strerror}"
            self.problems.append(problem(".prunella/pins", "pins-unreadable", message))
            return ("*",)

    def _count_links(self, store: Store, folder: str) -> None:
        try:
            self.links.update((file.device, file.inode) for file in files_below(store.root, folder))
        except OSError as error:
            message = f"cannot read what an operation set aside: {error.strerror}"
            self.problems.append(problem(folder, "staging-unreadable", message))

    def without(self, files: Iterable[File]) -> tuple[File, ...]:
        """The same files, with only those hard links counted that are not ours."""
        return tuple(files) if not self.links else tuple(map(self._without, files))

    def _without(self, file: File) -> File:
        ours = self.links[file.device, file.inode] if file.links > 1 else 0
        return replace(file, links=max(file.links - ours, 1)) if ours else file
