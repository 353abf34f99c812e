"""Ways to kill an operation: in this process before and after every change, and by SIGKILL from outside."""

import os
import signal
import sys
from pathlib import Path

from prunella_core.fs.disk import Disk
from prunella_core.plan.records import Request
from stores import DAY, NOW, Killed, KilledDisk, carry_out, plan_for

LATER = NOW + DAY
"""The time of every operation: the store's trash is a day old then."""

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chown", "os.truncate", "os.link", "os.symlink"}


def die(root: Path, request: Request, at: int, after: bool) -> bool:
    """Carry out ``request`` and be killed at its change number ``at``; say whether it came to that."""
    try:
        carry_out(plan_for(root, request, LATER), disk=KilledDisk(at, after))
    except Killed:
        return True
    return False


class Halting:
    """Stops its process right before its file-system call number ``at``, where it can be killed from outside."""

    def __init__(self, root: Path, at: int) -> None:
        self.root = str(root)
        self.left = at

    def watch(self) -> None:
        """Count from now on, for as long as this process lives: every change to the disk, and every fsync."""
        sys.addaudithook(self.hear)
        synchronise = os.fsync

        def fsync(fd: int) -> None:
            self.count()
            synchronise(fd)

        os.fsync = fsync  # type: ignore[assignment]

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        """Called by the interpreter before the system is called."""
        if event in CHANGES or (event == "open" and self.is_write(arguments)):
            self.count()

    def is_write(self, arguments: tuple[object, ...]) -> bool:
        path, _mode, flags = arguments
        writes = bool(int(str(flags)) & (os.O_WRONLY | os.O_RDWR))
        return writes and isinstance(path, str) and (not os.path.isabs(path) or path.startswith(self.root))

    def count(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGSTOP)


def shoot(root: Path, request: Request, at: int) -> bool:
    """Carry out ``request`` in a child and kill that from outside at its call ``at``; say whether it came to that."""
    child = os.fork()
    if child == 0:
        try:
            plan = plan_for(root, request, LATER)
            Halting(root, at).watch()
            carry_out(plan, disk=Disk())
            os._exit(0)
        finally:
            os._exit(1)
    _pid, status = os.waitpid(child, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        assert os.waitstatus_to_exitcode(status) == 0, "the child failed by itself"
        return False
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True
