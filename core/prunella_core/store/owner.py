"""Root on somebody else's store becomes that user, for good, before anything in the store is opened."""

import os
import pwd
import sys
from contextlib import suppress

from msgspec.structs import replace

from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.fs.caller import leave_helper
from prunella_core.store.locate import Store, owner_name, unwritable


def as_owner_of(store: Store) -> Store:
    """Return ``store`` as its owner sees it; where this is root and the store another user's, become that user first.

    What needs the caller's rights has to be done before: reading settings, finding stores, opening files. Raises
    Refused where that cannot be.
    """
    uid = os.stat(store.root).st_uid
    if store.read_only or os.geteuid() != 0 or uid == 0:
        return store
    try:
        leave_helper()
        _keep_importable()
        _become(uid, _group_of(uid, store.root))
    except OSError as error:
        who = owner_name(uid)
        raise Refused(f"cannot work on {clean(store.root)} as {who}, who owns it: {error.strerror}") from error
    _refuse_if_out_of_reach(store, uid)
    barred = unwritable(store.root)
    return replace(store, writable=barred is None, unwritable=barred)


def _group_of(uid: int, folder: str) -> int:
    """The owner's own group, where there is such a user; never root's, whatever the folder says."""
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_gid
    return os.stat(folder).st_gid or uid


def _become(uid: int, gid: int) -> None:
    os.setgroups([])
    if sys.platform == "linux":
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    else:  # these set all three there
        os.setgid(gid)
        os.setuid(uid)


def _keep_importable() -> None:
    """Let imports find their modules although they may lie below a folder that only root can enter.

    What is opened now stays open: a path that begins at an open folder does not pass the folders above it.
    """
    if not os.path.isdir("/proc/self/fd"):
        return
    packages = [module for module in list(sys.modules.values()) if isinstance(getattr(module, "__path__", None), list)]
    folders = {*sys.path, *(folder for package in packages for folder in package.__path__)}
    ways = {}
    for folder in sorted(filter(os.path.isdir, folders), key=len, reverse=True):
        ways[folder] = f"/proc/self/fd/{os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)}"

    def by_descriptor(path: str) -> str:
        for folder, way in ways.items():
            if path == folder or path.startswith(folder + os.sep):
                return way + path[len(folder) :]
        return path

    sys.path[:] = map(by_descriptor, sys.path)
    for package in packages:
        package.__path__[:] = map(by_descriptor, package.__path__)
    for module in list(sys.modules.values()):
        if isinstance(getattr(module, "__file__", None), str):
            module.__file__ = by_descriptor(module.__file__ or "")


def _refuse_if_out_of_reach(store: Store, uid: int) -> None:
    for path, what in ((store.root, "the store"), (os.path.dirname(__file__), "Prunella")):
        if not os.access(path, os.R_OK | os.X_OK):
            raise Refused(
                f"{what} lies where {owner_name(uid)}, who owns {clean(store.root)}, may not go: {clean(path)}; "
                "open that folder to others and try again"
            )
