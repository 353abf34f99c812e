"""The operations that are killed, each with the store that it starts from and the one that it leaves."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from commandline import call
from ollama_rules import Ollama
from prunella_core.guard.status import Settings
from prunella_core.guard.sync import sync, turn_on
from prunella_core.inventory.records import State
from prunella_core.plan.records import Empty, PruneClass, Request, Restore
from prunella_core.sample import StoreBuilder
from safety.killing import LATER
from stores import (
    BOTH,
    DAY,
    NOW,
    SOLO,
    carry_out,
    facts,
    for_good,
    look,
    open_store,
    plan_for,
    prune,
    remove,
    small_store,
    to_trash,
)

LIBRARY = "manifests/registry.ollama.ai/library"

Facts = dict[str, tuple[str, int, int]]


class End(NamedTuple):
    """What may be there in the end: all of it, what a start of Ollama leaves of that, and what each model frees."""

    all: Facts
    started: Facts
    frees: dict[str, int]


class Case(NamedTuple):
    """An operation on a store, and how it may end."""

    name: str
    store: Path
    request: Request
    before: End
    after: End


def build(root: Path, *, guarded: bool = False) -> StoreBuilder:
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
    if guarded:
        turn_on(open_store(root), Settings(), LATER)
    return builder


def requests(root: Path) -> Iterator[tuple[str, Request]]:
    """Everything that is asked of the store."""
    inventory = look(root, LATER)
    odd = tuple(blob.key for blob in inventory.blobs if blob.state in (State.PARTIAL, State.STRAY, State.UNREFERENCED))
    half, gone, too, _spent = (entry.id for entry in inventory.trash)
    yield "rm", to_trash(*BOTH.models)
    yield "rm everything", to_trash(*BOTH.models, *SOLO.models, blobs=odd)
    yield "rm --now", BOTH
    yield "rm --now everything", for_good(models=(*BOTH.models, *SOLO.models), blobs=odd)
    yield "prune", prune(0, *set(PruneClass) - {PruneClass.MODEL})
    yield "prune --all", prune(0, *PruneClass)
    yield "restore", Restore(entry=too)
    yield "restore what shares", Restore(entry=gone)
    yield "restore --as", Restore(entry=too, model="gone/too:v2", under="hf.co/new/name:v1")
    yield "restore what has no model", Restore(entry=half)
    yield "empty", Empty()
    yield "empty one", Empty(entries=(too,))


def cases(folder: Path, only: Sequence[str] = (), *, guarded: bool = False) -> Iterator[Case]:
    """Every operation (or those called ``only``) with the store that it starts from and the one that it leaves."""
    store = folder / "original"
    build(store, guarded=guarded)
    before = end(store, folder / "started")
    for name, request in requests(store):
        if only and name not in only:
            continue
        done = copy(store, folder / "done")
        carry_out(plan_for(done, request, LATER))
        sync(open_store(done), LATER)
        yield Case(name, store, request, before, end(done, folder / "started"))


def end(root: Path, scratch: Path) -> End:
    """Describe a store in which nothing is going on."""
    copy(root, scratch)
    started(scratch)
    return End(facts(root), facts(scratch), frees(root))


def copy(store: Path, target: Path) -> Path:
    """A fresh copy of a store, times and all; hard links within it stay such."""
    shutil.rmtree(target, ignore_errors=True)
    first: dict[tuple[int, int], str] = {}

    def link_or_copy(source: str, goal: str) -> str:
        status = os.lstat(source)
        if known := first.get((status.st_dev, status.st_ino)):
            os.link(known, goal)
            return goal
        first[status.st_dev, status.st_ino] = goal
        return str(shutil.copy2(source, goal, follow_symlinks=False))

    shutil.copytree(store, target, symlinks=True, copy_function=link_or_copy)
    return target


def started(root: Path) -> None:
    """Let Ollama start on a store, by its rules."""
    Ollama(root, now=lambda: LATER).start()


def frees(root: Path) -> dict[str, int]:
    """What each model frees, as ``ls`` says."""
    result = call("ls", "--json", store=str(root), now=LATER)
    return {model["name"]: model["reclaims"] for model in result.document["models"]}


def names(only: Sequence[str]) -> list[str]:
    """The operations by name, or those of ``only`` that there are."""
    with tempfile.TemporaryDirectory(prefix="prunella-kill-", dir=memory()) as folder:
        build(Path(folder, "store"))
        return [name for name, _request in requests(Path(folder, "store")) if not only or name in only]


def memory() -> str | None:
    """A folder whose file system does not wait for a disk at every fsync, where there is one."""
    return next((folder for folder in ("/dev/shm",) if os.access(folder, os.W_OK)), None)
