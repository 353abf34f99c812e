"""The log says what was deleted and where it is; killed, full, damaged or hostile, it may be silent, but never lies."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from prunella_core.ledger import log as log_module
from prunella_core.ledger.file import NAME
from prunella_core.ledger.log import History, LoggedModel, LogLine, history, models_in, read_log, write_line
from prunella_core.ledger.memory import scan_store
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Empty, PruneClass, Receipt, Removal, Request
from prunella_core.sample import StoreBuilder
from stores import (
    DAY,
    NOW,
    bring_back,
    carry_out,
    expire,
    for_good,
    kill,
    look,
    open_store,
    plan_for,
    prune,
    recover,
    small_store,
    to_trash,
)

SOLO = "team/solo:v1"


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """The small store, looked at once."""
    builder = small_store(tmp_path / "store")
    scan_store(open_store(builder.root), NOW)
    return builder


def do(builder: StoreBuilder, request: Request, now: float = NOW) -> Receipt:
    receipt = carry_out(plan_for(builder.root, request, now))
    assert receipt.done
    assert receipt.notes == ()
    return receipt


def lines(builder: StoreBuilder) -> tuple[LogLine, ...]:
    return read_log(open_store(builder.root))


def history_of(builder: StoreBuilder, now: float = NOW) -> History:
    return history(lines(builder), look(builder.root, now))


def fates(builder: StoreBuilder) -> list[tuple[str, Sequence[str]]]:
    return [(event.line.action, event.fates or (event.fate,)) for event in history_of(builder).events]


def test_every_operation_leaves_its_line(builder: StoreBuilder) -> None:
    trashed = do(builder, to_trash(SOLO), NOW + 1)
    entry = look(builder.root).trash[0]
    bring_back(builder.root, entry, now=NOW + 2)
    freed = do(builder, for_good(models=(SOLO,)), NOW + 3)
    rubbish = do(builder, prune(), NOW + 4)
    do(builder, to_trash("derived:latest"), NOW + 5)
    do(builder, Empty(), NOW + 6)
    found = lines(builder)
    assert [(line.action, line.mode, line.at - NOW) for line in found] == [
        ("rm", "trash", 1),
        ("restore", "restore", 2),
        ("rm", "delete", 3),
        ("prune", "delete", 4),
        ("rm", "trash", 5),
        ("empty", "delete", 6),
    ]
    assert [line.size for line in found[:4]] == [trashed.trashed, trashed.plan.reclaims, freed.freed, rubbish.freed]
    assert [line.files for line in found[:4]] == [3, 3, 3, len(rubbish.removed)]
    assert [model.name for line in found for model in line.models] == [SOLO] * 3 + ["derived:latest"] * 2
    assert {model.entry for model in (*found[0].models, *found[1].models)} == {trashed.id}
    assert found[5].models[0].entry == found[4].id


def test_what_became_of_it(builder: StoreBuilder) -> None:
    do(builder, to_trash(SOLO, "derived:latest"), NOW + 1)
    assert fates(builder) == [("rm", ("trashed", "trashed"))]
    bring_back(builder.root, look(builder.root).trash[0], "derived:latest", now=NOW + 2)
    assert fates(builder) == [("rm", ("restored", "trashed")), ("restore", ("restored",))]
    do(builder, Empty(), NOW + 3)
    assert fates(builder)[0] == ("rm", ("restored", "gone"))
    assert fates(builder)[2] == ("empty", ("gone",))
    builder.model(SOLO, builder.layer("weights", "pulled again"))
    assert fates(builder)[0] == ("rm", ("restored", "back"))


def test_files_without_a_model_have_a_fate_too(builder: StoreBuilder) -> None:
    do(builder, Removal(blobs=("blobs/COPY123",), to_trash=True), NOW + 1)
    assert fates(builder) == [("rm", ("trashed",))]
    bring_back(builder.root, look(builder.root).trash[0], now=NOW + 2)
    assert fates(builder)[0] == ("rm", ("restored",))
    do(builder, prune(), NOW + 3)
    assert fates(builder)[2] == ("prune", ("gone",))


def test_what_expires_is_told_with_its_models(builder: StoreBuilder) -> None:
    do(builder, to_trash(SOLO), NOW)
    receipt = expire(builder.root, 7 * DAY, NOW + 8 * DAY)
    assert receipt
    assert fates(builder) == [("rm", ("gone",)), ("expire", ("gone",))]
    assert history_of(builder).pullable == (SOLO,)


def test_the_trash_tells_what_no_line_does(builder: StoreBuilder) -> None:
    do(builder, to_trash(SOLO), NOW)
    with closing(sqlite3.connect(Path(builder.root, ".prunella", NAME))) as ledger:
        ledger.executescript("DROP TABLE log")
    assert fates(builder) == [("rm", ("trashed",))]
    do(builder, Empty(), NOW + 1)
    assert fates(builder) == [("empty", ("gone",))]
    assert history_of(builder).pullable == (SOLO,)


# What brings it back


def line(number: int, action: str, *models: tuple[str, str, str | None]) -> LogLine:
    """A removal called ``r<number>``, or what happened to what a removal took: (name, removal, pull)."""
    return LogLine(
        id=f"r{number}",
        at=NOW + number,
        action=action,  # type: ignore[arg-type]
        mode="restore" if action == "restore" else "delete",
        models=tuple(LoggedModel(name=name, entry=entry, pull=pull) for name, entry, pull in models),
        files=1,
        size=1,
    )


def pulls(builder: StoreBuilder, *log: LogLine) -> tuple[tuple[str, ...], tuple[str, ...]]:
    found = history(log, look(builder.root))
    return found.pullable, found.lost


def test_only_what_is_still_gone_is_pulled(builder: StoreBuilder) -> None:
    gone = line(1, "rm", ("a:1", "r1", "a:1"), ("base:latest", "r1", "base:latest"), ("copy:1", "r1", "a:1"))
    assert pulls(builder, gone) == (("a:1",), ())
    assert pulls(builder, gone, line(2, "restore", ("a:1", "r1", None))) == (("a:1",), ())  # for copy:1
    again = line(3, "rm", ("a:1", "r3", None))
    assert pulls(builder, gone, line(2, "restore", ("a:1", "r1", None)), again)[0] == ("a:1",)
    created = line(4, "rm", ("mine:latest", "r4", ""))
    assert pulls(builder, created) == ((), ("mine:latest",))
    emptied = line(5, "empty", ("mine:latest", "r4", None))
    assert pulls(builder, created, emptied) == ((), ("mine:latest",))
    unknown = line(6, "expire", ("hf.co/u/m:q4", "r0", None))
    assert pulls(builder, unknown) == (("hf.co/u/m:q4",), ())


def test_what_lies_in_the_trash_is_not_pulled(builder: StoreBuilder) -> None:
    do(builder, for_good(models=(SOLO,)), NOW)
    builder.model(SOLO, builder.layer("weights", "pulled again", age=DAY))
    do(builder, to_trash(SOLO), NOW + 1)
    assert history_of(builder).pullable == ()
    do(builder, Empty(), NOW + 2)
    assert history_of(builder).pullable == (SOLO,)


def test_where_it_would_come_from_is_noted_when_it_goes(builder: StoreBuilder) -> None:
    mine = builder.layer("weights", "made here", age=DAY)
    builder.model("mine", mine, age=DAY)
    path = Path(builder.root, builder.manifest_path("mine"))
    path.write_bytes(path.read_bytes() + b"\n")  # as “ollama create” ends it
    do(builder, for_good(models=("mine:latest", SOLO)), NOW)
    assert {model.name: model.pull for model in lines(builder)[0].models} == {"mine:latest": "", SOLO: SOLO}
    assert (history_of(builder).pullable, history_of(builder).lost) == ((SOLO,), ("mine:latest",))


# Killed


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("to_the_trash", [False, True])
def test_killed_anywhere_it_may_be_silent_but_never_lies(tmp_path: Path, to_the_trash: bool, after: bool) -> None:
    finished, was_killed, at = 0, True, 0
    while was_killed:
        at += 1
        builder = small_store(tmp_path / f"store{at}")
        scan_store(open_store(builder.root), NOW)
        was_killed = kill(plan_for(builder.root, Removal(models=(SOLO,), to_trash=to_the_trash)), at, after)
        recover(builder.root)
        inventory = look(builder.root)
        events = history_of(builder).events
        if SOLO in inventory.model_by_name:
            assert events == ()
        elif inventory.trash:
            assert [event.fates for event in events] == [("trashed",)]
        elif was_killed and events:
            (event,) = events
            assert (event.line.size, event.fates, event.line.mode) == (None, ("gone",), "delete")
            assert event.line.at == int(NOW)
            finished += 1
        recover(builder.root)
        assert history_of(builder).events == events, "it is said once"
    assert finished >= (0 if to_the_trash else 4)


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"null",
        b"[" * 100_000,
        b'{"files": 7}',
        b'{"files": ["manifests/a/b/../c", "manifests/a/b/c/d/e", "../manifests/a/b/c/d"]}',
        b'{"files": ["manifests/h/n/\\u001b[2J/t"], "action": "rm"}',
        b'{"action": "shutdown"}',
    ],
)
def test_a_record_that_is_not_ours_is_not_believed(builder: StoreBuilder, record: bytes) -> None:
    builder.file(".prunella/removing/20260101T000000-abc/record.json", record)
    recover(builder.root)
    assert [model for line in lines(builder) for model in line.models] == []


# A log that cannot be written, or is not as it should be


def test_without_a_ledger_it_is_told_and_nothing_is_left_behind(tmp_path: Path) -> None:
    builder = small_store(tmp_path / "store")
    receipt = carry_out(plan_for(builder.root, for_good(models=(SOLO,))))
    assert receipt.done
    assert receipt.notes == ("prunella log will not show this: its ledger could not be written",)
    assert not Path(builder.root, ".prunella").exists()


def test_a_ledger_that_somebody_else_writes_stops_no_removal(builder: StoreBuilder) -> None:
    with closing(sqlite3.connect(Path(builder.root, ".prunella", NAME), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        receipt = carry_out(plan_for(builder.root, for_good(models=(SOLO,))))
        other.execute("ROLLBACK")
    assert receipt.done
    assert len(receipt.notes) == 1
    assert lines(builder) == ()


def test_nothing_done_is_nothing_told(builder: StoreBuilder) -> None:
    do(builder, Removal())
    assert carry_out(plan_for(builder.root, for_good(models=(SOLO,))), cancelled=lambda: True).cancelled
    assert lines(builder) == ()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE log SET line = x'00'",
        "UPDATE log SET line = 'text'",
        "UPDATE log SET line = 7",
        "UPDATE log SET line = x'7b7d'",
        "UPDATE log SET line = zeroblob(5000000)",
        "DROP TABLE log; CREATE TABLE log (other TEXT)",
        "DROP TABLE log; CREATE VIEW log AS WITH RECURSIVE n(id, line) AS "
        "(SELECT 'a', x'7b7d' UNION ALL SELECT id, line FROM n) SELECT * FROM n",
    ],
)
def test_odd_lines_harm_nothing(builder: StoreBuilder, change: str) -> None:
    do(builder, for_good(models=(SOLO,)), NOW)
    with closing(sqlite3.connect(Path(builder.root, ".prunella", NAME))) as ledger:
        ledger.executescript(change)
    assert history_of(builder).events == ()
    assert carry_out(plan_for(builder.root, prune())).done


@pytest.mark.parametrize("name", ["a; rm -rf ~", "$(reboot)", "-x", "a b:c", "a\nb", "\x1b[2J", "", "a"])
@pytest.mark.parametrize("field", ["name", "pull"])
def test_a_name_that_is_none_never_reaches_a_shell(builder: StoreBuilder, name: str, field: str) -> None:
    model = replace(LoggedModel(name="a:1", entry="r1"), **{field: name})
    assert write_line(open_store(builder.root), replace(line(1, "rm"), models=(model,)))
    assert history_of(builder).pullable == ()


def test_fields_of_later_releases_are_passed_over(builder: StoreBuilder) -> None:
    do(builder, for_good(models=(SOLO,)), NOW)
    (known,) = lines(builder)
    later = {**msgspec.to_builtins(known), "mood": "glad"}
    with closing(sqlite3.connect(Path(builder.root, ".prunella", NAME))) as ledger, ledger:
        ledger.execute("UPDATE log SET line = ?", (msgspec.json.encode(later),))
    assert lines(builder) == (known,)


def test_it_does_not_grow_for_ever(builder: StoreBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MOST_LINES", 5)
    store = open_store(builder.root)
    for number in range(9):
        assert write_line(store, line(number, "rm"))
    assert [each.id for each in lines(builder)] == ["r4", "r5", "r6", "r7", "r8"]
    monkeypatch.setattr(log_module, "MOST_BYTES", 400)
    large = line(10, "rm", *((f"m{number}:latest", "r10", None) for number in range(20)))
    write_line(store, line(9, "rm"))
    assert 1 < len(lines(builder)) < 5
    write_line(store, large)
    with closing(sqlite3.connect(Path(builder.root, ".prunella", NAME))) as ledger:
        assert ledger.execute("SELECT count(*) FROM log").fetchone() == (1,), "the newest is always kept"


def test_a_removal_is_told_once_and_its_restores_each(builder: StoreBuilder) -> None:
    store = open_store(builder.root)
    for action in ("rm", "rm", "restore", "restore", "rm"):
        assert write_line(store, line(1, action))
    assert [each.action for each in lines(builder)] == ["rm", "restore", "restore"]


def test_models_are_read_off_paths_that_name_them() -> None:
    paths = [
        "manifests/registry.ollama.ai/library/a/latest",
        ".prunella/trash/x-1/manifests/hf.co/u/m/Q4",
        "manifests/registry.ollama.ai/library/a/b/c",
        "manifests/registry.ollama.ai/library/.DS_Store",
        "manifests/registry.ollama.ai/library/a/la test",
        "blobs/manifests/registry.ollama.ai/library/a/latest",
    ]
    assert [(model.name, model.entry) for model in models_in(paths, "own")] == [
        ("a:latest", "own"),
        ("hf.co/u/m:Q4", "x-1"),
    ]


def test_a_prune_of_models_and_trash_names_both(builder: StoreBuilder) -> None:
    do(builder, to_trash(SOLO), NOW)
    inventory = look(builder.root)
    plan = make_plan(inventory, replace(prune(0, *PruneClass), force=True), NOW)
    assert carry_out(plan).done
    assert {model.name for model in lines(builder)[1].models} == {SOLO, "base:latest", "derived:latest"}
