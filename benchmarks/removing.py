"""Removing many blobs, and hashing large ones, beside the programs that do nothing else."""

import os
import shutil
import time
from collections.abc import Callable

from generate import build_orphans, build_whole
from report import Line, ratio, times_table
from setting import PRUNELLA, Setting, build, ours
from timing import Run, Task, in_turn, memory_floor, run

_XARGS, _PRUNE, _RM = "xargs rm", "prunella prune --age 0 --yes", "prunella rm --yes (to the trash)"
_SHA, _VERIFY = "sha256sum under xargs -P 2", "prunella verify --again"


def removal(setting: Setting) -> tuple[list[Line], str]:
    """Remove the same blobs from a fresh store each time: with rm, for good, and into the trash."""
    tasks = {name: _fresh(setting, task) for name, task in {_XARGS: _xargs, _PRUNE: _prune, _RM: _rm}.items()}
    found = in_turn(tasks, setting.scale.rounds)
    number = f"{setting.scale.orphans:,} blobs"
    lines = [
        ratio(f"{number} for good, of xargs rm", found[_PRUNE], found[_XARGS], 2.0),
        ratio(f"{number} into the trash, of the same for good", found[_RM], found[_PRUNE], 1.0),
    ]
    return lines, times_table(found, memory_floor())


def _fresh(setting: Setting, remove: Callable[[str, list[str]], Run]) -> Task:
    def task() -> Run:
        store = setting.path("orphans")
        files = build(build_orphans, store, setting.scale.orphans, time.time())
        os.sync()
        try:
            done = remove(store, files)
            if left := [file for file in files if os.path.exists(file)]:
                raise RuntimeError(f"{len(left)} of {len(files)} blobs are still there")
        finally:
            shutil.rmtree(store)
        return done

    return task


def _xargs(store: str, files: list[str]) -> Run:
    names = f"{store}/names"
    with open(names, "w", encoding="utf-8") as listed:
        listed.write("\0".join(files))
    return run(["xargs", "-0", "-a", names, "rm"])


def _prune(store: str, _files: list[str]) -> Run:
    return run([PRUNELLA, "--store", store, "prune", "--age", "0", "--yes"])


def _rm(store: str, files: list[str]) -> Run:
    return run([PRUNELLA, "--store", store, "rm", "--yes", *(os.path.relpath(file, store) for file in files)])


def hashing(setting: Setting) -> tuple[list[Line], str]:
    """Hash blobs that are in the cache, on two processes and with ``verify``."""
    store = setting.path("whole")
    total = build(build_whole, store, *setting.scale.whole, time.time())
    each = ["sh", "-c", 'find "$0/blobs" -type f -print0 | xargs -0 -n 1 -P 2 sha256sum', store]
    tasks: dict[str, Task] = {_SHA: lambda: run(each), _VERIFY: ours(store, "verify", "--again")}
    found = in_turn(tasks, setting.scale.rounds)
    shutil.rmtree(store)
    rate = found[_SHA].seconds / found[_VERIFY].seconds
    lines = [Line(f"verify --again of {total / 1e9:.1f} GB, rate of sha256sum on two", rate, "×", 0.9, at_least=True)]
    return lines, times_table(found, memory_floor())
