"""What was measured on, and with: a number without these says nothing."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

PROGRAMS = ("du", "find", "ncdu", "gdu", "sha256sum")


def machine(folder: str) -> dict[str, str]:
    """Return processor, cores, memory, system, and the file system that holds ``folder``."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory / 1e9:.1f} GB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "file system": _file_system(folder),
    }


def versions(ollama: str | None) -> dict[str, str]:
    """Return the version of everything that was timed. ``ollama`` is the path of its program."""
    packages = {name: version(name) for name in ("prunella", "textual", "msgspec", "click")}
    programs = {name: _said(name, "--version") for name in PROGRAMS}
    return {"python": platform.python_version(), **packages, **programs, "ollama": _ollama(ollama)}


def _said(program: str | None, *arguments: str) -> str:
    if program is None or not shutil.which(program):
        return "not here"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().partition("\n")[0] or "silent"


def _ollama(program: str | None) -> str:
    if program is None:
        return "not here"
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]  # without a server it warns first; the version stands last


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    lines = table.read_text().splitlines() if table.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _file_system(folder: str) -> str:
    if platform.system() != "Linux":
        return "unknown"
    return _said("stat", "--file-system", "--format=%T", folder)
