"""Removing many blobs, and hashing large ones, against programs that do nothing else."""

import os
import shutil
import time
from collections.abc import Callable

from generate import build_orphans, build_whole
from report import Line, ratio, times_table
from setting import PRUNELLA, PYTHON, Setting, build, ours
from timing import Run, Task, in_turn, memory_floor, run

_XARGS, _PRUNE = "xargs rm", "prunella prune --age 0 --yes"
_TRASH, _RM = "to the trash, as the application", "to the trash, prunella rm --yes"
_SHA, _HASHLIB, _VERIFY = "sha256sum under xargs -P 2", "hashlib under xargs -P 2", "prunella verify --again"
_TRASH_ALL = os.path.join(os.path.dirname(__file__), "trash_all.py")
_DIGEST = "import hashlib, sys; hashlib.file_digest(open(sys.argv[1], 'rb'), 'sha256')"


def removal(setting: Setting) -> tuple[list[Line], str]:
    """Remove the same blobs from a fresh store each time: with rm, for good, and into the trash."""
    ways = {_XARGS: _xargs, _PRUNE: _prune, _TRASH: _trash, _RM: _rm}
    tasks = {name: _fresh(setting, way) for name, way in ways.items()}
    found = in_turn(tasks, setting.scale.rounds)
    number = f"{setting.scale.orphans:,} blobs"
    lines = [
        ratio(f"{number} for good, of xargs rm", found[_PRUNE], found[_XARGS], 3.0),
        ratio(f"{number} into the trash, of the same for good", found[_TRASH], found[_PRUNE], 1.0),
        ratio(f"{number} into the trash by rm, of the same for good", found[_RM], found[_PRUNE], 1.0),
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
    return run([PRUNELLA, "--store", store, "prune", "--age", "0", "--yes", "--settle", "0"])


def _trash(store: str, _files: list[str]) -> Run:
    return run([PYTHON, _TRASH_ALL, store])


def _rm(store: str, files: list[str]) -> Run:
    return run([PRUNELLA, "--store", store, "rm", "--yes", *(os.path.relpath(file, store) for file in files)])


def hashing(setting: Setting) -> tuple[list[Line], str]:
    """Hash blobs that are in the cache, on two processes and with ``verify``."""
    store = setting.path("whole")
    total = build(build_whole, store, *setting.scale.whole, time.time())
    tasks: dict[str, Task] = {
        _SHA: _on_two(store, "sha256sum"),
        _HASHLIB: _on_two(store, PYTHON, "-c", _DIGEST),
        _VERIFY: ours(store, "verify", "--again"),
    }
    found = in_turn(tasks, setting.scale.rounds)
    shutil.rmtree(store)
    rate = found[_SHA].seconds / found[_VERIFY].seconds
    lines = [Line(f"verify --again of {total / 1e9:.1f} GB, rate of sha256sum on two", rate, "×", 0.9, at_least=True)]
    same = found[_HASHLIB].seconds / found[_VERIFY].seconds
    comparison = f"`verify` has {same:.2f} × the rate of the same library on two processes."
    return lines, f"{times_table(found, memory_floor())}\n\n{comparison}"


def _on_two(store: str, *program: str) -> Task:
    listed = 'store=$1; shift; find "$store/blobs" -type f -print0 | xargs -0 -n 1 -P 2 "$@"'
    return lambda: run(["sh", "-c", listed, "sh", store, *program])
