"""What an operation needs besides its plan."""

import os
import time
from collections.abc import Callable
from functools import partial
from types import MappingProxyType

from msgspec import Struct

from prunella_core.apply import Disk, Step
from prunella_core.apply.work import ignore, never
from prunella_core.ollama.client import Server
from prunella_core.ollama.quiet import is_quiet


def _free(path: str) -> int:
    status = os.statvfs(path)
    return status.f_bfree * status.f_frsize


class World(Struct, frozen=True, kw_only=True):
    """Clock, disk and server, and how the front end follows an operation and cancels it."""

    now: Callable[[], float] = time.time
    """Seconds, UTC."""
    disk: Disk | None = None
    """The real one, unless a test has its own."""
    server: Server | None = None
    """Deletes what a plan for the server names; of any other plan it unloads the models that it has loaded."""
    retention: int | None = None
    """Seconds after which the trash is emptied; ``None`` leaves expired trash where it is."""
    settle: float = 10.0
    """Seconds for which what is deleted for good is watched for a pull first; 0 does without."""
    is_quiet: Callable[[], bool] = partial(is_quiet, MappingProxyType({}))
    """Whether no Ollama can be running here: then nothing is watched."""
    free: Callable[[str], int] = _free
    """Free bytes of the file system at a path, with what is kept for root."""
    wait: Callable[[float], None] = time.sleep
    """Waits for freed space to come back, in seconds."""
    report: Callable[[Step], None] = ignore
    cancelled: Callable[[], bool] = never
