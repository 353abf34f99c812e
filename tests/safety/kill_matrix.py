"""Kills every operation at every step, lets the next run finish or undo it, and looks whether anything is lost.

    python tests/safety/kill_matrix.py [--every N] [--only NAME …] [--judge ollama-start …] [--guard] [--real N]

Three ways of dying: in-process, before and after every change that the operation makes to the disk; again, while the
next run is recovering, at a sample of both; and by SIGKILL from outside, at every file-system call of a process of its
own. Each point starts from a copy of the same store, and is followed, each on a copy, by

- a recovery: then the store has to be wholly as it was or wholly as the operation leaves it, bytes, modes and times;
- a start of Ollama and a recovery: then it has to be as a start leaves one of the two. Between the two kills of the
  second way Ollama starts as well. ``--real N`` starts the server of ``PRUNELLA_OLLAMA`` instead, at N points in all.

Nothing may be left aside, and right after the kill ``ls --json`` has to say of every model that is still there that it
frees what it did before the operation, or will afterwards. Prints the points and the losses; exits with 1 if there is
one.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import count, islice
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from prunella_core.apply import has_unfinished
from prunella_core.base.errors import PrunellaError
from prunella_core.guard.sync import sync
from prunella_core.plan.records import Removal
from safety import real_ollama
from safety.kill_cases import Case, Facts, cases, copy, frees, memory, names, started
from safety.killing import LATER, die, shoot
from stores import broken_models, facts, open_store, recover, set_aside


class Point(NamedTuple):
    """Where it was killed, the store as it is then, and whether Ollama has started on it meanwhile."""

    name: str
    root: Path
    is_started: bool = False


class Loss(NamedTuple):
    """A kill after which something is wrong."""

    case: str
    point: str
    what: str


# What has to hold afterwards


def what_is_wrong(case: Case, root: Path) -> str:
    """What a kill has spoilt once the next run is over; nothing, if all is well."""
    recover(root)
    sync(open_store(root), LATER)
    left, *ends = map(without_empty_of_guard, (facts(root), case.before.all, case.after.all))
    if left not in ends:
        paths = nearest(*(differences(left, end, end) for end in ends))
        return f"neither before nor after: {len(paths)} paths differ, as {paths[-1]}"
    return what_is_left(root)


def what_is_wrong_after_a_start(case: Case, root: Path, start: Callable[[Path], None] = started) -> str:
    """The same where Ollama has started before the next run: what that deletes anyway may be there or not."""
    start(root)
    recover(root)
    left = facts(root)
    ends = [files(end.all) for end in (case.before, case.after)]
    deleted = (case.before.all.keys() - case.before.started) | (case.after.all.keys() - case.after.started)
    needed = [{path: fact for path, fact in end.items() if path not in deleted} for end in ends]
    if paths := nearest(*map(partial(differences, files(left)), needed, ends)):
        return f"after a start of Ollama neither before nor after: {len(paths)} paths differ, as {paths[-1]}"
    return what_is_left(root)


def nearest(*found: set[str]) -> list[str]:
    """The fewest differences."""
    return min(map(sorted, found), key=len)


def differences(left: Facts, needed: Facts, allowed: Facts) -> set[str]:
    """The paths that are not as they have to be, and those that are there and not as they may be."""
    lost = {path for path, fact in needed.items() if left.get(path) != fact}
    return lost | {path for path, fact in left.items() if path not in needed and allowed.get(path) != fact}


def files(found: Facts) -> Facts:
    """Leave the folders out: an empty one is no loss."""
    return {path: fact for path, fact in found.items() if fact[0] != "/"}


def without_empty_of_guard(found: Facts) -> Facts:
    """Leave the folders of the guard's mirror out: one that a kill left empty is in no way."""
    return {path: fact for path, fact in found.items() if fact[0] != "/" or not path.startswith(".prunella/guard")}


def what_is_left(root: Path) -> str:
    """What should not be there once the next run is over."""
    if aside := set_aside(root) - {"guard"}:
        return f"left aside: {sorted(aside)}"
    if has_unfinished(open_store(root)):
        return "something is unfinished"
    return f"models are broken: {broken}" if (broken := broken_models(root)) else ""


def what_is_wrong_at_once(case: Case, root: Path) -> str:
    """What is wrong before the next run, for an Ollama and a person who look at the store right after the kill."""
    if broken := broken_models(root):
        return f"right after the kill a model misses blobs: {broken}"
    ends = (case.before.frees, case.after.frees)
    wrong = [
        f"{name} frees {size}, not {' or '.join(sorted({str(end[name]) for end in ends if name in end}))}"
        for name, size in frees(root).items()
        if size not in [end.get(name) for end in ends]
    ]
    return f"right after the kill {'; '.join(wrong)}" if wrong else ""


def what_is_lost(case: Case, root: Path) -> str:
    """What is gone although it was there before and would be there afterwards, wherever it may lie now."""
    kept = contents(case.before.all) & contents(case.after.all)
    gone = kept - contents(facts(root))
    broken = broken_models(root)
    return f"{len(gone)} files are lost, models without blobs: {broken}" if gone or broken else ""


def contents(found: Facts) -> set[str]:
    """The bytes of the manifests and blobs in a store and its trash, by their hash."""
    return {what for path, (what, _mode, _time) in found.items() if {"blobs", "manifests"} & set(path.split("/")[:-1])}


# Killing


def killed_inside(case: Case, scratch: Path, every: int = 1) -> Iterator[Point]:
    """Kill the operation before and after every change."""
    for after in (False, True):
        for at in count(1, every):
            root = copy(case.store, scratch)
            if not die(root, case.request, at, after):
                break
            yield Point(f"{'after' if after else 'before'} change {at}", root)


def killed_twice(case: Case, scratch: Path, every: int = 1) -> Iterator[Point]:
    """Kill the operation at some changes, then the next run at some of its own, with a start of Ollama or not."""
    for first in count(4, 8 * every):
        for second in count(1, 5 * every):
            root = copy(case.store, scratch)
            if not die(root, case.request, first, after=True):
                return
            if starts := second % 2 == 0:
                started(root)
            if not die(root, Removal(), second, after=starts):
                break
            yield Point(f"at change {first}, then{' a start, then' * starts} at {second} of the recovery", root, starts)


def killed_from_outside(case: Case, scratch: Path, every: int = 1) -> Iterator[Point]:
    """Kill a process of its own at every file-system call."""
    for at in count(1, every):
        root = copy(case.store, scratch)
        if not shoot(root, case.request, at):
            return
        yield Point(f"SIGKILL at call {at}", root)


WAYS: dict[str, Callable[[Case, Path, int], Iterator[Point]]] = {
    "in-process": killed_inside,
    "while recovering": killed_twice,
    "SIGKILL": killed_from_outside,
}

Judge = Callable[[Case, Path], str]
JUDGES: dict[str, Judge] = {
    "at once": what_is_wrong_at_once,
    "recovery": what_is_wrong,
    "ollama-start": what_is_wrong_after_a_start,
}


def judged(points: Iterator[Point], case: Case, judges: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Look at each killed store in each way, each time at a copy of its own; yield the point and what is wrong."""
    for point in points:
        ways = [JUDGES[name] for name in judges if name == "ollama-start" or not point.is_started]
        wrong = [verdict(judge, case, copy(point.root, point.root.with_name("judged"))) for judge in ways]
        yield point.name, "; ".join(filter(None, wrong))


def verdict(judge: Judge, case: Case, root: Path) -> str:
    """What is wrong, which may be that the next run refuses to do anything."""
    try:
        return judge(case, root)
    except PrunellaError as error:
        return f"refused: {error}"


def started_really(root: Path) -> None:
    """Let a real Ollama start on a store."""
    with tempfile.TemporaryDirectory(prefix="prunella-home-") as home, real_ollama.serving(root, home):
        return


class Task(NamedTuple):
    """A case to go through by one process."""

    name: str
    every: int
    judges: tuple[str, ...]
    guarded: bool = False


def go_through(task: Task) -> tuple[dict[str, int], list[Loss]]:
    """Kill an operation in all ways; return how many points each way has, and what was lost."""
    losses: list[Loss] = []
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="prunella-kill-", dir=memory()) as folder:
        case = next(cases(Path(folder), (task.name,), guarded=task.guarded))
        for way, kill in WAYS.items():
            points = list(judged(kill(case, Path(folder, "scratch"), task.every), case, task.judges))
            losses += [Loss(case.name, point, wrong) for point, wrong in points if wrong]
            counts[way] = len(points)
    return counts, losses


def go_through_really(number: int, only: Sequence[str]) -> tuple[dict[str, int], list[Loss]]:
    """Kill at ``number`` points in all, spread over the cases, and start a real server after each."""
    losses: list[Loss] = []
    total = 0
    with tempfile.TemporaryDirectory(prefix="prunella-kill-", dir=memory()) as folder:
        todo = names(only)
        for nth, case in enumerate(cases(Path(folder), only)):
            wanted = (number - total) // (len(todo) - nth)
            most = sum(1 for _ in killed_inside(case, Path(folder, "scratch"))) or 1
            points = islice(killed_inside(case, Path(folder, "scratch"), max(most // max(wanted, 1), 1)), wanted)
            for point in points:
                total += 1
                wrong = verdict(partial(what_is_wrong_after_a_start, start=started_really), case, point.root)
                losses += [Loss(case.name, point.name, wrong)] if wrong else []
    return {"real starts": total}, losses


def main(every: int, only: Sequence[str], judges: tuple[str, ...], real: int, guarded: bool = False) -> int:
    """Go through the matrix; ``every`` leaves out points between."""
    losses: list[Loss] = []
    total = 0
    todo = names(only)
    with ProcessPoolExecutor(max_workers=os.cpu_count(), mp_context=get_context("spawn")) as pool:
        tasks = [Task(name, every, judges, guarded) for name in todo]
        results = zip(todo, pool.map(go_through, tasks), strict=True) if not real else ()
        for name, (counts, found) in results or [("real", go_through_really(real, only))]:
            losses += found
            total += sum(counts.values())
            print(f"{name:28}{', '.join(f'{number:4} {way}' for way, number in counts.items())}", flush=True)
    for loss in losses:
        print(f"LOSS: {loss.case}, {loss.point}: {loss.what}")
    print(f"points {total}, losses {len(losses)}")
    return 1 if losses else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every N-th point only")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these operations only")
    parser.add_argument("--judge", nargs="+", choices=JUDGES, default=list(JUDGES), help="what follows a kill")
    parser.add_argument("--guard", action="store_true", help="on a store with the guard on; no start of Ollama then")
    parser.add_argument("--real", type=int, default=0, metavar="N", help="start a real Ollama at N points, no more")
    arguments = parser.parse_args()
    judges = tuple(judge for judge in arguments.judge if not (arguments.guard and judge == "ollama-start"))
    sys.exit(main(arguments.every, arguments.only, judges, arguments.real, arguments.guard))
