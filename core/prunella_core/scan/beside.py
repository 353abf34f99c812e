"""A second process that looks at the files of a large folder while this one reads manifests.

``lstat`` takes most of the time of a scan, and two threads of one Python cannot do it side by side: each call is too
short for that. So it goes into a process of its own. It only ever makes a scan quicker: where it cannot be started, or
ends early, whoever reads the folder looks for himself.
"""

import fcntl
import os
import signal
import sys
from array import array
from collections.abc import Container, Iterator
from contextlib import suppress
from itertools import chain
from typing import NamedTuple

from prunella_core.scan import lister

WORTHWHILE = 256 * 1024
"""Bytes that the folder itself takes, if it has some thousands of names: fewer are looked at before Python starts."""

_ROOM = 1 << 20
_HEAD = 16
_SCRIPT = os.path.abspath(lister.__file__)


class Piece(NamedTuple):
    """Some entries: their names with a ``/`` after each, and of each the numbers that the lister tells."""

    names: str
    numbers: "array[int]"

    @property
    def entries(self) -> int:
        """How many entries."""
        return len(self.numbers) // lister.WIDTH

    def only(self, names: Container[str]) -> "Piece":
        """The entries with these names."""
        width = lister.WIDTH
        rows = [(name, row * width) for row, name in enumerate(self.names.split("/")[:-1]) if name in names]
        numbers = chain.from_iterable(self.numbers[at : at + width] for _name, at in rows)
        return Piece("".join([f"{name}/" for name, _at in rows]), array("q", numbers))


class Beside:
    """The other process. It is told nothing after its start; ``pieces`` are what it has told by now."""

    def __init__(self, folder: str) -> None:
        self._buffer = bytearray()
        self._output, theirs = os.pipe()
        try:
            _widen(self._output)
            self._process = _start(folder, theirs)
        except BaseException:
            os.close(self._output)
            raise
        finally:
            os.close(theirs)

    def pieces(self, *, to_the_end: bool) -> Iterator[Piece]:
        """What was told since the last call; ``to_the_end`` waits for the rest. A piece that is cut off is none."""
        os.set_blocking(self._output, to_the_end)
        while True:
            yield from self._whole_pieces()
            try:
                data = os.read(self._output, _ROOM)
            except BlockingIOError:
                return
            if not data:
                return
            self._buffer += data

    def _whole_pieces(self) -> Iterator[Piece]:
        while len(self._buffer) >= _HEAD:
            length, count = array("q", bytes(self._buffer[:_HEAD]))
            end = _HEAD + length + count * lister.WIDTH * 8
            if len(self._buffer) < end:
                return
            names = os.fsdecode(bytes(self._buffer[_HEAD : _HEAD + length]))
            numbers = array("q", bytes(self._buffer[_HEAD + length : end]))
            del self._buffer[:end]
            yield Piece(names, numbers)

    def close(self) -> None:
        """Be done with it, whether it has told everything or not."""
        os.close(self._output)
        with suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self._process, 0)


def is_large(folder: str) -> bool:
    """Whether a folder has thousands of files, as far as its own size tells."""
    try:
        return os.stat(folder).st_size >= WORTHWHILE
    except OSError:  # none, or not for us to see: the scan says so
        return False


def beside(folder: str) -> Beside | None:
    """Start looking at ``folder``, if it is worth a process and there is a processor for it."""
    if not is_large(folder) or _processors() < 2 or not _python() or not _can_be_waited_for():
        return None
    try:
        return Beside(folder)
    except OSError:  # no room for a process
        return None


def _widen(pipe: int) -> None:
    """Let a whole piece fit into the pipe, where the system can: then neither side waits for the other."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):  # this user has as many pipes as he may: it only takes longer
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _ROOM)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _python() -> bool:
    """Whether this is an ordinary Python that can run a script: a frozen program would start itself again."""
    return bool(sys.executable) and not getattr(sys, "frozen", False) and os.path.isfile(_SCRIPT)


def _can_be_waited_for() -> bool:
    """Whether a process that ends keeps its number until it is waited for; else that may be somebody else's by then."""
    return signal.getsignal(signal.SIGCHLD) is not signal.SIG_IGN


def _start(folder: str, output: int) -> int:
    """Start it in a group of its own: what a terminal tells all processes is for the scan to hear, which ends it."""
    nowhere = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0)
    errors = (os.POSIX_SPAWN_DUP2, 0, 2)
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", _SCRIPT, folder],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, output, 1), nowhere, errors],
        setpgroup=0,
    )
