"""A look at the store while files are set aside: what manifests need now, and whether a pull has begun."""

import os
from collections.abc import Iterable, Iterator, Set
from typing import NamedTuple

from prunella_core.apply.moves import is_own, key_of
from prunella_core.base.units import SETTLING_SECONDS
from prunella_core.fs.sizes import File
from prunella_core.inventory.records import Inventory, Problem, State
from prunella_core.ollama.names import FileKind
from prunella_core.scan.blobs import BlobReading, led_to, read_blobs
from prunella_core.scan.manifests import read_manifests
from prunella_core.store import Store

_SIGNS = {State.PARTIAL, State.LEFTOVER, State.UNREFERENCED}
_NEWS = {FileKind.PARTIAL, FileKind.LEFTOVER, FileKind.WHOLE}


class Look(NamedTuple):
    """What a store says at one moment."""

    needed: Set[str]
    """Digests that a manifest needs, and what they lead to where they are links."""
    hiding: tuple[Problem, ...]
    """What could hide that a manifest needs more."""
    signs: frozenset[str]
    """Keys of what a pull or create that is running may have written. Its manifest comes last."""

    def new_problem(self, known: Set[str]) -> Problem | None:
        """The first problem that could hide something and whose path is not ``known``."""
        return next((problem for problem in self.hiding if problem.path not in known), None)


def look(store: Store, now: float) -> Look:
    """Read manifests and list ``blobs/`` at ``now`` (seconds, UTC)."""
    reading = read_manifests(store)
    found = read_blobs(store)
    needed = reading.needed | led_to(store, reading.needed, found)
    needed |= _targets(found, needed)
    news = [(key, files) for key, files in found.rows.items() if found.kind(key) in _NEWS and key not in needed]
    signs = _fresh(news, now)
    return Look(needed, tuple(problem for problem in reading.problems if problem.blocks_prune), frozenset(signs))


def _targets(found: BlobReading, needed: Set[str]) -> frozenset[str]:
    """What needed links name, also where that is set aside."""
    links = [file.target for key in found.links if key in needed for file in found.rows[key] if file.target]
    return frozenset(key_of(f"blobs/{os.path.basename(target)}") for target in links)


def signs_in(inventory: Inventory, now: float) -> frozenset[str]:
    """What is no sign of a new pull: the signs that a scan has seen, and blobs that a model needed then."""
    rows = [(blob.digest or blob.key, blob.files) for blob in inventory.blobs if blob.state in _SIGNS]
    needed = [blob.digest for blob in inventory.blobs if blob.state is State.REFERENCED and blob.digest]
    return frozenset((*_fresh(rows, now), *needed))


def _fresh(rows: Iterable[tuple[str, tuple[File, ...]]], now: float) -> Iterator[str]:
    oldest = (now - SETTLING_SECONDS) * 1e9
    for key, files in rows:
        if any(file.mtime_ns > oldest for file in files):
            yield key.removesuffix("-partial")


def still_needed(store: Store, files: Iterable[File], needed: Set[str]) -> list[File]:
    """Which of the files that are set aside a manifest needs, or a link among them that one needs, over every hop.

    One of the trash is needed when it is the last.
    """
    files = list(files)
    by_name = {os.path.basename(file.path): file for file in files}
    found = {file.path: file for file in files if key_of(file.path) in needed and not _is_elsewhere(store, file)}
    waiting = list(found.values())
    for file in waiting:
        target = by_name.get(os.path.basename(file.target or ""))
        if target and target.path not in found:
            found[target.path] = target
            waiting.append(target)
    return waiting


def _is_elsewhere(store: Store, file: File) -> bool:
    return is_own(file.path) and os.path.lexists(store.path(f"blobs/{os.path.basename(file.path)}"))
