"""Who may work on a store: one Prunella at a time, and root only as its owner; and how its pins are written."""

import errno
import fcntl
import os
import pwd
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from types import ModuleType

from msgspec.structs import replace

from prunella_core.base.errors import Locked, NotFound, Refused
from prunella_core.base.text import clean
from prunella_core.fs.caller import leave_helper
from prunella_core.fs.disk import Disk, give_to_owner_of, inode
from prunella_core.fs.files import opened, read_own, require_regular
from prunella_core.store import Store, pins_path, read_pins, unwritable
from prunella_core.store.locate import owner_name

_OURS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Opens a file of ours without following a link or waiting at a pipe of that name."""


@contextmanager
def lock(store: Store) -> Iterator[None]:
    """Hold the store for one operation. Raises Locked, naming the process, when another one holds it.

    The lock is on the store's folder: that needs no free byte. NFS wants a file that is open for writing; it is never
    unlinked, or two processes could each hold a file of that name. Both locks end with the process.
    """
    descriptor, is_file = _acquire(store)
    try:
        yield
    finally:
        _clear_note(store, is_file)
        os.close(descriptor)


def is_locked(store: Store) -> bool:
    """Whether another process holds the store right now. Raises Refused when that cannot be known."""
    try:
        os.close(_acquire(store, asking=True)[0])
    except Locked:
        return True
    except FileNotFoundError:  # the lock file: without one there is no lock
        pass
    return False


def sign(store: Store) -> None:
    """Write down which process holds the lock, for the error message of others; skipped on a full disk."""
    with suppress(OSError):
        _write_note(store, b"%d\n" % os.getpid())


def _acquire(store: Store, *, asking: bool = False) -> tuple[int, bool]:
    """Lock the folder, or the file where the system refuses the folder; return what is locked, and whether a file."""
    try:
        folder = os.open(store.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"cannot open {clean(store.root)} to lock it: {error.strerror}") from error
    try:
        try:
            _lock(store, folder)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            return _acquire_file(store, 0 if asking else os.O_CREAT), True
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Refused(f"cannot lock {clean(store.root)}: {error.strerror}; nothing was changed") from error
    return folder, False


def _acquire_file(store: Store, create: int) -> int:
    if create:
        with closing(Disk()) as disk:
            disk.make_folder(store.own)
    while True:
        descriptor = _open_note(store, os.O_RDWR | create)
        _lock(store, descriptor)
        status = os.fstat(descriptor)
        with opened(_note(store)) as entry:
            if inode(entry) == (status.st_dev, status.st_ino):
                return descriptor
        os.close(descriptor)  # another file has taken its place


def _lock(store: Store, descriptor: int) -> None:
    """Lock what is open, or close it. Raises Locked and OSError."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        busy = f"another Prunella{_holder(store)} is working on {clean(store.root)}"
        raise Locked(f"{busy}; try again when it is done") from None
    except OSError:
        os.close(descriptor)
        raise


def _open_note(store: Store, flags: int) -> int:
    with opened(_note(store)) as (folder, name):
        note = os.open(name, flags | _OURS, 0o644, dir_fd=folder)
        try:
            require_regular(note, _note(store))
            give_to_owner_of(folder, note)
        except BaseException:
            os.close(note)
            raise
    return note


def _write_note(store: Store, data: bytes) -> None:
    with open(_open_note(store, os.O_WRONLY | os.O_CREAT), "wb") as note:
        note.truncate(0)
        note.write(data)


def _note(store: Store) -> str:
    return os.path.join(store.own, "lock")


def _clear_note(store: Store, is_file: bool) -> None:
    with suppress(OSError):  # a note that stays does no harm: the lock itself is what counts
        if is_file:
            _write_note(store, b"")
            return
        with opened(_note(store)) as (folder, name):
            os.unlink(name, dir_fd=folder)
    with suppress(OSError), opened(store.own) as (folder, name):
        os.rmdir(name, dir_fd=folder)


def _holder(store: Store) -> str:
    with suppress(OSError):
        process = (read_own(_note(store), 20) or b"").decode("ascii", errors="replace").strip()
        return f" (process {process})" if process.isdigit() else ""
    return ""


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


def pin(store: Store, patterns: Iterable[str]) -> None:
    """Add ``patterns``. Raises Refused when the store may not be changed or the pins cannot be written."""
    write_pins(store, (*read_pins(store), *patterns))


def unpin(store: Store, patterns: Iterable[str]) -> None:
    """Remove ``patterns``. Raises NotFound for one that is not pinned, and Refused as ``pin``."""
    store.check_changeable()
    pins, gone = read_pins(store), tuple(patterns)
    if unknown := [pattern for pattern in gone if pattern not in pins]:
        raise NotFound(f"no pin “{clean(unknown[0])}”: prunella pin lists them")
    write_pins(store, (pattern for pattern in pins if pattern not in gone))


def toggle_pin(store: Store, name: str, pinned: bool) -> str:
    """Pin a model, or unpin it if it is pinned by name; return a sentence on what was done. Raises Refused."""
    forms = (name.casefold(), name.removesuffix(":latest").casefold())
    if by_name := [pattern for pattern in read_pins(store) if pattern.casefold() in forms]:
        unpin(store, by_name)
        return f"{clean(name)} is no longer pinned"
    if pinned:
        return f"{clean(name)} is pinned by a pattern; prunella pin lists them"
    pin(store, (name,))
    return f"{clean(name)} is pinned: prune --all never deletes it"


def write_pins(store: Store, patterns: Iterable[str]) -> None:
    """Replace the pins of ``store``. Raises Refused, with the pins as they were, when that cannot be written."""
    store.check_changeable()
    path = pins_path(store)
    try:
        with lock(store), closing(Disk()) as disk:
            disk.make_folder(store.own)
            disk.write(path, "".join(f"{pattern}\n" for pattern in dict.fromkeys(patterns)).encode())
    except OSError as error:
        raise Refused(f"cannot write {clean(path)}: {error.strerror}; the pins are as they were") from error
