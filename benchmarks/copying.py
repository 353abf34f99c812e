"""Copying large blobs, against programs that copy and hash."""

import os
import shutil
import time

from generate import build_whole
from report import Line, times_table
from setting import PRUNELLA, Setting, build
from timing import Run, Task, in_turn, memory_floor, run

_CP, _COPY = "cp, then sha256sum", "prunella copy --all"
_COPY_AND_HASH = 'cp -R "$1" "$2" && find "$2/blobs" -type f -exec sha256sum {} +'


def copying(setting: Setting) -> tuple[list[Line], str]:
    """Copy blobs that are in the cache to an empty folder, and hash them."""
    store, target = setting.path("copied"), setting.path("copy")
    number, size = setting.scale.copied
    total = build(build_whole, store, max(1, min(number, _room(setting.folder) // size)), size, time.time())
    tasks = {
        _CP: _fresh(target, "sh", "-c", _COPY_AND_HASH, "sh", store, target),
        _COPY: _fresh(target, PRUNELLA, "--store", store, "copy", "--all", target),
    }
    found = in_turn(tasks, min(setting.scale.rounds, 3))
    shutil.rmtree(store)
    rate = found[_CP].seconds / found[_COPY].seconds
    what = f"copy of {total / 1e9:.1f} GB, rate of cp, then sha256sum"
    return [Line(what, rate, "×", 0.8, at_least=True)], times_table(found, memory_floor())


def _room(folder: str) -> int:
    """Bytes of the largest store that fits into half of the free disk and of the memory together with a copy of it."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(shutil.disk_usage(folder).free, memory) // 4


def _fresh(target: str, *command: str) -> Task:
    def task() -> Run:
        os.sync()
        try:
            return run(command)
        finally:
            shutil.rmtree(target)

    return task
