"""A model store: where it lies, whether it may be changed, and what its owner pinned."""

import fnmatch
import os
import re
from collections.abc import Iterable

from msgspec import Struct

from prunella_core.base.errors import Refused
from prunella_core.base.text import clean, for_a_shell
from prunella_core.fs.files import read_small

_WINDOWS = re.compile(r"/mnt/[a-z]/users/")
_LARGEST_PINS = 1024 * 1024


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
        if is_of_windows(self.root):
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


def as_user(owner: str, root: str) -> str:
    """Return the command that opens the store at ``root`` as its owner."""
    user = f"'#{owner}'" if owner.isdigit() else owner
    return f"sudo -u {user} prunella --store {for_a_shell(root)}"


def is_of_windows(root: str) -> bool:
    """Whether the store at ``root`` is that of Ollama on Windows, seen from WSL."""
    return bool(_WINDOWS.match(root.casefold()))


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


# Pins: models that ``prune --all`` never takes, one name or pattern a line


def read_pins(store: Store) -> tuple[str, ...]:
    """Return the pins of ``store``; a file that is too large pins everything. Raises OSError."""
    try:
        data = read_small(pins_path(store), _LARGEST_PINS) if not os.path.islink(store.own) else b""
    except (FileNotFoundError, NotADirectoryError):
        return ()
    if data is None:
        return ("*",)
    lines = data.decode(errors="replace").splitlines()
    return tuple(line.strip() for line in lines if line.strip())


def is_pinned(name: str, patterns: Iterable[str]) -> bool:
    """Whether a model's short name matches a pin, in any case; ``llama3`` pins ``llama3:latest``."""
    folded = name.casefold()
    bare = folded.removesuffix(":latest")
    return any(fnmatch.fnmatchcase(form, pattern.casefold()) for pattern in patterns for form in (folded, bare))


def pins_path(store: Store) -> str:
    return os.path.join(store.own, "pins")
