"""Finds model stores on this machine, and says which one to use and why."""

import glob
import os
import pwd
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from typing import NamedTuple

from prunella_core.base.errors import NotFound
from prunella_core.base.text import clean
from prunella_core.fs.files import BLOCK
from prunella_core.store import Store, as_user, is_of_windows, unwritable

PARTS = {"blobs", "manifests", "manifests-v2"}
_SECONDS = 2.0
_MOST_WORK = 100_000
"""Steps of SQLite after which a query is stopped: the file of another user may hold one that never ends."""

_ROOTS, _WINDOWS = "root's home", "Ollama on Windows"
_ALWAYS_CLOSED = {_ROOTS, _WINDOWS}
"""It is unknown whether a folder that others may not enter holds a store."""

_SYSTEM = {
    "usr/share/ollama/.ollama/models": "the Linux service",
    "var/lib/ollama/.ollama/models": "the Linux service",
    "var/lib/ollama/models": "the service, as NixOS sets it up",
    "var/lib/ollama": "the service, as Arch Linux sets it up",
    "var/snap/ollama/common/models": "the snap",
    "var/lib/docker/volumes/*/_data/models": "a Docker volume",
    "var/lib/containers/storage/volumes/*/_data/models": "a Podman volume",
    "root/.ollama/models": _ROOTS,
    "mnt/[a-z]/Users/*/.ollama/models": _WINDOWS,
}
_HOME = {
    ".ollama/models": "",
    ".var/app/com.jeffser.Alpaca/data/.ollama/models": "Alpaca, a Flatpak",
    ".local/share/docker/volumes/*/_data/models": "a Docker volume of yours",
    ".local/share/containers/storage/volumes/*/_data/models": "a Podman volume of yours",
}
_APP_SETTINGS = "Library/Application Support/Ollama/db.sqlite"


class Place(NamedTuple):
    """A folder that may be a store, and why it may be one."""

    path: str
    why: str
    user: str = ""
    """As whom Ollama runs there, where a unit says it."""


class FoundStore(NamedTuple):
    """A store on this machine, or a folder that could be one and that this user may not read."""

    path: str
    why: str
    owner: str
    is_readable: bool = True

    def is_at(self, root: str) -> bool:
        """Whether it is the store at the real path ``root``."""
        return os.path.realpath(self.path) == root

    @property
    def way_in(self) -> str:
        """The command that opens it as its owner."""
        return as_user(self.owner, self.path)


def find_stores(environ: Mapping[str, str], home: str, root: str = "/", *, ask: bool = True) -> list[FoundStore]:
    """Return the stores below ``root``, the user's own first; with ``ask`` also those set in systemd and the app."""
    found: dict[tuple[int, int] | str, FoundStore] = {}
    for place in _places(environ, home, root, ask=ask):
        if look := _look_at(place):
            found.setdefault(*look)
    return list(found.values())


def _places(environ: Mapping[str, str], home: str, root: str = "/", *, ask: bool = True) -> Iterator[Place]:
    """Where stores may be, the likeliest first."""
    homes = {home: "your home"}
    if user := environ.get("SUDO_USER"):
        with suppress(KeyError):
            homes.setdefault(pwd.getpwnam(user).pw_dir, f"the home of {user}")
    for folder, why_home in homes.items():
        for pattern, why in _HOME.items():
            yield from _matching(folder, pattern, why or why_home)
        if ask:
            yield from _app_setting(os.path.join(folder, _APP_SETTINGS))
    if ask:
        yield from _units(environ)
    for pattern, why in _SYSTEM.items():
        yield from _matching(root, pattern, why)


def _matching(folder: str, pattern: str, why: str) -> Iterator[Place]:
    paths = sorted(glob.glob(pattern, root_dir=folder, include_hidden=True)) if "*" in pattern else [pattern]
    yield from (Place(os.path.join(folder, path), why) for path in paths)


def _look_at(place: Place) -> tuple[tuple[int, int] | str, FoundStore] | None:
    """Return the store at ``place`` under what identifies its folder; ``None`` where there is none."""
    folder = place.path
    try:
        status = os.stat(folder)
        if PARTS.isdisjoint(os.listdir(folder)):
            return None
        return (status.st_dev, status.st_ino), FoundStore(folder, place.why, owner_name(status.st_uid))
    except PermissionError:
        if place.why in _ALWAYS_CLOSED:
            return None
    except OSError:  # nothing there, a name that is too long, a loop of links
        return None
    while not os.path.lexists(folder):  # of several places below one closed folder the first counts
        folder = os.path.dirname(folder)
    return folder, FoundStore(place.path, place.why, owner_name(os.lstat(folder).st_uid), is_readable=False)


def blob_bytes(root: str) -> int | None:
    """Return the bytes that the blobs of a store take on the disk; ``None`` where they may not be seen."""
    try:
        with os.scandir(os.path.join(root, "blobs")) as entries:
            found = [entry.stat(follow_symlinks=False) for entry in entries]
    except OSError:
        return None
    return sum({(status.st_dev, status.st_ino): status.st_blocks * BLOCK for status in found}.values())


def service_user(environ: Mapping[str, str], root: str) -> str | None:
    """Return the user as whom a systemd unit runs Ollama on the store at the real path ``root``."""
    return next((place.user for place in _units(environ) if os.path.realpath(place.path) == root), None)


def owner_name(uid: int) -> str:
    """Return the name of a user, or the number where there is no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _app_setting(path: str) -> Iterator[Place]:
    if os.path.islink(path) or not os.path.isfile(path):
        return
    import sqlite3

    uri = f"file:{path.replace('%', '%25').replace('?', '%3f').replace('#', '%23')}?mode=ro&immutable=1"
    with suppress(sqlite3.Error), closing(sqlite3.connect(uri, uri=True, timeout=0.1)) as settings:
        settings.set_progress_handler(lambda: 1, _MOST_WORK)
        for (models,) in settings.execute("SELECT models FROM settings LIMIT 1"):
            if isinstance(models, str) and models:
                yield Place(models, "set in the Ollama app")


def _units(environ: Mapping[str, str]) -> Iterator[Place]:
    import shutil
    import subprocess

    program = shutil.which("systemctl", path=environ.get("PATH"))
    if program is None:
        return
    command = [program, "show", "ollama", "ollama*.service", "-p", "Id,LoadState,Environment,User"]
    with suppress(OSError, subprocess.SubprocessError, ValueError):
        run = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603 -- no shell
        yield from filter(None, map(_place_of, run.stdout.split("\n\n")))


def _place_of(unit: str) -> Place | None:
    """Where a unit has its models, by its properties."""
    import shlex

    properties = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line)
    set_there = dict(pair.split("=", 1) for pair in shlex.split(properties.get("Environment", "")) if "=" in pair)
    if properties.get("LoadState", "loaded") != "loaded":
        return None
    user = properties.get("User") or "root"
    home = set_there.get("HOME")
    with suppress(KeyError):
        home = home or pwd.getpwnam(user).pw_dir
    models = set_there.get("OLLAMA_MODELS") or (home and os.path.join(home, ".ollama", "models"))
    return Place(models, f"the systemd unit {properties.get('Id') or 'ollama.service'}", user) if models else None


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
        for closed in everywhere:
            raise NotFound(f"you can't read {clean(closed.path)} ({closed.why}); try: {closed.way_in}")
        where = ", ".join(clean(place.path) for place in _places(environ, home, machine, ask=False))
        raise NotFound(f"no Ollama models found; try prunella demo, or --store DIR (searched {where})")
    why = f"the only store found: {found[0].why}" if len(found) == 1 else f"the first of {len(found)} stores found"
    return _open(found[0].path, why, named=len(found) == 1, others=[store.path for store in everywhere])


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
    barred = root if is_of_windows(root) else unwritable(root)
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
