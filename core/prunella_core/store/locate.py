"""Which model store, and why this one."""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from prunella_core.base.errors import NotFound, Refused
from prunella_core.base.text import clean
from prunella_core.store.find import PARTS, FoundStore, Place, find_stores, owner_name, places

_WINDOWS = re.compile(r"/mnt/[a-z]/Users/", re.IGNORECASE)


class Store(Struct, frozen=True, kw_only=True):
    """A model store on disk. Paths are absolute; ``writable`` says whether this user may remove things from it.

    The store of an export is somewhere else: whatever asks for one of its paths is refused.
    """

    root: str
    why: str
    owner: str
    writable: bool
    other_stores: tuple[str, ...] = ()
    unwritable: str | None = None
    """The folder that this user may not write to, where there is one."""
    named: bool = True
    """Whether somebody named this store. One that was only found among several is never guessed to be meant."""
    exported_from: str | None = None
    """The host that this is an export of; ``None`` for a store on this machine."""

    @property
    def read_only(self) -> str | None:
        """Why nothing can be changed here by anybody; ``None`` for a store on this machine."""
        return None if self.exported_from is None else f"read-only: this is {self.why}; nothing was changed"

    def refusal(self, *, by_server: bool = False) -> str | None:
        """Why this store may not be changed, in one sentence; ``None`` where it may.

        What the server deletes needs no right of this user. Raises nothing: what cannot be looked at is not in the way.
        """
        if self.read_only:
            return self.read_only
        if not self.named:
            others = ", ".join(clean(other) for other in (self.root, *self.other_stores))
            return f"several stores found ({others}): pick one with --store DIR"
        if by_server:
            return None
        if _WINDOWS.match(self.root):
            return f"{clean(self.root)} belongs to Ollama on Windows: read-only here, delete there"
        if not self.writable:
            return (
                f"{clean(self.unwritable or self.root)} belongs to {self.owner} and you may not write there; "
                f"try: {self.as_owner} … or let the server delete: prunella rm --by-server NAME"
            )
        return self._in_the_way()

    @property
    def as_owner(self) -> str:
        """The command that opens this store as its owner."""
        user = f"'#{self.owner}'" if self.owner.isdigit() else self.owner
        return f"sudo -u {user} prunella --store {clean(self.root)}"

    def _in_the_way(self) -> str | None:
        """Files are set aside in folders of ours: through a link they would be deleted somewhere else."""
        for folder in (self.own, *(os.path.join(self.own, name) for name in ("staging", "removing", "trash"))):
            if os.path.islink(folder):
                return f"{clean(folder)} is a link, and Prunella moves nothing through one; remove the link first"
            if os.path.exists(folder) and not os.path.isdir(folder):
                return f"{clean(folder)} is a file where Prunella needs a folder; move it away first"
        return None

    @property
    def place(self) -> str:
        """Where it is, for people: its path, and before it the host when that is another."""
        return self.root if self.exported_from is None else f"{self.exported_from}:{self.root}"

    @property
    def blobs(self) -> str:
        """The folder of the blobs."""
        return self.path("blobs")

    @property
    def manifests(self) -> str:
        """The folder of the manifests."""
        return self.path("manifests")

    @property
    def own(self) -> str:
        """The folder where Prunella puts things aside; Ollama never looks into it."""
        return self.path(".prunella")

    @property
    def trash(self) -> str:
        """The folder of what was removed and can be restored."""
        return os.path.join(self.own, "trash")

    def path(self, relative: str) -> str:
        """The absolute path of a file that is named relative to the store.

        Raises Refused for an export: its paths are those of another machine, and none is opened on this one.
        """
        if self.read_only:
            raise Refused(self.read_only)
        return os.path.join(self.root, relative)


def locate(explicit: str | None, environ: Mapping[str, str], home: str, machine: str = "/") -> Store:
    """Return the store to work on: ``explicit``, else ``OLLAMA_MODELS``, else the one that is found on this machine.

    ``machine`` is where its file system begins. Raises NotFound, with a sentence on what to do, when there is none.
    """
    for path, why in _named(explicit, environ, home):
        others = find_stores(environ, home, machine, ask=False)
        return _open(path, why, named=True, others=[other.path for other in others if other.is_readable])
    everywhere = find_stores(environ, home, machine)
    found = [store for store in everywhere if store.is_readable]
    if not found:
        raise NotFound(_nothing_found(everywhere, places(environ, home, machine, ask=False)))
    why = f"the only store found: {found[0].why}" if len(found) == 1 else f"the first of {len(found)} stores found"
    return _open(found[0].path, why, named=len(found) == 1, others=[store.path for store in found])


def _nothing_found(closed: Iterable[FoundStore], searched: Iterable[Place]) -> str:
    for store in closed:
        path = clean(store.path)
        return f"you may not look into {path} ({store.why}); try: sudo -u {store.owner} prunella --store {path}"
    where = ", ".join(clean(place.path) for place in searched)
    return f"no Ollama models found; try prunella demo, or --store DIR (searched {where})"


def _named(explicit: str | None, environ: Mapping[str, str], home: str) -> Iterator[tuple[str, str]]:
    if explicit:
        yield _expand(explicit, home), "--store"
    from_environment = environ.get("OLLAMA_MODELS", "").strip().strip("\"'")  # the server trims it so, too
    if from_environment:
        yield from_environment, "OLLAMA_MODELS"


def _expand(path: str, home: str) -> str:
    """Read a leading ``~`` as the shell does; Ollama itself takes ``OLLAMA_MODELS`` to the letter."""
    return os.path.join(home, path[1:].lstrip("/")) if path == "~" or path.startswith("~/") else path


def _open(path: str, why: str, *, named: bool, others: Iterable[str]) -> Store:
    root = os.path.realpath(path)
    shown = clean(root)
    try:
        status = os.stat(root)
    except FileNotFoundError:
        raise NotFound(f"there is no model store at {shown} ({why})") from None
    except OSError as error:
        raise NotFound(f"cannot open {shown} ({why}): {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise NotFound(f"{shown} ({why}) is a file; a model store is a folder with blobs/ and manifests/")
    _require_store(root, shown, why)
    barred = root if _WINDOWS.match(root) else unwritable(root)
    return Store(
        root=root,
        why=why,
        owner=owner_name(os.stat(barred or root).st_uid),
        writable=barred is None,
        unwritable=barred,
        other_stores=tuple(other for other in others if os.path.realpath(other) != root),
        named=named,
    )


def _require_store(root: str, shown: str, why: str) -> None:
    try:
        names = set(os.listdir(root))
    except OSError as error:
        raise NotFound(f"cannot read {shown} ({why}): {error.strerror}") from error
    if not names & PARTS:
        raise NotFound(f"{shown} ({why}) is no model store: it has neither blobs/ nor manifests/")


def unwritable(root: str) -> str | None:
    """Return the first folder of the store at ``root`` that would have to be written to and may not be."""
    folders = [root, *(os.path.join(root, name) for name in ("blobs", "manifests"))]
    barred = (path for path in folders if os.path.exists(path) and not os.access(path, os.W_OK | os.X_OK))
    return next(barred, None)


def may_be_unfinished(store: Store) -> bool:
    """Whether anything but lasting files lies in our own folder: then ``apply.has_unfinished`` knows more."""
    try:
        names = {name for name in os.listdir(store.own) if not name.startswith("ledger.")}
    except OSError:  # not there, or unreadable for us: then nothing is known of it either
        return False
    return not names <= {"trash", "pins", "lock"}
