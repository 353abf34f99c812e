"""Which model store, and why this one."""

import os
import re
import stat
from collections.abc import Iterable, Mapping

from msgspec import Struct

from prunella_core.base.errors import NotFound, Refused
from prunella_core.base.text import clean
from prunella_core.store.find import PARTS, FoundStore, Place, as_user, find_stores, owner_name, places

_WINDOWS = re.compile(r"/mnt/[a-z]/users/")


class Store(Struct, frozen=True, kw_only=True):
    """A model store on disk, by absolute paths. The store of an export is elsewhere: its paths are refused."""

    root: str
    why: str
    owner: str
    writable: bool
    other_stores: tuple[str, ...] = ()
    unwritable: str | None = None
    """The folder that this user may not write to."""
    named: bool = True
    """False for one of several that were found: none of them is changed until the user picks one."""
    exported_from: str | None = None
    """The host of an export; ``None`` for a store on this machine."""

    @property
    def read_only(self) -> str | None:
        """Why an export cannot be changed; ``None`` for a store on this machine."""
        return None if self.exported_from is None else f"read-only: this is {self.why}; nothing was changed"

    def refusal(self, *, by_server: bool = False) -> str | None:
        """Why this store may not be changed, in one sentence; the server needs no right of this user."""
        if self.read_only:
            return self.read_only
        if not self.named:
            others = ", ".join(clean(other) for other in (self.root, *self.other_stores))
            return f"several stores found ({others}): pick one with --store DIR (prunella stores shows them)"
        if by_server:
            return None
        if _WINDOWS.match(self.root.casefold()):
            return f"{clean(self.root)} belongs to Ollama on Windows: read-only here, delete there"
        if not self.writable:
            return (
                f"{clean(self.unwritable or self.root)} belongs to {self.owner} and you may not write there; "
                f"try: {self.as_owner} … or let the server delete: prunella rm --by-server NAME"
            )
        return self._in_the_way()

    def check_changeable(self, *, by_server: bool = False) -> None:
        """Raise Refused where ``refusal`` has a reason."""
        if why_not := self.refusal(by_server=by_server):
            raise Refused(why_not)

    @property
    def as_owner(self) -> str:
        """The command that opens this store as its owner."""
        return as_user(self.owner, self.root)

    def _in_the_way(self) -> str | None:
        """Why files cannot be moved to our folders: through a link they would end up somewhere else."""
        for folder in (self.own, *(os.path.join(self.own, name) for name in ("staging", "removing", "trash", "guard"))):
            if os.path.islink(folder):
                return f"{clean(folder)} is a link, and Prunella moves nothing through one; remove the link first"
            if os.path.exists(folder) and not os.path.isdir(folder):
                return f"{clean(folder)} is a file where Prunella needs a folder; move it away first"
        return None

    @property
    def place(self) -> str:
        """Its path, for people; for an export with the host."""
        return self.root if self.exported_from is None else f"{self.exported_from}:{self.root}"

    @property
    def blobs(self) -> str:
        return self.path("blobs")

    @property
    def manifests(self) -> str:
        return self.path("manifests")

    @property
    def own(self) -> str:
        """The folder of Prunella's own files; Ollama never reads it."""
        return self.path(".prunella")

    @property
    def trash(self) -> str:
        return os.path.join(self.own, "trash")

    def path(self, relative: str) -> str:
        """The absolute path of a path relative to the store. Raises Refused for an export, of another machine."""
        if self.read_only:
            raise Refused(self.read_only)
        return os.path.join(self.root, relative)


def locate(explicit: str | None, environ: Mapping[str, str], home: str, machine: str = "/") -> Store:
    """Return the store to use: ``explicit``, else ``OLLAMA_MODELS``, else one that is found below ``machine``.

    Raises NotFound, with a sentence on what to do, when there is none.
    """
    if choice := _choice(explicit, environ, home):
        others = find_stores(environ, home, machine, ask=False)
        return _open(*choice, named=True, others=[other.path for other in others])
    everywhere = find_stores(environ, home, machine)
    found = [store for store in everywhere if store.is_readable]
    if not found:
        raise NotFound(_nothing_found(everywhere, places(environ, home, machine, ask=False)))
    why = f"the only store found: {found[0].why}" if len(found) == 1 else f"the first of {len(found)} stores found"
    return _open(found[0].path, why, named=len(found) == 1, others=[store.path for store in everywhere])


def _nothing_found(closed: Iterable[FoundStore], searched: Iterable[Place]) -> str:
    for store in closed:
        return f"you can't read {clean(store.path)} ({store.why}); try: {store.way_in}"
    where = ", ".join(clean(place.path) for place in searched)
    return f"no Ollama models found; try prunella demo, or --store DIR (searched {where})"


def _choice(explicit: str | None, environ: Mapping[str, str], home: str) -> tuple[str, str] | None:
    if explicit == "~" or (explicit and explicit.startswith("~/")):  # Ollama itself takes OLLAMA_MODELS to the letter
        explicit = os.path.join(home, explicit[1:].lstrip("/"))
    if explicit:
        return explicit, "--store"
    from_environment = environ.get("OLLAMA_MODELS", "").strip().strip("\"'")  # trimmed as the server does
    return (from_environment, "OLLAMA_MODELS") if from_environment else None


def _open(path: str, why: str, *, named: bool, others: Iterable[str]) -> Store:
    root = os.path.realpath(path)
    _require_store(root, why)
    barred = root if _WINDOWS.match(root.casefold()) else unwritable(root)
    return Store(
        root=root,
        why=why,
        owner=owner_name(os.stat(barred or root).st_uid),
        writable=barred is None,
        unwritable=barred,
        other_stores=tuple(other for other in others if os.path.realpath(other) != root),
        named=named,
    )


def _require_store(root: str, why: str) -> None:
    shown = clean(root)
    try:
        if not stat.S_ISDIR(os.stat(root).st_mode):
            raise NotFound(f"{shown} ({why}) is a file; a model store is a folder with blobs/ and manifests/")
        names = set(os.listdir(root))
    except FileNotFoundError:
        raise NotFound(f"no model store at {shown} ({why})") from None
    except OSError as error:
        raise NotFound(f"cannot read {shown} ({why}): {error.strerror}") from error
    if not names & PARTS:
        raise NotFound(f"{shown} ({why}) is not an Ollama model store: it has neither blobs/ nor manifests/")


def unwritable(root: str) -> str | None:
    """Return the first folder of the store at ``root`` that this user may not write to."""
    folders = [root, *(os.path.join(root, name) for name in ("blobs", "manifests"))]
    barred = (path for path in folders if os.path.exists(path) and not os.access(path, os.W_OK | os.X_OK))
    return next(barred, None)


def may_be_unfinished(store: Store) -> bool:
    """Whether our own folder has more than lasting files: then ``apply.has_unfinished`` has to look."""
    try:
        names = {name for name in os.listdir(store.own) if not name.startswith("ledger.")}
    except OSError:  # not there, or unreadable
        return False
    return not names <= {"trash", "pins", "lock"}
