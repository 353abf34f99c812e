"""Where the time goes in ``ls --json``: ``python benchmarks/profiling.py STORE`` prints it."""

import contextlib
import cProfile
import os
import pstats
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO

from prunella_tui.cli.run import main
from setting import PYTHON

_FUNCTIONS = 12


def profile(store: str) -> str:
    """Return the functions of ``ls --json`` that take most by themselves, measured in a process of its own."""
    done = subprocess.run([PYTHON, __file__, store], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _profiled(store: str) -> str:
    profiler, text = cProfile.Profile(), StringIO()
    with _quiet():
        profiler.runcall(main, ["--store", store, "ls", "--json"])
    pstats.Stats(profiler, stream=text).strip_dirs().sort_stats("tottime").print_stats(_FUNCTIONS)
    return "\n".join(line.rstrip() for line in text.getvalue().strip().splitlines())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


if __name__ == "__main__":
    print(_profiled(sys.argv[1]))
