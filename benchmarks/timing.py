"""What a process takes: seconds from start to end, and the most memory. Programs that are compared run in turn."""

import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

_RSS_UNIT = 1 if sys.platform == "darwin" else 1_024


class Run(NamedTuple):
    """One run: seconds, and the peak of resident memory in bytes (0: not measured)."""

    seconds: float
    peak: int = 0


class Measured(NamedTuple):
    """Several runs of the same: the median and the least seconds, the highest peak in bytes."""

    seconds: float
    least: float
    peak: int


Task = Callable[[], Run]


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run ``command`` with nothing to read and its output thrown away. Raises RuntimeError when it fails."""
    with tempfile.NamedTemporaryFile() as complaints:
        files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, complaints.name, os.O_WRONLY, 0),
        ]
        began = time.perf_counter()
        process = os.posix_spawnp(command[0], list(command), {**os.environ, **(environment or {})}, file_actions=files)
        _, status, usage = os.wait4(process, 0)
        seconds = time.perf_counter() - began
        if code := os.waitstatus_to_exitcode(status):
            said = complaints.read().decode(errors="replace")[-500:]
            raise RuntimeError(f"{' '.join(command)[:200]}: exit code {code}: {said}")
    return Run(seconds, usage.ru_maxrss * _RSS_UNIT)


def memory_floor() -> int:
    """Return the bytes below which no peak can be measured: a process starts as a copy of this one."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT


def in_turn(tasks: Mapping[str, Task], rounds: int) -> dict[str, Measured]:
    """Run the tasks in turn, ``rounds`` times after one that only warms the cache: A B C, A B C, ..."""
    runs: dict[str, list[Run]] = {name: [] for name in tasks}
    for number in range(rounds + 1):
        for name, task in tasks.items():
            done = task()
            if number:
                runs[name].append(done)
    return {name: _measured(several) for name, several in runs.items()}


def _measured(runs: Sequence[Run]) -> Measured:
    seconds = [each.seconds for each in runs]
    return Measured(statistics.median(seconds), min(seconds), max(each.peak for each in runs))
