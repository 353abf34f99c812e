"""Whether an Ollama may be running on this machine: checked before anything is deleted for good."""

import os
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress

from prunella_core.ollama.client import address, refuses

_PS_SECONDS = 2.0


def is_quiet(environ: Mapping[str, str]) -> bool:
    """Whether this machine's address refuses the connection and no process is named ollama; in doubt ``False``."""
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        if all(refuses(address(where)) for where in (environ, {})):
            return not any("ollama" in name.casefold() for name in _processes())
    return False


def server_starts(folder: str = "/proc") -> Iterator[float]:
    """Yield when the servers that run on this machine were started (seconds, UTC), as far as ``/proc`` says."""
    for process in filter(str.isdigit, os.listdir(folder) if os.path.isdir(folder) else ()):
        with suppress(OSError), open(f"{folder}/{process}/stat", "rb") as file:
            name, _, numbers = file.read().rpartition(b") ")
            if b"(ollama" in name and b"serve" in _arguments(f"{folder}/{process}"):
                ticks = int(numbers.split()[19])
                yield time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")


def _arguments(process: str) -> list[bytes]:
    with open(f"{process}/cmdline", "rb") as file:
        return file.read().split(b"\0")


def _processes(folder: str = "/proc") -> Collection[str]:
    """The names of all processes. Raises OSError where those of other users are hidden."""
    if not os.path.isdir(folder):  # macOS
        return subprocess.check_output(["/bin/ps", "-axco", "comm="], text=True, timeout=_PS_SECONDS).split("\n")
    names = [_name_of(f"{folder}/1")]
    for process in filter(str.isdigit, os.listdir(folder)):
        with suppress(OSError):  # it has just ended
            names.append(_name_of(f"{folder}/{process}"))
    return names


def _name_of(process: str) -> str:
    with open(f"{process}/comm", encoding="utf-8", errors="replace") as file:
        return file.read().strip()
