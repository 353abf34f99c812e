"""Whether an Ollama may be running on this machine: checked before anything is deleted for good."""

import os
import subprocess
from collections.abc import Collection, Mapping
from contextlib import suppress

from prunella_core.ollama.client import address, refuses

_PS_SECONDS = 2.0


def is_quiet(environ: Mapping[str, str]) -> bool:
    """Whether this machine's address refuses the connection and no process is named ollama; in doubt ``False``."""
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        if all(refuses(address(where)) for where in (environ, {})):
            return not any("ollama" in name.casefold() for name in _processes())
    return False


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
