"""Kills every operation at every step, lets the next run end what was begun, and looks whether anything is lost.

    python tests/safety/kill_matrix.py [--every N]

Three ways of dying: in-process, before and after every change that the operation makes to the disk; again, while the
next run is recovering, at a sample of both; and by SIGKILL from outside, at every file-system call of a process of its
own. Each point starts from a copy of the same store. Afterwards the store has to be wholly as it was or wholly as the
operation leaves it, bytes, modes and times, with nothing set aside. Prints the points and the losses; exits with 1 if
there is one.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from prunella_core.apply import Disk, has_unfinished
from prunella_core.inventory.records import State
from prunella_core.plan.records import Empty, PruneClass, Removal, Request, Restore
from prunella_core.sample import StoreBuilder
from stores import (
    BOTH,
    DAY,
    NOW,
    SOLO,
    Killed,
    KilledDisk,
    broken_models,
    carry_out,
    facts,
    look,
    open_store,
    plan_for,
    prune,
    recover,
    remove,
    set_aside,
    small_store,
    to_trash,
)

LATER = NOW + DAY
"""The time of every operation: the store's trash is a day old then."""

LIBRARY = "manifests/registry.ollama.ai/library"

Facts = dict[str, tuple[str, int, int]]


class Case(NamedTuple):
    """An operation on a store, and what may be there in the end."""

    name: str
    store: Path
    request: Request
    before: Facts
    after: Facts


class Loss(NamedTuple):
    """A kill after which the next run did not end with the store as it was, or with everything done."""

    case: str
    point: str
    what: str


# The operations


def build(root: Path) -> StoreBuilder:
    """The small store; in its trash two models that share, what was removed by itself, and an emptied entry."""
    builder = small_store(root)
    shared = builder.layer("weights", "of two in the trash" * 500, age=DAY)
    own = builder.layer("adapter", "of one in the trash", age=DAY)
    for name, layers in (("gone", [shared]), ("gone/too:v2", [shared, own]), ("spent", [shared])):
        builder.model(name, *layers, config=builder.config(model_type=name, age=DAY), age=DAY)
    builder.file("blobs/COPY999", "half an upload", age=DAY)
    builder.manifest("half", "", age=DAY)
    remove(root, manifests=(f"{LIBRARY}/half/latest",), blobs=("blobs/COPY999",), now=NOW)
    remove(root, "gone:latest", now=NOW + 1)
    remove(root, "gone/too:v2", now=NOW + 2)
    spent = remove(root, "spent:latest", now=NOW + 3)
    carry_out(plan_for(root, Empty(entries=(spent.id,)), NOW + 4))
    assert look(root).trash[-1].is_spent
    return builder


def requests(root: Path) -> Iterator[tuple[str, Request]]:
    """Everything that is asked of the store."""
    inventory = look(root, LATER)
    odd = tuple(blob.key for blob in inventory.blobs if blob.state in (State.PARTIAL, State.STRAY, State.UNREFERENCED))
    half, gone, too, _spent = (entry.id for entry in inventory.trash)
    yield "rm", to_trash(*BOTH.models)
    yield "rm everything", to_trash(*BOTH.models, *SOLO.models, blobs=odd)
    yield "rm --now", BOTH
    yield "rm --now everything", Removal(models=(*BOTH.models, *SOLO.models), blobs=odd)
    yield "prune", prune(0, *set(PruneClass) - {PruneClass.MODEL})
    yield "prune --all", prune(0, *PruneClass)
    yield "restore", Restore(entry=too)
    yield "restore what shares", Restore(entry=gone)
    yield "restore --as", Restore(entry=too, model="gone/too:v2", under="hf.co/new/name:v1")
    yield "restore what has no model", Restore(entry=half)
    yield "empty", Empty()
    yield "empty one", Empty(entries=(too,))


def cases(folder: Path) -> Iterator[Case]:
    """Every operation with the store that it starts from and the one that it leaves."""
    store = folder / "original"
    build(store)
    before = facts(store)
    for name, request in requests(store):
        done = copy(store, folder / "done")
        carry_out(plan_for(done, request, LATER))
        yield Case(name, store, request, before, facts(done))


def copy(store: Path, target: Path) -> Path:
    """A fresh copy of a store, times and all."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(store, target, symlinks=True)
    return target


# What has to hold afterwards


def what_is_wrong(case: Case, root: Path) -> str:
    """What a kill has spoilt once the next run is over; nothing, if all is well."""
    recover(root)
    left = facts(root)
    if left not in (case.before, case.after):
        wanted = min(case.before, case.after, key=lambda end: len(end.items() ^ left.items()))
        paths = sorted({path for path, _fact in wanted.items() ^ left.items()})
        return f"neither before nor after: {len(paths)} paths differ, as {paths[-1]}"
    if aside := set_aside(root):
        return f"left aside: {sorted(aside)}"
    if has_unfinished(open_store(root)):
        return "something is unfinished"
    return f"models are broken: {broken}" if (broken := broken_models(root)) else ""


def what_is_lost(case: Case, root: Path) -> str:
    """What is gone although it was there before and would be there afterwards, wherever it may lie now."""
    kept = contents(case.before) & contents(case.after)
    gone = kept - contents(facts(root))
    broken = broken_models(root)
    return f"{len(gone)} files are lost, models without blobs: {broken}" if gone or broken else ""


def contents(found: Facts) -> set[str]:
    """The bytes of the manifests and blobs in a store and its trash, by their hash."""
    return {what for path, (what, _mode, _time) in found.items() if {"blobs", "manifests"} & set(path.split("/")[:-1])}


def what_a_server_would_miss(root: Path) -> str:
    """What is wrong before the next run, for an Ollama that looks at the store right after the kill."""
    broken = broken_models(root)
    return f"right after the kill a model misses blobs: {broken}" if broken else ""


# Killed in-process


def die(root: Path, request: Request, at: int, after: bool) -> bool:
    """Carry out ``request`` and be killed at its change number ``at``; say whether it came to that."""
    try:
        carry_out(plan_for(root, request, LATER), disk=KilledDisk(at, after))
    except Killed:
        return True
    return False


def killed_inside(case: Case, scratch: Path, every: int = 1) -> Iterator[tuple[str, str]]:
    """Kill the operation before and after every change; yield the point and what is wrong afterwards."""
    for after in (False, True):
        for at in count(1, every):
            root = copy(case.store, scratch)
            if not die(root, case.request, at, after):
                break
            missed = what_a_server_would_miss(root)
            yield f"{'after' if after else 'before'} change {at}", missed or what_is_wrong(case, root)


def killed_twice(case: Case, scratch: Path, every: int = 1) -> Iterator[tuple[str, str]]:
    """Kill the operation at some changes, then the next run at some of its own."""
    for first in count(4, 8 * every):
        for second in count(1, 5 * every):
            root = copy(case.store, scratch)
            if not die(root, case.request, first, after=True):
                return
            if not die(root, Removal(), second, after=second % 2 == 0):
                break
            missed = what_a_server_would_miss(root)
            yield f"at change {first}, then at {second} of the recovery", missed or what_is_wrong(case, root)


# Killed from outside

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chown", "os.truncate", "os.link", "os.symlink"}


class Halting:
    """Stops its process right before its file-system call number ``at``, for somebody else to kill it there."""

    def __init__(self, root: Path, at: int) -> None:
        self.root = str(root)
        self.left = at

    def watch(self) -> None:
        """Count from now on, for as long as this process lives: every change that Python reports, and every fsync."""
        sys.addaudithook(self.hear)
        synchronise = os.fsync

        def fsync(fd: int) -> None:
            self.count()
            synchronise(fd)

        os.fsync = fsync  # type: ignore[assignment]

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        """Told by the interpreter before the system is called."""
        if event in CHANGES or (event == "open" and self.is_write(arguments)):
            self.count()

    def is_write(self, arguments: tuple[object, ...]) -> bool:
        path, _mode, flags = arguments
        writes = bool(int(str(flags)) & (os.O_WRONLY | os.O_RDWR))
        return writes and isinstance(path, str) and path.startswith(self.root)

    def count(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGSTOP)


def shoot(root: Path, request: Request, at: int) -> bool:
    """Carry out ``request`` in a child and kill that from outside at its call ``at``; say whether it came to that."""
    child = os.fork()
    if child == 0:
        try:
            plan = plan_for(root, request, LATER)
            Halting(root, at).watch()
            carry_out(plan, disk=Disk())
            os._exit(0)
        finally:
            os._exit(1)
    _pid, status = os.waitpid(child, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        assert os.waitstatus_to_exitcode(status) == 0, "the child failed by itself"
        return False
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def killed_from_outside(case: Case, scratch: Path, every: int = 1) -> Iterator[tuple[str, str]]:
    """Kill a process of its own at every file-system call; yield the point and what is wrong afterwards."""
    for at in count(1, every):
        root = copy(case.store, scratch)
        if not shoot(root, case.request, at):
            return
        missed = what_a_server_would_miss(root)
        yield f"SIGKILL at call {at}", missed or what_is_wrong(case, root)


WAYS: dict[str, Callable[[Case, Path, int], Iterator[tuple[str, str]]]] = {
    "in-process": killed_inside,
    "while recovering": killed_twice,
    "SIGKILL": killed_from_outside,
}


def memory() -> str | None:
    """A folder whose file system does not wait for a disk at every fsync, where there is one."""
    return next((folder for folder in ("/dev/shm",) if os.access(folder, os.W_OK)), None)


def main(every: int) -> int:
    """Go through the matrix; ``every`` leaves out points between."""
    losses: list[Loss] = []
    total = 0
    with tempfile.TemporaryDirectory(prefix="prunella-kill-", dir=memory()) as folder:
        for case in cases(Path(folder)):
            counts = []
            for way, kill in WAYS.items():
                points = [(point, wrong) for point, wrong in kill(case, Path(folder, "scratch"), every)]
                losses += [Loss(case.name, point, wrong) for point, wrong in points if wrong]
                counts.append(f"{len(points):4} {way}")
                total += len(points)
            print(f"{case.name:28}{', '.join(counts)}", flush=True)
    for loss in losses:
        print(f"LOSS: {loss.case}, {loss.point}: {loss.what}")
    print(f"points {total}, losses {len(losses)}")
    return 1 if losses else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every N-th point only")
    sys.exit(main(parser.parse_args().every))
