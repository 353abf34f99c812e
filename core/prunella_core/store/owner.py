"""Root on another user's store becomes that user, for good, before anything in the store is opened."""

import os
import pwd
import sys
from collections.abc import Collection
from types import ModuleType

from msgspec.structs import replace

from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.fs.caller import leave_helper
from prunella_core.store.find import owner_name
from prunella_core.store.locate import Store, unwritable


def as_owner_of(store: Store) -> Store:
    """Return ``store`` as its owner sees it; root becomes that user first. Raises Refused where that cannot be.

    Do before it what needs the caller's rights: reading settings, finding stores, opening files.
    """
    if store.read_only or os.geteuid() != 0:
        return store
    uid, gid = _owner_of(store.root)
    if uid == 0:
        return store
    try:
        leave_helper()
        keep_importable(sys.path, list(sys.modules.values()))
        _become(uid, gid)
    except OSError as error:
        who = owner_name(uid)
        raise Refused(f"cannot work on {clean(store.root)} as {who}, who owns it: {error.strerror}") from error
    for path, what in ((store.root, "the store"), (os.path.dirname(__file__), "Prunella")):
        if not os.access(path, os.R_OK | os.X_OK):
            raise Refused(
                f"{what} lies where {owner_name(uid)}, who owns {clean(store.root)}, may not go: {clean(path)}; "
                "open that folder to others and try again"
            )
    barred = unwritable(store.root)
    return replace(store, writable=barred is None, unwritable=barred)


def _owner_of(folder: str) -> tuple[int, int]:
    """Return the user and their own group; never root's group, whatever the folder says."""
    status = os.stat(folder)
    try:
        return status.st_uid, pwd.getpwuid(status.st_uid).pw_gid
    except KeyError:
        return status.st_uid, status.st_gid or status.st_uid


def _become(uid: int, gid: int) -> None:
    os.setgroups([])
    if sys.platform == "linux":
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    else:  # pragma: no cover: macOS, where these set all three
        os.setgid(gid)
        os.setuid(uid)


def keep_importable(path: list[str], modules: Collection[ModuleType]) -> None:
    """Let imports work although modules may lie below a folder that only root can enter.

    ``path`` and the paths of ``modules`` become paths through open descriptors, which do not pass the folders above.
    """
    if not os.path.isdir("/proc/self/fd"):  # pragma: no cover: macOS has no such paths
        return
    packages = [module for module in modules if isinstance(getattr(module, "__path__", None), list)]
    folders = {*path, *(folder for package in packages for folder in package.__path__)}
    ways = {}
    for folder in sorted(filter(os.path.isdir, folders), key=len, reverse=True):
        ways[folder] = f"/proc/self/fd/{os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)}"

    def by_descriptor(place: str) -> str:
        inside = (folder for folder in ways if place == folder or place.startswith(folder + os.sep))
        return next((ways[folder] + place[len(folder) :] for folder in inside), place)

    path[:] = map(by_descriptor, path)
    for package in packages:
        package.__path__[:] = map(by_descriptor, package.__path__)
    for module in modules:
        if isinstance(getattr(module, "__file__", None), str):
            module.__file__ = by_descriptor(module.__file__ or "")
