"""Where model stores are on this machine: as every way to run Ollama leaves them, also behind a setting."""

import glob
import os
import pwd
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from typing import NamedTuple

from msgspec import Struct

PARTS = {"blobs", "manifests", "manifests-v2"}
_SECONDS = 2.0
_MOST_WORK = 100_000
"""Steps of SQLite's machine after which a query is given up: a file of others may hold one that never ends."""

_ROOTS = "root's home"
WINDOWS = "Ollama on Windows"
_SYSTEM = {
    "usr/share/ollama/.ollama/models": "the Linux service",
    "var/lib/ollama/.ollama/models": "the Linux service",
    "var/lib/ollama/models": "the service, as NixOS sets it up",
    "var/lib/private/ollama/models": "the service, as NixOS sets it up",
    "var/lib/ollama": "the service, as Arch Linux sets it up",
    "var/snap/ollama/common/models": "the snap",
    "var/lib/docker/volumes/*/_data/models": "a Docker volume",
    "var/lib/containers/storage/volumes/*/_data/models": "a Podman volume",
    "root/.ollama/models": _ROOTS,
    "mnt/[a-z]/Users/*/.ollama/models": WINDOWS,
}
_HOME = {
    ".ollama/models": "your home",
    ".var/app/com.jeffser.Alpaca/data/.ollama/models": "Alpaca, a Flatpak",
    ".local/share/docker/volumes/*/_data/models": "a Docker volume of yours",
    ".local/share/containers/storage/volumes/*/_data/models": "a Podman volume of yours",
}
_APP_SETTINGS = "Library/Application Support/Ollama/db.sqlite"


class Place(NamedTuple):
    """A folder that may be a store, and what would have put it there."""

    path: str
    why: str


class FoundStore(Struct, frozen=True, kw_only=True):
    """A store of this machine, or a folder that this user may not look into and that could be one."""

    path: str
    why: str
    owner: str
    is_readable: bool


def find_stores(environ: Mapping[str, str], home: str, root: str = "/", *, ask: bool = True) -> list[FoundStore]:
    """Return every store that is found, the user's own first; ``ask`` other programs for their settings too.

    ``root`` is where the file system of the machine begins.
    """
    found: dict[tuple[int, int] | str, FoundStore] = {}
    for place in places(environ, home, root, ask=ask):
        with suppress(FileNotFoundError, NotADirectoryError):
            key, store = _looked_at(place)
            if store:
                found.setdefault(key, store)
    return list(found.values())


def places(environ: Mapping[str, str], home: str, root: str = "/", *, ask: bool = True) -> Iterator[Place]:
    """Where stores may be, the likeliest first."""
    homes = {home: "your home"}
    if user := environ.get("SUDO_USER"):
        with suppress(KeyError):
            homes.setdefault(pwd.getpwnam(user).pw_dir, f"the home of {user}")
    for folder, whose in homes.items():
        for pattern, why in _HOME.items():
            yield from _matching(folder, pattern, whose if why == "your home" else why)
        if ask:
            yield from _app_setting(os.path.join(folder, _APP_SETTINGS))
    if ask:
        yield from _units(environ)
    for pattern, why in _SYSTEM.items():
        yield from _matching(root, pattern, why)


def _matching(folder: str, pattern: str, why: str) -> Iterator[Place]:
    if "*" not in pattern:
        yield Place(os.path.join(folder, pattern), why)
        return
    for path in sorted(glob.glob(pattern, root_dir=folder, include_hidden=True)):
        yield Place(os.path.join(folder, path), why)


def _looked_at(place: Place) -> tuple[tuple[int, int] | str, FoundStore | None]:
    """Return what identifies a folder, and the store that it is. Raises FileNotFoundError."""
    try:
        status = os.stat(place.path)
        is_store = bool(PARTS & set(os.listdir(place.path)))
    except PermissionError:
        if place.why == _ROOTS:  # that it is closed says nothing
            return place.path, None
        return place.path, _found(place, os.stat(_closed_folder(place.path)).st_uid, is_readable=False)
    except OSError:  # a name that is too long, a loop of links
        return place.path, None
    return (status.st_dev, status.st_ino), _found(place, status.st_uid) if is_store else None


def _closed_folder(path: str) -> str:
    """The folder on the way to ``path`` that this user may not enter."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def _found(place: Place, uid: int, *, is_readable: bool = True) -> FoundStore:
    return FoundStore(path=place.path, why=place.why, owner=owner_name(uid), is_readable=is_readable)


def size_of(store: FoundStore) -> int | None:
    """Return the bytes that the files in ``blobs/`` take on the disk; ``None`` where that may not be seen."""
    try:
        with os.scandir(os.path.join(store.path, "blobs")) as entries:
            return sum(entry.stat(follow_symlinks=False).st_blocks * 512 for entry in entries)
    except OSError:
        return None


def owner_name(uid: int) -> str:
    """Return the name of a user, or the number of one that has none here."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _app_setting(path: str) -> Iterator[Place]:
    """What somebody chose in Ollama's own application."""
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
    """What the units of systemd say, which may be set anywhere; asking needs no rights."""
    import shlex
    import shutil
    import subprocess

    program = shutil.which("systemctl", path=environ.get("PATH"))
    if program is None:
        return
    command = [program, "show", "ollama", "ollama*.service", "-p", "Id,LoadState,Environment,User"]
    with suppress(OSError, subprocess.SubprocessError, ValueError):
        run = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603 -- no shell
        for block in run.stdout.split("\n\n"):
            properties = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            yield from _unit(properties, shlex.split(properties.get("Environment", "")))


def _unit(properties: Mapping[str, str], environment: Iterable[str]) -> Iterator[Place]:
    if properties.get("LoadState", "loaded") != "loaded":
        return
    why = f"the systemd unit {properties.get('Id') or 'ollama.service'}"
    set_there = dict(pair.split("=", 1) for pair in environment if "=" in pair)
    if models := set_there.get("OLLAMA_MODELS"):
        yield Place(models, why)
        return
    home = set_there.get("HOME")
    with suppress(KeyError):
        home = home or pwd.getpwnam(properties.get("User") or "root").pw_dir
    if home:
        yield Place(os.path.join(home, ".ollama", "models"), why)
