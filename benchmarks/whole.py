"""Whole processes on the big and on the small store, and the application until it shows something."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from generate import Truth
from report import Line, ratio, times_table
from serving import serving
from setting import PRUNELLA, PYTHON, Setting, ours, theirs
from terminal import Terminal
from timing import Measured, Run, Task, in_turn, memory_floor, run

_EMPTY = os.path.join(os.path.dirname(__file__), "empty.py")
EMPTY_APP, ALL_ROWS, FULL_FRAME = "empty app", "all rows", "full frame"
LISTED, ROWS, PRUNED = "prunella ls --json", "prunella blobs --json", "prunella prune --dry-run --json"
_FLOOR = os.path.join(os.path.dirname(__file__), "floor.py")
_MEMORY = 200_000_000
_OUTPUT = 30_000_000
_OURS = {
    LISTED: ("ls", "--json"),
    ROWS: ("blobs", "--json"),
    PRUNED: ("prune", "--dry-run", "--json"),
}


def shown(store: str, *texts: str) -> Task:
    """Return the task of opening the application until it shows ``texts``."""
    return _until([PRUNELLA, "--store", store], *texts)


def empty_app() -> Task:
    """Return the task of opening the smallest application."""
    return _until([PYTHON, _EMPTY], "ready")


def all_rows(truth: Truth) -> tuple[str, str]:
    """Return what the tabs say when everything is read."""
    return f"Models {truth.models:,}", f"Blobs {truth.blobs + truth.partials:,}"


def _until(command: list[str], *texts: str) -> Task:
    def task() -> Run:
        with Terminal(command) as terminal:
            return Run(terminal.until(*texts))

    return task


def big(setting: Setting, name: str, store: str, truth: Truth) -> tuple[list[Line], str]:
    """Measure one of the big stores."""
    tasks: dict[str, Task] = {ours_name: ours(store, *arguments) for ours_name, arguments in _OURS.items()}
    tasks |= {f"floor.py {what}": _floor(what, store) for what in ("ls", "blobs")}
    for command in (("du", "-s"), ("find", "-printf"), ("ncdu", "-0", "-o", os.devnull), ("gdu", "-npc")):
        tasks |= _walk(command, store)
    tasks |= {EMPTY_APP: empty_app(), ALL_ROWS: shown(store, *all_rows(truth))}
    with _server(setting, store) as more:
        found = in_turn(tasks | more, setting.scale.rounds)
    return _big_lines(name, found, _printed(store)), times_table(found, memory_floor())


def _floor(what: str, store: str) -> Task:
    return lambda: run([PYTHON, _FLOOR, what, store])


def _printed(store: str) -> int:
    """The bytes that ``ls --json`` prints."""
    return len(subprocess.run([PRUNELLA, "--store", store, "ls", "--json"], capture_output=True, check=True).stdout)


def _walk(command: tuple[str, ...], store: str) -> dict[str, Task]:
    if command[0] == "find":
        return {"find -printf": lambda: run(["find", store, "-printf", r"%p %s %b %T@ %n\n"])}
    return theirs(*command, store)


@contextmanager
def _server(setting: Setting, store: str) -> Iterator[dict[str, Task]]:
    if setting.ollama is None:
        yield {}
        return
    binary = setting.ollama
    with serving(binary, store) as address:
        there = {"OLLAMA_HOST": address}
        listed = [PRUNELLA, "--store", store, "ls", "--json"]
        yield {
            "ollama list": lambda: run([binary, "list"], there),
            f"{LISTED}, a server listens": lambda: run(listed, there),
        }


def _big_lines(name: str, found: dict[str, Measured], printed: int) -> list[Line]:
    lines = [
        ratio(f"{name}: ls --json, of floor.py", found[LISTED], found["floor.py ls"], 1.25),
        ratio(f"{name}: blobs --json, of floor.py", found[ROWS], found["floor.py blobs"], 1.4),
        ratio(f"{name}: prune --dry-run, of du -s", found[PRUNED], found["du -s"], 3.0),
        Line(f"{name}: output of ls --json", printed / 1e6, "MB", _OUTPUT / 1e6),
    ]
    return lines + [
        Line(f"{name}: peak memory of {each}", found[each].peak / 1e6, "MB", _MEMORY / 1e6) for each in _OURS
    ]


def guarded(setting: Setting, store: str) -> tuple[list[Line], str]:
    """Measure a run of the guard that finds nothing to do."""
    run_name = "prunella guard run --json"
    ours(store, "guard", "on")()
    tasks = {LISTED: ours(store, "ls", "--json"), run_name: ours(store, "guard", "run", "--json")}
    found = in_turn(tasks, setting.scale.rounds)
    ours(store, "guard", "off")()
    line = ratio("many blobs: guard run, of ls --json", found[run_name], found[LISTED], 1.3)
    return [line], times_table(found, memory_floor())


def small(setting: Setting, store: str, truth: Truth) -> tuple[list[Line], str]:
    """Measure the small store."""
    plain, listed, helped = "python -c pass", "prunella ls", "prunella --help"
    tasks: dict[str, Task] = {
        plain: lambda: run([PYTHON, "-c", "pass"]),
        listed: ours(store, "ls"),
        helped: lambda: run([PRUNELLA, "--help"]),
        EMPTY_APP: empty_app(),
        FULL_FRAME: shown(store, *all_rows(truth), "model-"),
    }
    found = in_turn(tasks, setting.scale.rounds)
    lines = [
        ratio("small store: ls, of python -c pass", found[listed], found[plain], 8.0),
        ratio("small store: --help, of python -c pass", found[helped], found[plain], 3.5),
        ratio("small store: first full frame, of the empty app", found[FULL_FRAME], found[EMPTY_APP], 1.8),
    ]
    return lines, times_table(found, memory_floor())
