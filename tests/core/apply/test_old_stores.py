"""Stores that an earlier release left, at rest and killed at each step: the current code finishes and restores them."""

import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from prunella_core.inventory.records import State
from prunella_core.ledger.log import read_log
from prunella_core.ledger.memory import scan_store
from prunella_core.plan.records import Restore
from prunella_core.store import read_pins
from prunella_core.verify import verify_blobs
from stores import DAY, NOW, carry_out, facts, look, open_store, plan_for, recover, set_aside

RECORDED = Path(__file__).parents[2] / "recorded_own"
LATER = NOW + DAY
"""The time at which the operations were killed."""

EXPECTED = json.loads((RECORDED / "expected.json").read_text())


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory, where there is one: thousands of files are flushed to it."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="prunella-old-", dir=memory) as name:
        yield Path(name)


@pytest.mark.parametrize("case", EXPECTED["points"])
def test_the_current_code_makes_of_it_what_that_release_did(case: str, folder: Path) -> None:
    with tarfile.open(RECORDED / f"{case}.tar.xz") as archive:
        archive.extraction_filter = lambda member, _path: member  # our own; early releases of 3.11 lack tar_filter
        archive.extractall(folder)
    restored = set()
    for point, outcome in EXPECTED["points"][case].items():
        root = folder / point
        expected = EXPECTED["outcomes"][outcome]
        recover(root)
        scan_store(open_store(root), LATER)  # a ledger that was being written is whole again
        renew_inodes(root)
        assert set_aside(root) <= {"pins", "pins.new"}, point
        now = found(root)
        assert now == {key: expected[key] for key in now}, point
        if outcome not in restored:  # the same store again would restore the same
            restored.add(outcome)
            assert restores(root, folder / "scratch") == expected["restores"], point
            assert remembered(root, folder / "scratch") == expected["remembered"], point


def renew_inodes(root: Path) -> None:
    """Let a ledger know the inodes that the files have here: it names files by them."""
    if not (ledger := root / ".prunella/ledger.sqlite").exists():
        return
    with closing(sqlite3.connect(ledger)) as connection, connection:
        for (path,) in connection.execute("SELECT path FROM verified").fetchall():
            if (root / path).exists():
                connection.execute("UPDATE verified SET identity = ? WHERE path = ?", (identity(root / path), path))


def identity(path: Path) -> str:
    status = os.stat(path)
    return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns}"


def found(root: Path) -> dict[str, Any]:
    """Everything that a recovered store says of itself."""
    store = open_store(root)
    inventory = scan_store(store, LATER)
    blobs = [blob for blob in inventory.blobs if blob.state is State.UNREFERENCED]
    return {
        "models": {model.name: sorted(model.needs) for model in inventory.models},
        "files": files_of(root),
        "trash": {
            entry.id: {"models": sorted(model.name for model in entry.models), "spent": entry.is_spent}
            for entry in inventory.trash
        },
        "ages": {blob.digest: [blob.seen_referenced_at, blob.last_model] for blob in blobs},
        "loaded": {model.name: model.seen_loaded_at for model in inventory.models if model.seen_loaded_at},
        "bad": sorted(problem.path for problem in inventory.problems if problem.kind == "wrong-hash"),
        "pins": list(read_pins(store)),
        "log": [
            {
                "id": line.id,
                "action": line.action,
                "mode": line.mode,
                "models": [model.name for model in line.models],
                "files": line.files,
                "size": line.size,
            }
            for line in read_log(store)
        ],
    }


def files_of(root: Path) -> dict[str, str]:
    """The files of the store and its trash, by the start of the hash of their bytes."""
    return {
        path: what[:12]
        for path, (what, _mode, _time) in facts(root).items()
        if what != "/"
        and (not path.startswith(".prunella/") or path.startswith(".prunella/trash/"))
        and not path.endswith("record.json")
    }


def restores(root: Path, scratch: Path) -> dict[str, Any]:
    """What each entry of the trash brings back, each into a copy of the store."""
    before = look(root, LATER)
    names = {model.name for model in before.models}
    brought = {}
    for entry in before.trash:
        if entry.is_spent:
            continue
        copy(root, scratch)
        plan = plan_for(scratch, Restore(entry=entry.id), LATER)
        receipt = None if plan.blocked else carry_out(plan)
        brought[entry.id] = {
            "blocked": bool(plan.blocked),
            "done": bool(receipt and receipt.done),
            "models": sorted({model.name for model in look(scratch, LATER).models} - names),
            "targets": sorted(receipt.removed) if receipt else [],
        }
    return brought


def remembered(root: Path, scratch: Path) -> int:
    """How many files need not be verified again."""
    copy(root, scratch)
    inventory = scan_store(open_store(scratch), LATER)
    return verify_blobs(inventory, inventory.blobs).remembered


def copy(root: Path, scratch: Path) -> None:
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(root, scratch, symlinks=True)
    renew_inodes(scratch)
