"""Whole processes on the big and on the small store, and the application until it shows something."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from generate import Truth
from report import Line, ratio, times_table
from serving import serving
from setting import PRUNELLA, PYTHON, Setting, ours, theirs
from terminal import Terminal
from timing import Measured, Run, Task, in_turn, memory_floor, run

_EMPTY = os.path.join(os.path.dirname(__file__), "empty.py")
EMPTY_APP, FIRST_ROWS, ALL_ROWS, FULL_FRAME = "empty app", "first rows", "all rows", "full frame"
LISTED = "prunella ls --json"
_MEMORY = 150_000_000
_OURS = {
    LISTED: ("ls", "--json"),
    "prunella blobs --json": ("blobs", "--json"),
    "prunella prune --dry-run --json": ("prune", "--dry-run", "--json"),
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


def big(setting: Setting, store: str, truth: Truth) -> tuple[list[Line], str]:
    """Measure the big store."""
    tasks: dict[str, Task] = {name: ours(store, *arguments) for name, arguments in _OURS.items()}
    for command in (("du", "-s"), ("find", "-printf"), ("ncdu", "-0", "-o", os.devnull), ("gdu", "-npc")):
        tasks |= _walk(command, store)
    tasks |= {
        EMPTY_APP: empty_app(),
        FIRST_ROWS: shown(store, "tensors-"),
        ALL_ROWS: shown(store, *all_rows(truth)),
    }
    with _server(setting, store) as more:
        found = in_turn(tasks | more, setting.scale.rounds)
    return _big_lines(found), times_table(found, memory_floor())


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


def _big_lines(found: dict[str, Measured]) -> list[Line]:
    du = found["du -s"]
    lines = [
        ratio(f"{name}, of du -s", found[name], du, limit) for name, limit in zip(_OURS, (2.5, 3.0, 3.0), strict=True)
    ]
    if "ollama list" in found:
        lines.insert(1, ratio(f"{LISTED}, of a warm ollama list", found[LISTED], found["ollama list"], 1.2))
    lines += [Line(f"{name}, peak memory", found[name].peak / 1e6, "MB", _MEMORY / 1e6) for name in _OURS]
    return [
        *lines,
        ratio("application, first rows, of the empty app", found[FIRST_ROWS], found[EMPTY_APP], 1.2),
        ratio(f"application, all rows, of {LISTED}", found[ALL_ROWS], found[LISTED], 2.0),
    ]


def small(setting: Setting, store: str, truth: Truth) -> tuple[list[Line], str]:
    """Measure the small store."""
    plain, listed, told = "python -c pass", "prunella ls", "prunella --help"
    tasks: dict[str, Task] = {
        plain: lambda: run([PYTHON, "-c", "pass"]),
        listed: ours(store, "ls"),
        told: lambda: run([PRUNELLA, "--help"]),
        EMPTY_APP: empty_app(),
        FULL_FRAME: shown(store, *all_rows(truth), "model-"),
    }
    found = in_turn(tasks, setting.scale.rounds)
    lines = [
        ratio("small store: ls, of python -c pass", found[listed], found[plain], 9.0),
        ratio("small store: --help, of python -c pass", found[told], found[plain], 6.0),
        ratio("small store: first full frame, of the empty app", found[FULL_FRAME], found[EMPTY_APP], 2.0),
    ]
    return lines, times_table(found, memory_floor())
