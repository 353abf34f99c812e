"""What the guard is set to, what it holds, what of that is too much, and what a sync has to do: functions of a scan.

The mirror holds the paths of the store below ``.prunella/guard/``: hard links of blobs, sidecars and downloads, and
copies of what Ollama writes again in place.
"""

from collections.abc import Iterable, Iterator, Set
from functools import cached_property

import msgspec
from msgspec import Struct

from prunella_core.base.errors import Refused
from prunella_core.base.text import SETTLING_SECONDS, clean, parse_age
from prunella_core.fs.files import File, allocated, read_own
from prunella_core.inventory.records import Cause, Inventory, Problem, State, TrashedModel, TrashEntry
from prunella_core.ollama.names import FileKind, place_of
from prunella_core.plan.policy import Policy
from prunella_core.space import Holder, space_of
from prunella_core.store import Store

SETTINGS = ".prunella/guard/settings.json"
_LARGEST = 4096


class Settings(Struct, frozen=True, kw_only=True):
    """What the guard was turned on with."""

    keep: int = parse_age("7d")
    """Seconds for which the trash keeps what Ollama deleted."""
    max_size: int = 100_000_000_000
    """Bytes that what Ollama deleted may take; more, and the oldest is deleted for good."""
    min_free: int = 0
    """Bytes that are to stay free on the disk; less, and the oldest is deleted for good."""


_decode = msgspec.json.Decoder(Settings).decode


def read_settings(store: Store) -> Settings | None:
    """Return the settings of the guard; ``None`` when it is off. Raises Refused when they cannot be read."""
    path = store.path(SETTINGS)
    try:
        return _decode(read_own(path, _LARGEST) or b"")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        why = f"cannot read the guard's settings {clean(path)}: {error}"
        raise Refused(f"{why}; turn it off and on again (prunella guard off)") from error


class GuardStatus(Struct, frozen=True, kw_only=True):
    """What the guard holds; sizes in bytes."""

    settings: Settings | None
    """``None``: it is off."""
    models: int
    blobs: int
    extra_bytes: int
    """What is on the disk because of the guard alone: what Ollama deleted, and copies."""
    entries: tuple[TrashEntry, ...]
    """What was rescued and is in the trash."""


def guard_status(inventory: Inventory) -> GuardStatus:
    """Return what the guard of a store holds. Raises Refused when its settings cannot be read."""
    rescued = tuple(_rescued(inventory))
    live = {(file.device, file.inode) for blob in inventory.blobs for file in blob.files if not blob.removed_at}
    ours = [*inventory.guard, *(file for entry in rescued for file in entry.files)]
    return GuardStatus(
        settings=read_settings(inventory.store),
        models=sum(place_of(path).is_manifest for path in inventory.mirror),
        blobs=len({digest for path in inventory.mirror if (digest := place_of(path).whole)}),
        extra_bytes=allocated(file for file in ours if (file.device, file.inode) not in live),
        entries=rescued,
    )


def over_limit(inventory: Inventory, settings: Settings) -> tuple[str, ...]:
    """The IDs of the oldest rescued entries that have to go so that the guard keeps to its limits.

    What Prunella's own removals moved to the trash is never among them.
    """
    space = space_of(inventory, "delete")
    waiting = [entry.id for entry in _rescued(inventory)]
    going: list[str] = []
    total = space.frees([Holder("trash", each) for each in waiting])
    freed = 0
    while waiting and (total - freed > settings.max_size or inventory.disk_free + freed < settings.min_free):
        going.append(waiting.pop(0))
        freed = space.frees([Holder("trash", each) for each in going])
    return tuple(going)


def guard_problem(inventory: Inventory) -> tuple[Problem, ...]:
    """Return the warning that the guard is over its limits, where it is. Raises Refused as ``guard_status``."""
    is_guarded = inventory.guard and not inventory.store.exported_from
    settings = read_settings(inventory.store) if is_guarded else None
    count = len(over_limit(inventory, settings)) if settings else 0
    if not count:
        return ()
    entries = "entries" if count > 1 else "entry"
    message = f"{count} rescued {entries} of the trash would have to go to keep to its limits"
    return (Problem(path=".prunella/guard", kind="guard-limit", message=message, blocks_prune=False),)


def _rescued(inventory: Inventory) -> Iterator[TrashEntry]:
    return (entry for entry in inventory.trash if entry.cause != "removed" and not entry.is_spent)


class Rescue(Struct, frozen=True, kw_only=True):
    """An entry of the trash, or what becomes one: what vanished together, by its paths in the store."""

    id: str = ""
    """The entry, once it is there."""
    cause: Cause
    """What Ollama did: rm or a prune; a pull or create over a name; a prune of a download."""
    models: tuple[str, ...]
    files: tuple[str, ...]


class Changes(Struct, frozen=True, kw_only=True):
    """All that a sync has to do, by paths in the store."""

    links: tuple[File, ...] = ()
    """What gets a link in the mirror; an older one by that name is dropped first."""
    copies: tuple[File, ...] = ()
    rescued: tuple[Rescue, ...] = ()
    returned: tuple[tuple[str, str], ...] = ()
    """Files of the mirror that an entry of the trash (by its ID) needs and has not."""
    dropped: tuple[str, ...] = ()
    """What nothing needs in the mirror any more."""
    waits: str | None = None
    """Why nothing is taken out of the mirror this time."""


class Comparison:
    """The store and its mirror, compared at ``now`` (seconds, UTC)."""

    def __init__(self, inventory: Inventory, now: float) -> None:
        self.inventory = inventory
        self.now = now
        self.mirror = inventory.mirror
        guarded = (blob for blob in inventory.blobs if blob.state in (State.REFERENCED, State.PARTIAL))
        files = (file for blob in guarded for file in blob.files)
        self.files = {file.path: file for file in files if file.is_regular or file.target}
        self.live = {model.manifest.path: model for model in inventory.models}
        self.hosts = {_host(path) for path in self.live}
        self.whole = {blob.key for blob in inventory.blobs if blob.files and blob.key == blob.digest}
        self.dangling = {problem.path for problem in inventory.problems if problem.kind == "dangling-link"}
        self.gone = {place_of(copy.manifest.path).inner: copy for copy in inventory.vanished}
        self.pending = {path for path, copy in self.gone.items() if not self._is_certain(path, copy)}
        self.pending_needs = {digest for path in self.pending for digest in self.gone[path].needs}

    @cached_property
    def by_digest(self) -> dict[str | None, list[str]]:
        """The files of the mirror but for downloads, under their digests."""
        found: dict[str | None, list[str]] = {}
        for path in self.mirror:
            if (place := place_of(path)).kind is not FileKind.PARTIAL:
                found.setdefault(place.digest, []).append(path)
        return found

    def changes(self) -> Changes:
        """Everything that is to be done."""
        lacking = [file for file in self.files.values() if self._lacks(file)]
        links = [file for file in lacking if not _is_rewritten(file.path)]
        copies = [file for file in lacking if _is_rewritten(file.path)]
        if waits := self._waits():
            manifests = self._manifests(set(self.gone))
            only_new = tuple(file for file in links if file.path not in self.mirror)
            return Changes(links=only_new, copies=(*copies, *manifests), waits=waits)
        rescued = tuple(self._rescued())
        taken = {path for rescue in rescued for path in rescue.files}
        spare = [path for path in self.mirror if path not in taken and not self._is_needed(path)]
        returned = tuple(self._returned(spare))
        return Changes(
            links=tuple(links),
            copies=(*copies, *self._manifests(self.pending)),
            rescued=rescued,
            returned=returned,
            dropped=tuple(sorted(set(spare) - {path for path, _entry in returned})),
        )

    # What the mirror lacks

    def _lacks(self, file: File) -> bool:
        there = self.mirror.get(file.path)
        if there and (there.device, there.inode) == (file.device, file.inode):
            return False
        return not (_is_rewritten(file.path) and _is_alike(file, there))

    def _manifests(self, but: Set[str]) -> list[File]:
        """The manifests whose copies are missing or old, but for those that may not be overwritten yet."""
        files = (model.manifest for path, model in self.live.items() if path not in but)
        return [file for file in files if not _is_alike(file, self.mirror.get(file.path))]

    # What vanished

    def _waits(self) -> str | None:
        if self.inventory.staged:
            return "an interrupted operation has to be finished first"
        known = self.dangling & self.gone.keys()
        if hiding := [problem.path for problem in self.inventory.blocking if problem.path not in known]:
            return f"{hiding[0]} could hide a model"
        if Policy(self.inventory, self.now).pull_is_running:
            return "a pull or create may be running"
        return "the trash cannot be read as a whole" if self.inventory.has_problem("trash-unreadable") else None

    def _is_certain(self, path: str, copy: TrashedModel) -> bool:
        """Whether it is known what happened to a manifest.

        A new version is read whole and has settled. A name that is gone while all its blobs lie there, and no other
        model of that host, may be on a folder that is not mounted right now.
        """
        if path in self.dangling:
            return False
        if model := self.live.get(path):
            return self.now - model.modified_at >= SETTLING_SECONDS
        has_vanished = any(digest in self.by_digest and digest not in self.whole for digest in copy.needs)
        return has_vanished or _host(path) in self.hosts or not any(map(self._lies_there, copy.needs))

    def _lies_there(self, digest: str) -> bool:
        blob = self.inventory.blob_by_key.get(digest)
        return blob is not None and bool(blob.files) and blob.state is State.UNREFERENCED

    def _rescued(self) -> Iterator[Rescue]:
        ours = {(place_of(m.manifest.path).inner, m.digest) for entry in self.inventory.trash for m in entry.models}
        taken: set[str] = set()
        for path, copy in self.gone.items():
            if path in self.pending or (path, copy.digest) in ours:  # Prunella's own removal, still in the trash
                continue
            blobs = [found for digest in copy.needs for found in self.by_digest.get(digest, ())]
            files = [file for file in blobs if file not in taken and not self._is_needed(file)]
            taken.update(files)
            cause: Cause = "replaced" if path in self.live else "deleted"
            yield Rescue(cause=cause, models=(copy.name,), files=(path, *files))
        if lost := sorted({path for digest in self._missing() for path in self.by_digest.get(digest, ())} - taken):
            yield Rescue(cause="deleted", models=(), files=tuple(lost))
        if dropped := set(filter(self._was_dropped, self.mirror)):
            dropped -= {place_of(file.path).inner for entry in self.inventory.trash for file in entry.files}
        if dropped:
            yield Rescue(cause="dropped", models=(), files=tuple(sorted(dropped)))

    def _missing(self) -> set[str]:
        """What models miss that are still there: an older server deletes what only a newer one's manifests name."""
        missing = {blob.key for blob in self.inventory.others if blob.state is State.MISSING}
        needs = {digest for path in self.dangling if path in self.gone for digest in self.gone[path].needs}
        return missing | (needs - self.whole)

    def _was_dropped(self, path: str) -> bool:
        """Whether a download is gone without having become a blob."""
        if path in self.files:
            return False
        place = place_of(path)
        if place.kind is not FileKind.PARTIAL or place.digest in self.whole:
            return False
        return f"{place.digest}-partial" not in self.inventory.blob_by_key

    # What stays in the mirror

    def _is_needed(self, path: str) -> bool:
        if path in self.files or path in self.live or path in self.pending:
            return True
        place = place_of(path)
        return place.kind is not FileKind.PARTIAL and place.digest in self.pending_needs

    def _returned(self, spare: Iterable[str]) -> Iterator[tuple[str, str]]:
        elsewhere = self.whole | self.inventory.trashed_files.keys()
        needing = {digest: entry.id for entry in self.inventory.trash for digest in entry.needs}
        for path in spare:
            digest = place_of(path).whole
            if digest in needing and digest not in elsewhere:
                yield path, needing[digest]


def _host(path: str) -> str:
    return "/".join(path.split("/")[:2])


def _is_rewritten(path: str) -> bool:
    """Whether Ollama writes a file again in place: a link to it would change with it."""
    place = place_of(path)
    return place.kind is FileKind.PARTIAL and not path.endswith("-partial")


def _is_alike(one: File | None, other: File | None) -> bool:
    return one is not None and other is not None and one.identity[2:] == other.identity[2:]
