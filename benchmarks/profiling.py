"""Where the time goes in one command: ``python benchmarks/profiling.py STORE ls --json`` prints it."""

import contextlib
import cProfile
import os
import pstats
import subprocess
import sys
from collections.abc import Iterator, Sequence
from io import StringIO

from prunella_tui.__main__ import run as main
from setting import PYTHON

_FUNCTIONS = 12


def profile(store: str, *command: str) -> str:
    """Return the functions of ``command`` that take most by themselves, measured in a process of its own."""
    done = subprocess.run([PYTHON, __file__, store, *command], capture_output=True, text=True, check=True)
    return f"```text\n{done.stdout.strip()}\n```"


def _profiled(store: str, command: Sequence[str]) -> str:
    profiler, text = cProfile.Profile(), StringIO()
    with _quiet():
        profiler.runcall(main, ["--store", store, *command])
    pstats.Stats(profiler, stream=text).strip_dirs().sort_stats("tottime").print_stats(_FUNCTIONS)
    return "\n".join(line.rstrip() for line in text.getvalue().strip().splitlines())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


if __name__ == "__main__":
    print(_profiled(sys.argv[1], sys.argv[2:]))
