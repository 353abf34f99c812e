"""When models were last used: Ollama's log of every version, read on where it was left; atimes that may be a sweep."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ollama_logs import (
    GENERATIONS,
    Journal,
    by_library,
    by_llama_server,
    by_runner,
    log_file,
    said,
    stamp,
    start,
    weights_of,
)
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.file import NAME
from prunella_core.ledger.memory import scan_store
from prunella_core.ledger.uses import Follower, with_uses
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import PruneClass, PrunePolicy
from prunella_core.sample import StoreBuilder
from prunella_core.scan.system import keeps_atime
from stores import DAY, HOUR, NOW, look, open_store, small_store

BASE, DERIVED, SOLO = "base:latest", "derived:latest", "team/solo:v1"
MEGABYTE = 1_000_000


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """The small store, looked at once."""
    builder = small_store(tmp_path / "home" / "models")
    scan_store(open_store(builder.root), NOW)
    return builder


@pytest.fixture
def pread(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each read of a log gave."""
    counts: list[int] = []
    real = os.pread

    def counting(descriptor: int, count: int, offset: int) -> bytes:
        data = real(descriptor, count, offset)
        counts.append(len(data))
        return data

    monkeypatch.setattr("os.pread", counting)
    return counts


def follow(builder: StoreBuilder, now: float = NOW, stopped: Callable[[], bool] = lambda: False) -> Inventory:
    """Read the logs on, remember that, and return the store as a later run sees it."""
    follower = Follower(open_store(builder.root), "/nowhere", stopped)
    follower.read_journal()
    follower.read_files()
    seen = with_uses(scan_store(open_store(builder.root), now), follower.uses)
    follower.save()
    later = scan_store(open_store(builder.root), now)
    assert later.models == seen.models, "what was read at once is what is remembered"
    return later


def used(inventory: Inventory, model: str) -> tuple[float | None, int, str | None]:
    found = inventory.model_by_name[model]
    at = found.last_used
    return (at and round(at)), found.loads, found.last_use[1]


@pytest.fixture(autouse=True)
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """The journal of the system, empty."""
    found = Journal(tmp_path / "bin")
    monkeypatch.setenv("PATH", found.path)
    return found


# Loads


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_last_load_of_each_model_is_known_from_every_version(
    builder: StoreBuilder, generation: Callable[[float, str], str]
) -> None:
    base, solo = weights_of(builder, BASE), weights_of(builder, SOLO)
    log_file(builder, start(NOW - 9 * DAY, builder.root))
    for at in (NOW - 8 * DAY, NOW - 5 * DAY, NOW - 2 * HOUR):
        log_file(builder, said(at - 5, 'msg="client request" blob=sha256-nothing') + generation(at, solo))
    log_file(builder, generation(NOW - 3 * DAY, base) + said(NOW - HOUR, 'msg="bye"'))
    inventory = follow(builder)
    assert used(inventory, SOLO) == (NOW - 2 * HOUR, 3, "loaded-in-log")
    assert used(inventory, BASE) == used(inventory, DERIVED) == (NOW - 3 * DAY, 1, "loaded-in-log")
    assert inventory.model_by_name[SOLO].idle[1] == "loaded-in-log"


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_journal_says_the_same(
    builder: StoreBuilder, journal: Journal, generation: Callable[[float, str], str]
) -> None:
    base, solo = weights_of(builder, BASE), weights_of(builder, SOLO)
    entries = [(at, generation(at, solo)) for at in (NOW - 8 * DAY, NOW - 2 * HOUR)]
    journal.write([*entries, (NOW - HOUR, generation(NOW - HOUR, base)), (NOW - 60, "[GIN] 200\nnot JSON:\n\n")])
    inventory = follow(builder)
    assert used(inventory, SOLO) == (NOW - 2 * HOUR, 2, "loaded-in-log")
    assert used(inventory, BASE) == (NOW - HOUR, 1, "loaded-in-log")


def test_paths_of_other_systems_and_of_old_stores_are_read_too(builder: StoreBuilder) -> None:
    digits = os.path.basename(weights_of(builder, SOLO))[7:]
    windows = f"C:\\\\Users\\\\a b\\\\.ollama\\\\models\\\\blobs\\\\sha256-{digits}"
    text = said(NOW - DAY, f'msg="starting runner" cmd="C:\\\\ollama.exe runner --model {windows} --port 1"')
    log_file(builder, text + by_library(NOW - HOUR, f"/root/.ollama/models/blobs/sha256:{digits}"))
    assert used(follow(builder), SOLO) == (NOW - HOUR, 2, "loaded-in-log")


def test_what_only_mentions_a_blob_is_no_load(builder: StoreBuilder) -> None:
    path = weights_of(builder, SOLO)
    log_file(builder, said(NOW - HOUR, f'msg="removing unused blob" model={path}'))
    log_file(builder, '[GIN] 2026/09/20 - 10:00:00 | 200 | HEAD "/api/blobs/sha256:' + "0" * 64 + '"\n')
    assert used(follow(builder), SOLO) == (None, 0, None)


def test_reading_right_after_a_load_is_that_load(builder: StoreBuilder, atime: None) -> None:
    if not keeps_atime(builder.root):
        pytest.skip("this file system keeps no atime")
    path = weights_of(builder, SOLO)
    os.utime(weights_of(builder, BASE), (NOW - 30 * DAY, NOW - DAY))
    os.utime(path, (NOW - HOUR + 20, NOW - DAY))
    log_file(builder, by_llama_server(NOW - HOUR, path))
    assert used(follow(builder), SOLO) == (NOW - HOUR, 1, "loaded-in-log")
    os.utime(path, (NOW - 60, NOW - DAY))
    assert used(follow(builder), SOLO) == (NOW - 60, 1, "weights-read")


# Reading on


def test_a_log_of_200_megabytes_costs_nothing_on_the_second_run(builder: StoreBuilder, pread: list[int]) -> None:
    solo = weights_of(builder, SOLO)
    path = log_file(builder, start(NOW - DAY, builder.root))
    os.truncate(path, 200 * MEGABYTE)
    log_file(builder, "\n" + by_llama_server(NOW - HOUR, solo))
    assert used(follow(builder), SOLO) == (NOW - HOUR, 1, "loaded-in-log")
    assert sum(pread) > 200 * MEGABYTE
    pread.clear()
    assert used(follow(builder), SOLO) == (NOW - HOUR, 1, "loaded-in-log")
    assert sum(pread) < 5_000, "its first line"
    log_file(builder, by_llama_server(NOW - 60, solo))
    assert used(follow(builder), SOLO) == (NOW - 60, 2, "loaded-in-log")
    assert sum(pread) < 10_000


def test_the_journal_is_read_on_from_the_last_entry(builder: StoreBuilder, journal: Journal) -> None:
    solo = weights_of(builder, SOLO)
    entries = [(NOW - DAY, by_llama_server(NOW - DAY, solo)), (NOW - HOUR, by_llama_server(NOW - HOUR, solo))]
    journal.write(entries[:1])
    assert used(follow(builder), SOLO) == (NOW - DAY, 1, "loaded-in-log")
    journal.write(entries)
    assert used(follow(builder), SOLO) == (NOW - HOUR, 2, "loaded-in-log")
    assert ["--cursor=s=1;i=0.0" in call for call in journal.asked] == [False, True]
    assert "--unit=*ollama*" in journal.asked[0]


def test_a_rotated_log_is_read_on_under_its_new_name(builder: StoreBuilder, pread: list[int]) -> None:
    solo = weights_of(builder, SOLO)
    path = log_file(builder, start(NOW - DAY, builder.root) + by_runner(NOW - 9 * HOUR, solo) + "x" * 50_000 + "\n")
    follow(builder)
    log_file(builder, by_runner(NOW - 8 * HOUR, solo), at=NOW - HOUR)
    path.rename(path.with_name("server-1.log"))
    log_file(builder, start(NOW - HOUR, builder.root) + by_runner(NOW - 60, solo))
    pread.clear()
    assert used(follow(builder), SOLO) == (NOW - 60, 3, "loaded-in-log")
    assert sum(pread) < 20_000


@pytest.mark.parametrize("longer", [False, True])
def test_a_truncated_log_starts_again_and_counts_nothing_twice(builder: StoreBuilder, longer: bool) -> None:
    solo = weights_of(builder, SOLO)
    path = log_file(builder, start(NOW - DAY, builder.root) + by_runner(NOW - 9 * HOUR, solo))
    follow(builder)
    path.write_text("")
    log_file(builder, said(NOW - HOUR, "msg=" + "x" * 5_000 * longer) + by_runner(NOW - 60, solo))
    assert used(follow(builder), SOLO) == (NOW - 60, 2, "loaded-in-log")


def test_a_line_that_is_being_written_waits_for_its_end(builder: StoreBuilder) -> None:
    line = by_llama_server(NOW - 60, weights_of(builder, SOLO))
    log_file(builder, said(NOW - HOUR, 'msg="hello"') + line[:-40])
    assert used(follow(builder), SOLO) == (None, 0, None)
    log_file(builder, line[-40:])
    assert used(follow(builder), SOLO) == (NOW - 60, 1, "loaded-in-log")


def test_who_is_stopped_goes_on_there(builder: StoreBuilder, pread: list[int]) -> None:
    solo = weights_of(builder, SOLO)
    path = log_file(builder, said(NOW - DAY, 'msg="hello"') + by_llama_server(NOW - 9 * HOUR, solo))
    os.truncate(path, 5 * MEGABYTE)
    log_file(builder, "\n" + by_llama_server(NOW - HOUR, solo))
    assert used(follow(builder, stopped=lambda: sum(pread) > MEGABYTE), SOLO) == (NOW - 9 * HOUR, 1, "loaded-in-log")
    assert sum(pread) < 2 * MEGABYTE
    assert used(follow(builder), SOLO) == (NOW - HOUR, 2, "loaded-in-log")


def test_who_is_stopped_before_the_last_file_has_no_gap(swept: StoreBuilder, pread: list[int]) -> None:
    log_file(swept, covering(swept), "server-1.log", NOW - HOUR)
    log_file(swept, said(NOW - 5, 'msg="rotated"'))
    assert due(follow(swept, stopped=lambda: len(pread) > 2), DAY) == set()
    assert due(follow(swept), DAY) == {BASE, DERIVED, SOLO}


@pytest.mark.parametrize("state", [b"{", b'{"files": 3}', "text", 7])
def test_a_position_that_cannot_be_understood_is_forgotten(builder: StoreBuilder, state: object) -> None:
    solo = weights_of(builder, SOLO)
    log_file(builder, start(NOW - DAY, builder.root) + by_llama_server(NOW - HOUR, solo))
    follow(builder)
    with closing(sqlite3.connect(f"{builder.root}/.prunella/{NAME}")) as ledger, ledger:
        ledger.execute("UPDATE state SET value = ? WHERE key = 'log'", (state,))
    assert used(follow(builder), SOLO) == (NOW - HOUR, 1, "loaded-in-log")


def test_two_runs_at_once_count_a_load_once(builder: StoreBuilder) -> None:
    log_file(builder, by_llama_server(NOW - HOUR, weights_of(builder, SOLO)))
    followers = [Follower(open_store(builder.root), "/nowhere", lambda: False) for _run in range(2)]
    followers[0].read_files()
    log_file(builder, by_llama_server(NOW - 60, weights_of(builder, SOLO)))
    followers[1].read_files()
    for follower in reversed(followers):
        follower.save()
    assert used(follow(builder), SOLO) == (NOW - 60, 2, "loaded-in-log")


def test_logs_that_cannot_be_read_are_left_out(builder: StoreBuilder, journal: Journal) -> None:
    solo = weights_of(builder, SOLO)
    path = log_file(builder, by_llama_server(NOW - HOUR, solo))
    os.mkfifo(path.with_name("server-2.log"))
    path.with_name("server-3.log").mkdir()
    path.with_name("server-4.log").symlink_to("nowhere")
    path.with_name("server-5.log").write_text("")
    journal.program.write_text("not a program")
    assert used(follow(builder), SOLO) == (NOW - HOUR, 1, "loaded-in-log")


def test_hostile_lines_cost_little_and_break_nothing(builder: StoreBuilder) -> None:
    solo = weights_of(builder, SOLO)
    hostile = (
        " from " * 100_000
        + "/blobs" * 1_000
        + ' sha256 OLLAMA_MODELS:\0\x1b[31m msg="starting runner" time=2099-99-99T\n'
    )
    log_file(builder, by_llama_server(NOW - HOUR, solo) + hostile + start(NOW - HOUR, "\0"), at=1e12)
    log_file(builder, _untimed(solo), "server-1.log", at=2**34)
    assert used(follow(builder), SOLO) == (1e10, 2, "loaded-in-log")


def _untimed(path: str) -> str:
    return by_library(NOW, path).partition("\n")[2]


def test_without_a_ledger_none_is_begun(tmp_path: Path) -> None:
    builder = small_store(tmp_path / "home" / "models")
    log_file(builder, by_llama_server(NOW - HOUR, weights_of(builder, SOLO)))
    follower = Follower(open_store(builder.root), "/nowhere", lambda: False)
    follower.read_files()
    follower.save()
    assert not os.path.exists(f"{builder.root}/.prunella")
    assert used(with_uses(look(builder.root), follower.uses), SOLO) == (NOW - HOUR, 1, "loaded-in-log")


# Sweeps


@pytest.fixture
def swept(builder: StoreBuilder, atime: None) -> StoreBuilder:
    """The store after something read the weights of both a minute ago; the models are 60 days old."""
    if not keeps_atime(builder.root):
        pytest.skip("this file system keeps no atime")
    for model, at in ((BASE, NOW - 60), (SOLO, NOW - 57)):
        os.utime(weights_of(builder, model), (at, NOW - 60 * DAY))
    for found in look(builder.root).models:
        os.utime(f"{builder.root}/{found.manifest.path}", (NOW - 60 * DAY, NOW - 60 * DAY))
    return builder


def due(inventory: Inventory, age: int) -> set[str]:
    """The models that ``prune --all`` deletes."""
    policy = PrunePolicy(age=age, classes=frozenset({PruneClass.MODEL}))
    return set(make_plan(inventory, policy, NOW).models)


def test_an_atime_that_may_be_a_sweep_is_unknown_but_counts(swept: StoreBuilder) -> None:
    inventory = follow(swept)
    for model in inventory.models:
        assert (model.last_used, model.last_use[1], model.idle[1]) == (None, None, "maybe-read")
        assert model.idle_since >= NOW - 60
    assert due(inventory, DAY) == set()


def test_atimes_two_minutes_apart_are_uses(swept: StoreBuilder) -> None:
    os.utime(weights_of(swept, BASE), (NOW - 200, NOW - 60 * DAY))
    assert [model.idle[1] for model in follow(swept).models] == ["weights-read"] * 3


def test_two_models_with_the_same_weights_are_no_sweep(swept: StoreBuilder) -> None:
    os.utime(weights_of(swept, SOLO), (NOW - 20 * DAY, NOW - 60 * DAY))
    inventory = follow(swept)
    assert used(inventory, BASE) == used(inventory, DERIVED) == (NOW - 60, 0, "weights-read")


def covering(swept: StoreBuilder, since: float = NOW - 90 * DAY, root: str = "", version: str = "0.30.1") -> str:
    """A log from ``since`` on that knows loads of other models, and the start that read all weights."""
    other = f"{swept.root}/blobs/sha256-{'0' * 64}"
    log = start(since, root or swept.root) + by_llama_server(since + 10, other.replace(swept.root, root or swept.root))
    return log + start(NOW - 62, root or swept.root, version) + said(NOW - 5, 'msg="chat"')


def test_a_log_that_covers_the_sweep_and_names_no_load_disproves_it(swept: StoreBuilder) -> None:
    log_file(swept, covering(swept))
    inventory = follow(swept)
    assert {model.idle[1] for model in inventory.models} == {"manifest-written"}
    assert due(inventory, 60 * DAY) == {BASE, DERIVED, SOLO}


def test_an_early_version_says_its_settings_without_a_time(swept: StoreBuilder) -> None:
    at = NOW - 90 * DAY
    began = start(at, swept.root).replace(f"time={stamp(at)} level=INFO", "2026/06/23 10:00:00", 1)
    log_file(swept, began + by_llama_server(at + HOUR, f"{swept.root}/blobs/sha256-{'0' * 64}"))
    assert due(follow(swept), 60 * DAY) == {BASE, DERIVED, SOLO}


def test_what_the_log_names_counts_instead(swept: StoreBuilder) -> None:
    log_file(swept, start(NOW - 90 * DAY, swept.root) + by_llama_server(NOW - 20 * DAY, weights_of(swept, SOLO)))
    log_file(swept, covering(swept, NOW - 10 * DAY))
    inventory = follow(swept)
    assert used(inventory, SOLO) == (NOW - 20 * DAY, 1, "loaded-in-log")
    assert due(inventory, 30 * DAY) == {BASE, DERIVED}


def test_before_the_log_began_a_model_may_have_been_used(swept: StoreBuilder) -> None:
    log_file(swept, covering(swept, NOW - 10 * DAY))
    inventory = follow(swept)
    model = inventory.model_by_name[SOLO]
    assert (round(model.idle_since), model.idle[1], model.last_used) == (NOW - 10 * DAY, "log-began", None)
    assert due(inventory, 11 * DAY) == set()
    assert due(inventory, 9 * DAY) == {BASE, DERIVED, SOLO}


@pytest.mark.parametrize("why", ["another store", "another version", "another server since", "ended before", "a gap"])
def test_a_log_that_may_not_name_every_load_disproves_nothing(swept: StoreBuilder, why: str) -> None:
    if why == "another store":
        log_file(swept, covering(swept, root="/elsewhere/models"))
    elif why == "another version":
        log_file(swept, covering(swept, version="0.99.0"))
    elif why == "another server since":
        log_file(swept, covering(swept) + start(NOW - 3, "/elsewhere/models"))
    elif why == "ended before":
        log_file(
            swept, covering(swept).rpartition("time=")[0].rpartition("time=")[0].rpartition("time=")[0], at=NOW - DAY
        )
    else:
        path = log_file(swept, covering(swept))
        follow(swept)
        path.unlink()
        log_file(swept, said(NOW - 2, 'msg="chat"'))
    assert due(follow(swept), DAY) == set()


def test_a_gap_in_the_journal_is_seen(swept: StoreBuilder, journal: Journal) -> None:
    entries = [(NOW - 90 * DAY, covering(swept).rpartition("time=")[0]), (NOW - 5, said(NOW - 5, 'msg="chat"'))]
    journal.write(entries)
    assert due(follow(swept), DAY) == {BASE, DERIVED, SOLO}
    journal.write([(NOW - 4, said(NOW - 4, 'msg="chat"'))], first=7)
    assert due(follow(swept), DAY) == set()
    assert due(follow(swept), DAY) == set(), "and stays one"


def test_what_a_server_read_when_it_started_is_no_use(swept: StoreBuilder) -> None:
    os.utime(weights_of(swept, BASE), (NOW - 30 * DAY, NOW - 60 * DAY))
    assert used(follow(swept), SOLO) == (NOW - 57, 0, "weights-read")
    log_file(swept, start(NOW - 62, "/elsewhere/models"))
    inventory = follow(swept)
    assert used(inventory, SOLO) == (None, 0, None)
    assert used(inventory, BASE) == (NOW - 30 * DAY, 0, "weights-read")
    assert SOLO not in due(inventory, DAY)


def test_so_does_a_server_that_runs_without_a_log(swept: StoreBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(weights_of(swept, BASE), (NOW - 30 * DAY, NOW - 60 * DAY))

    def starts() -> Iterator[float]:
        yield NOW - 60

    monkeypatch.setattr("prunella_core.ledger.uses.server_starts", starts)
    assert used(follow(swept), SOLO) == (None, 0, None)
