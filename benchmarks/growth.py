"""Whether cost grows in proportion: the same work on stores that double in size."""

import itertools
import math
import shutil
import time

from generate import Truth, build_big
from report import Line, table
from setting import Setting, build, ours, say
from timing import Measured, Task, in_turn
from whole import all_rows, shown

_LIMIT = 2.2
_COMMANDS = {
    "ls --json": ("ls", "--json"),
    "blobs --json": ("blobs", "--json"),
    "prune --dry-run --json": ("prune", "--dry-run", "--json"),
}
_APPLICATION = "application, all rows"


def growth(setting: Setting) -> tuple[list[Line], str]:
    """Measure every command at every size, in turn."""
    stores = {size: setting.path(f"growth-{size}") for size in setting.scale.growth}
    truths: dict[int, Truth] = {}
    for size, store in stores.items():
        say(f"  building {size:,} blobs")
        truths[size] = build(build_big, store, size, time.time())
    found = in_turn(_tasks(stores, truths), setting.scale.growth_rounds)
    for store in stores.values():
        shutil.rmtree(store)
    lines = [_line(name, found, truths) for name in (*_COMMANDS, _APPLICATION)]
    return lines, _table(found, truths)


def _tasks(stores: dict[int, str], truths: dict[int, Truth]) -> dict[str, Task]:
    tasks: dict[str, Task] = {}
    for size, store in stores.items():
        tasks |= {f"{name} {size}": ours(store, *arguments) for name, arguments in _COMMANDS.items()}
        tasks[f"{_APPLICATION} {size}"] = shown(store, *all_rows(truths[size]))
    return tasks


def _factors(name: str, found: dict[str, Measured], truths: dict[int, Truth]) -> list[float]:
    """How much longer each size takes than the one before, for a store that is exactly twice as large."""
    sizes = list(truths)
    return [
        (found[f"{name} {after}"].seconds / found[f"{name} {before}"].seconds)
        ** (1 / math.log2(truths[after].blobs / truths[before].blobs))
        for before, after in itertools.pairwise(sizes)
    ]


def _line(name: str, found: dict[str, Measured], truths: dict[int, Truth]) -> Line:
    return Line(f"{name}, worst doubling", max(_factors(name, found, truths)), "×", _LIMIT)


def _table(found: dict[str, Measured], truths: dict[int, Truth]) -> str:
    rows = []
    for name in (*_COMMANDS, _APPLICATION):
        rows.append([name, *(f"{found[f'{name} {size}'].seconds:.3f} s" for size in truths)])
        rows.append(["… of half the store", "", *(f"{each:.2f} ×" for each in _factors(name, found, truths))])
    return table(("", *(f"{truth.blobs:,}" for truth in truths.values())), rows)
