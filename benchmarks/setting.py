"""What every measurement needs: how large, how often, where, and the program itself."""

import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from timing import Task, run

T = TypeVar("T")


class Scale(NamedTuple):
    """How large the stores are and how often everything runs."""

    rounds: int
    blobs: int
    shared: int
    """Models of the store in which thousands share licences and templates."""
    orphans: int
    whole: tuple[int, int]
    """Number and bytes of the blobs that are hashed."""
    copied: tuple[int, int]
    """The same of those that are copied."""
    presses: int
    """How often a key that is cheap to press is pressed."""


FULL = Scale(5, 75_000, 6_000, 10_000, (12, 200_000_000), (25, 200_000_000), 60)
QUICK = Scale(3, 4_000, 400, 300, (4, 20_000_000), (5, 20_000_000), 10)

PYTHON = sys.executable
PRUNELLA = os.path.join(os.path.dirname(PYTHON), "prunella")


class Setting(NamedTuple):
    """Where stores are built (``folder``), how large, and Ollama's program, if there is one."""

    folder: str
    scale: Scale
    ollama: str | None

    def path(self, name: str) -> str:
        """Return the path of a store of this run."""
        return os.path.join(self.folder, name)


def make_plain(folder: str) -> None:
    """Let nothing of the user's own settings count, and let no server answer.

    Nor what the user has set for Python: without its cache of bytecode every start would compile the program again.
    """
    for name in [name for name in os.environ if name.startswith(("PRUNELLA_", "OLLAMA_", "XDG_", "PYTHON"))]:
        del os.environ[name]
    home = os.path.join(folder, "home")
    os.makedirs(home, exist_ok=True)
    os.environ.update(HOME=home, LANG="C.UTF-8", OLLAMA_HOST="127.0.0.1:9")


def build(builder: Callable[..., T], *arguments: object) -> T:
    """Build a store in a process of its own: what that needs of memory must not count for what is measured."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(builder, arguments)


def ours(store: str, *arguments: str) -> Task:
    """Return the task of one command on ``store``."""
    return lambda: run([PRUNELLA, "--store", store, *arguments])


def theirs(*command: str) -> dict[str, Task]:
    """Return the task of another program under its name, where it is installed."""
    return {" ".join(command[:-1]): lambda: run(command)} if shutil.which(command[0]) else {}


def say(text: str) -> None:
    """Print progress on stderr."""
    print(text, file=sys.stderr, flush=True)
