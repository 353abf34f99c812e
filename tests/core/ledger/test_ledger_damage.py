"""A ledger that is locked, damaged or crafted ends no command, and makes nothing look older than it is."""

import errno
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from prunella_core.inventory.records import Blob, Inventory
from prunella_core.ledger import file as ledger_file
from prunella_core.ledger.file import DAMAGED, NAME, Unusable, transact
from prunella_core.ledger.log import LogLine, read_log, write_line
from prunella_core.ledger.memory import last_run, note_loaded, recall, remember, rescan, scan_store
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import PruneClass
from prunella_core.sample import Layer, StoreBuilder
from prunella_core.scan import scan
from prunella_core.store.access import lock
from prunella_core.verify import verify_blobs
from stores import DAY, HOUR, NOW, exit_code_of, open_store, prune

YEAR = 365 * DAY
MODEL = "m:latest"
OLD = "downloaded a year ago"


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """A store whose ledger knows an old blob that was needed two days ago, a use, verdicts and a line of the log."""
    builder = StoreBuilder(str(tmp_path / "store"), NOW)
    old = builder.layer("weights", OLD, age=YEAR)
    builder.model("m", old, config=builder.config(model_type="1B", age=YEAR), age=YEAR)
    note_loaded(scan_store(open_store(builder.root), NOW - 2 * DAY), (MODEL,))
    builder.model("m", builder.layer("weights", "newer"), config=builder.config(model_type="2B"))
    inventory = scan_store(open_store(builder.root), NOW - DAY)
    note_loaded(inventory, (MODEL,))
    Path(builder.blob_path(inventory.model_by_name[MODEL].needs[1])).write_text("other")
    verify_blobs(inventory, inventory.blobs)
    assert write_line(open_store(builder.root), line(0))
    return builder


def line(number: int) -> LogLine:
    return LogLine(id=f"r{number}", at=NOW + number, action="rm", mode="delete", models=(), files=1, size=1)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for other writers."""
    monkeypatch.setattr(ledger_file, "PATIENCE", 0.01)


def old(inventory: Inventory) -> Blob:
    """The blob that nothing needs any more."""
    (blob,) = (blob for blob in inventory.blobs if blob.state == "unreferenced" and blob.size == len(OLD))
    return blob


def path(builder: StoreBuilder) -> Path:
    return Path(builder.root, ".prunella", NAME)


def own(builder: StoreBuilder) -> set[str]:
    return set(os.listdir(path(builder).parent))


def run(builder: StoreBuilder, now: float = NOW) -> Inventory:
    return scan_store(open_store(builder.root), now)


def ledger_problems(inventory: Inventory) -> list[str]:
    return [problem.message for problem in inventory.problems if problem.kind == "ledger"]


@contextmanager
def opened(builder: StoreBuilder) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path(builder), isolation_level=None)) as ledger:
        yield ledger


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "text": lambda _whole: b"no database" * 500,
    "empty": lambda _whole: b"",
    "zeros": lambda _whole: bytes(8_192),
    "half": lambda whole: whole[: len(whole) // 2],
    "read-only": lambda whole: whole[:18] + b"\x09" + whole[19:],
    "of the future": lambda whole: whole[:47] + b"\x09" + whole[48:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_begun_afresh_it_counts_everything_as_needed_until_then(builder: StoreBuilder, damage: str) -> None:
    whole = path(builder).read_bytes()
    path(builder).write_bytes(DAMAGES[damage](whole))
    inventory = run(builder)
    assert (old(inventory).idle_since, old(inventory).idle[1]) == (NOW, "seen-referenced")
    assert old(run(builder, NOW + HOUR)).idle_since == NOW, "and so it is remembered"
    if damage != "empty":
        assert (path(builder).parent / DAMAGED).read_bytes() == DAMAGES[damage](whole)
        assert ledger_problems(inventory) == [
            f"was damaged, and is now {DAMAGED}; unreferenced blobs count as in use until now"
        ]
    assert make_plan(inventory, prune(7 * DAY), NOW).files == ()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_look_at_a_damaged_one_changes_nothing_and_makes_nothing_older(builder: StoreBuilder, damage: str) -> None:
    path(builder).write_bytes(DAMAGES[damage](path(builder).read_bytes()))
    before = path(builder).read_bytes()
    assert old(rescan(open_store(builder.root), NOW)).idle_since in (NOW, NOW - 2 * DAY)
    assert read_log(open_store(builder.root)) in ((), (line(0),))
    assert path(builder).read_bytes() == before
    assert own(builder) == {NAME}


def test_an_identity_that_cannot_be_read_is_damage_though_its_file_is_gone(builder: StoreBuilder) -> None:
    with opened(builder) as ledger:
        ledger.execute("INSERT INTO verified VALUES ('blobs/gone', 'x', 'wrong-hash', 'other bytes')")
    (message,) = ledger_problems(run(builder))
    assert message.startswith("was damaged")


def test_one_copy_of_a_damaged_one_is_kept_with_all_that_belongs_to_it(builder: StoreBuilder) -> None:
    for damage in (b"first" * 100, b"second" * 100):
        path(builder).write_bytes(damage)
        Path(f"{path(builder)}-shm").write_bytes(b"what SQLite kept next to it")
        run(builder)
    assert own(builder) == {NAME, DAMAGED, f"{DAMAGED}-shm"}
    assert (path(builder).parent / DAMAGED).read_bytes() == b"second" * 100


def test_killed_before_the_new_one_is_written_it_still_knows_of_the_damage(builder: StoreBuilder) -> None:
    path(builder).rename(path(builder).parent / DAMAGED)
    assert old(run(builder)).idle_since == NOW


def test_while_another_run_holds_the_store_a_damaged_one_stays(builder: StoreBuilder) -> None:
    path(builder).write_bytes(b"no database" * 500)
    with lock(open_store(builder.root)):
        assert old(run(builder)).idle_since == NOW
        assert own(builder) == {NAME}
    run(builder)
    assert own(builder) == {NAME, DAMAGED}


CHANGES = [
    "UPDATE state SET value = 'yesterday'",
    "UPDATE state SET value = x'00ff'",
    "UPDATE state SET value = 7",
    "UPDATE state SET value = 9e999",
    "DELETE FROM state",
    "UPDATE blob SET seen = 'yesterday'",
    "UPDATE blob SET seen = 9e999 WHERE seen NOT NULL",
    "UPDATE blob SET model = 7",
    "UPDATE blob SET model = x'00ff'",
    "UPDATE blob SET digest = CAST(x'ff00' || digest AS TEXT)",
    "UPDATE used SET at = 'yesterday'",
    "UPDATE used SET what = x'00ff'",
    "UPDATE verified SET identity = 'x'",
    "UPDATE log SET line = 'text'",
    "DROP TABLE blob",
    "DROP TABLE blob; CREATE TABLE blob (other TEXT)",
    "DROP TABLE used; CREATE VIEW used AS SELECT 1 AS what, 2 AS at, 3 AS times",
    "DROP TABLE used; CREATE VIEW used AS WITH RECURSIVE n(what, at, times) AS "
    "(SELECT 'a', 1, 2 UNION ALL SELECT what, at, times FROM n) SELECT * FROM n",
    "CREATE TRIGGER t AFTER INSERT ON state BEGIN DELETE FROM log; END",
    "CREATE TABLE run (other TEXT)",
    "CREATE VIEW referenced AS SELECT 1 AS digest",
    "CREATE TABLE needs (model TEXT PRIMARY KEY, manifest TEXT NOT NULL, digests BLOB NOT NULL);"
    "INSERT INTO needs VALUES ('m:latest', 'x', x'00ff')",
]


@pytest.mark.parametrize("change", CHANGES)
def test_odd_content_ends_nothing_and_makes_nothing_older(builder: StoreBuilder, change: str) -> None:
    with opened(builder) as ledger:
        ledger.executescript(change)
    began = time.monotonic()
    assert rescan(open_store(builder.root), NOW).model_by_name.keys() == {MODEL}
    read_log(open_store(builder.root))
    inventory = run(builder)
    make_plan(inventory, prune(7 * DAY, *PruneClass), NOW)
    assert old(inventory).idle_since in (NOW, NOW - DAY, NOW - 2 * DAY) or "DELETE" not in change
    assert write_line(open_store(builder.root), line(1))
    assert time.monotonic() - began < 30


def test_an_index_over_rows_without_end_is_bounded(builder: StoreBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(builder) as ledger:
        ledger.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) "
            "INSERT INTO used SELECT 'm' || i, 1.0, 0 FROM n"
        )
    monkeypatch.setattr(ledger_file, "_MOST_STEPS", 100_000)
    with pytest.raises(Unusable) as caught:
        transact(open_store(builder.root), lambda ledger: ledger.execute("SELECT count(at + 1) FROM used").fetchall())
    assert caught.value.damaged


def test_flipped_bytes_end_nothing(builder: StoreBuilder, impatient: None) -> None:
    """Every kind of use of the ledger, over bytes flipped at places that a seed chooses."""
    whole = path(builder).read_bytes()
    inventory = scan(open_store(builder.root), NOW)
    dice = random.Random(20_260_901)
    places = [*range(100), *(dice.randrange(len(whole)) for _ in range(150))]
    for number, place in enumerate(places):
        damaged = bytearray(whole)
        damaged[place] ^= dice.randrange(1, 256)
        path(builder).write_bytes(damaged)
        found = recall(inventory)
        assert found.model_by_name.keys() == {MODEL}
        read_log(inventory.store)
        last_run(inventory.store)
        if number % 5 == 0:
            verify_blobs(inventory, inventory.blobs)
            write_line(inventory.store, line(1))
            note_loaded(inventory, (MODEL,))
            assert remember(inventory).model_by_name.keys() == {MODEL}
            assert ledger_problems(remember(inventory)) == [], "the run before has seen to it"


class Counted(sqlite3.Connection):
    """A connection that is counted while it is open."""

    open: list["Counted"] = []  # noqa: RUF012 -- one for all

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.open.append(self)

    def close(self) -> None:
        super().close()
        self.open.remove(self)


@pytest.mark.parametrize("damage", [*DAMAGES, "none", "locked"])
def test_no_connection_stays_open(
    builder: StoreBuilder, impatient: None, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """Newer Pythons warn of it, which ends the suite."""
    other = sqlite3.connect(path(builder), isolation_level=None)
    if damage == "locked":
        other.execute("BEGIN EXCLUSIVE")
    elif damage != "none":
        path(builder).write_bytes(DAMAGES[damage](path(builder).read_bytes()))
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Counted))
    run(builder)
    rescan(open_store(builder.root), NOW)
    read_log(open_store(builder.root))
    write_line(open_store(builder.root), line(1))
    assert Counted.open == []
    other.close()


# What is no damage


def test_one_that_is_locked_is_waited_for_and_then_left_alone(builder: StoreBuilder, impatient: None) -> None:
    with opened(builder) as other:
        other.execute("BEGIN EXCLUSIVE")
        before = path(builder).read_bytes()
        inventory = run(builder)
        assert old(inventory).idle_since == NOW
        assert ledger_problems(inventory) == [
            "cannot be used (database is locked); unreferenced blobs count as in use until now"
        ]
        assert not write_line(open_store(builder.root), line(1))
        assert path(builder).read_bytes() == before
        other.execute("ROLLBACK")
    assert old(run(builder)).idle_since == NOW - 2 * DAY
    assert own(builder) == {NAME}


@pytest.mark.parametrize("code", ["SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY_DBMOVED", "SQLITE_CANTOPEN"])
def test_a_disk_that_fails_is_no_damage(builder: StoreBuilder, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        error = sqlite3.OperationalError(code)
        error.sqlite_errorcode = getattr(sqlite3, code)
        raise error

    before = path(builder).read_bytes()
    in_transaction = ledger_file._in_transaction
    monkeypatch.setattr(
        ledger_file,
        "_in_transaction",
        lambda ledger, work, write: (fail if write else in_transaction)(ledger, work, write),
    )
    assert old(run(builder)).idle_since == NOW - 2 * DAY, "it is still read"
    monkeypatch.setattr(ledger_file, "_in_transaction", fail)
    assert old(run(builder)).idle_since == NOW
    assert path(builder).read_bytes() == before


def test_without_a_right_it_is_no_damage(builder: StoreBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: str, **_options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "makedirs", refuse)
    assert old(run(builder)).idle_since == NOW - 2 * DAY
    assert own(builder) == {NAME}


@pytest.mark.parametrize("part", ["", "-journal", "-wal"])
def test_a_pipe_in_its_place_holds_nothing_up(builder: StoreBuilder, part: str) -> None:
    if not part:
        path(builder).unlink()
    os.mkfifo(f"{path(builder)}{part}")
    code = (
        "import sys; from prunella_core.ledger.memory import scan_store; from stores import NOW, open_store;"
        "assert scan_store(open_store(sys.argv[1]), NOW).problems"
    )
    assert exit_code_of(code, builder.root) == 0


def test_a_store_whose_path_means_something_in_an_address_has_one(tmp_path: Path) -> None:
    builder = StoreBuilder(str(tmp_path / "100%41?mode=memory#x"), NOW)
    layer: Layer = builder.layer("weights", "a", age=YEAR)
    builder.model("m", layer, age=YEAR)
    run(builder, NOW - DAY)
    assert last_run(open_store(builder.root)) == NOW - DAY


# Two runs at once

TWO = """
import sys, os
sys.path[:0] = sys.argv[3].split(os.pathsep)
from prunella_core.ledger.memory import scan_store
from prunella_core.ledger.log import LogLine, write_line
from prunella_core.sample import StoreBuilder
from stores import NOW, open_store

root, who = sys.argv[1], sys.argv[2]
builder = StoreBuilder(root, NOW)
written = 0
for number in range(30):
    builder.model(who, builder.layer("weights", f"{who} {number}"))
    scan_store(open_store(root), NOW + number)
    line = LogLine(id=f"{who}{number}", at=NOW, action="rm", mode="delete", models=(), files=1, size=1)
    written += write_line(open_store(root), line)
print(written)
"""


def test_two_runs_at_once_wipe_nothing(builder: StoreBuilder) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", TWO, builder.root, who, os.pathsep.join(sys.path)], stdout=subprocess.PIPE, text=True
        )
        for who in ("a", "b")
    ]
    written = [int(process.communicate(timeout=120)[0]) for process in running]
    assert own(builder) == {NAME}
    assert len(read_log(open_store(builder.root))) == 1 + sum(written)
    assert min(written) > 0
    inventory = run(builder, NOW + 60)
    assert {blob.idle_since for blob in inventory.blobs if blob.digest == old_digest(builder)} == {NOW - 2 * DAY}


def old_digest(builder: StoreBuilder) -> str:
    return builder.layer("weights", OLD, age=YEAR).digest
