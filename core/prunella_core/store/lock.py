"""One Prunella at a time on a store."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from prunella_core.base.errors import Locked, Refused
from prunella_core.base.text import clean
from prunella_core.fs.files import read_small
from prunella_core.store.locate import Store


@contextmanager
def lock(store: Store) -> Iterator[None]:
    """Hold the store for one operation. Raises Locked, naming the holder, when another process has it.

    The lock is on the store's folder itself: it needs no free byte, and the system lets go of it when we are killed.
    """
    descriptor = _open(store)
    try:
        _acquire(store, descriptor)
        try:
            yield
        finally:
            _clear_note(store)
    finally:
        os.close(descriptor)


def is_locked(store: Store) -> bool:
    """Whether another process holds the store right now. Raises Refused when that cannot be asked."""
    descriptor = _open(store)
    try:
        _acquire(store, descriptor)
    except Locked:
        return True
    finally:
        os.close(descriptor)
    return False


def _open(store: Store) -> int:
    try:
        return os.open(store.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"cannot open {clean(store.root)} to lock it: {error.strerror}") from error


def _acquire(store: Store, descriptor: int) -> None:
    shown = clean(store.root)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Locked(f"another Prunella{_holder(store)} is working on {shown}; try again when it is done") from None
    except OSError as error:
        raise Refused(f"cannot lock {shown}: {error.strerror}; nothing was changed") from error


def sign(store: Store) -> None:
    """Leave a note on who holds the lock, for the one who finds it taken. A disk without room goes without."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with suppress(OSError), open(os.open(_note(store), flags, 0o644), "w", encoding="ascii") as note:
        note.write(f"{os.getpid()}\n")


def _note(store: Store) -> str:
    return os.path.join(store.own, "lock")


def _read(store: Store) -> str:
    with suppress(OSError):
        return (read_small(_note(store), 20) or b"").decode("ascii", errors="replace").strip()
    return ""


def _clear_note(store: Store) -> None:
    """Take the note back, and our folder with it when nothing else is in it."""
    with suppress(OSError):  # a note that stays misleads nobody: the lock itself is what counts
        os.unlink(_note(store))
    with suppress(OSError):
        os.rmdir(store.own)


def _holder(store: Store) -> str:
    process = _read(store)
    return f" (process {process})" if process.isdigit() else ""
