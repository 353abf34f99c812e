"""What says how old something is, and what is never taken however old it is: pinned, loaded, held open, settling."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from prunella_core.base.errors import Refused, StalePlan
from prunella_core.inventory.records import State
from prunella_core.ledger.memory import note_loaded, scan_store
from prunella_core.plan.records import PruneClass, PrunePolicy
from prunella_core.sample import StoreBuilder
from prunella_core.scan.system import keeps_atime
from prunella_core.store import is_pinned, read_pins
from prunella_core.store.access import write_pins
from stores import (
    DAY,
    HOUR,
    NOW,
    RUBBISH,
    broken_models,
    carry_out,
    facts,
    look,
    open_store,
    plan_for,
    planned,
    prune,
    remove,
    to_trash,
)

BASE, DERIVED, SOLO = "base:latest", "derived:latest", "team/solo:v1"


def models_due(root: str, *, loaded: tuple[str, ...] = (), force: bool = False, age: int = 0) -> tuple[str, ...]:
    """The models that a prune of models takes."""
    policy = PrunePolicy(age=age, classes=frozenset({PruneClass.MODEL}), loaded=frozenset(loaded), force=force)
    return plan_for(root, policy).models


# The last use of the weights


@pytest.fixture
def atime_kept(atime: None, builder: StoreBuilder) -> None:
    if not keeps_atime(builder.root):
        pytest.skip("this file system keeps no atime")


def set_atime(builder: StoreBuilder, model: str, at: float) -> None:
    found = look(builder.root).model_by_name[model]
    path = builder.blob_path(next(layer.digest for layer in found.layers if layer.kind == "weights"))
    os.utime(path, (at, os.stat(path).st_mtime))


@pytest.mark.usefixtures("atime_kept")
def test_reading_the_weights_is_a_use(builder: StoreBuilder) -> None:
    set_atime(builder, SOLO, NOW - HOUR)
    set_atime(builder, BASE, NOW - 30 * DAY)
    inventory = look(builder.root)
    solo, base = inventory.model_by_name[SOLO], inventory.model_by_name[BASE]
    assert (solo.last_used, solo.last_use[1], solo.idle[1]) == (NOW - HOUR, "weights-read", "weights-read")
    assert (base.last_used, base.idle[1], base.idle_since) == (NOW - 30 * DAY, "manifest-written", NOW - DAY)
    assert set(models_due(builder.root, age=12 * HOUR)) == {BASE, DERIVED}


@pytest.mark.usefixtures("atime_kept")
def test_the_later_of_atime_and_server_counts(builder: StoreBuilder) -> None:
    set_atime(builder, SOLO, NOW - 3 * HOUR)
    note_loaded(scan_store(open_store(builder.root), NOW - HOUR), (SOLO,))
    model = scan_store(open_store(builder.root), NOW).model_by_name[SOLO]
    assert (model.last_used, model.idle[1]) == (NOW - HOUR, "seen-loaded")
    set_atime(builder, SOLO, NOW - 60)
    model = scan_store(open_store(builder.root), NOW).model_by_name[SOLO]
    assert (model.last_used, model.idle[1]) == (NOW - 60, "weights-read")


def test_where_no_atime_is_kept_none_counts(builder: StoreBuilder) -> None:
    set_atime(builder, SOLO, NOW - HOUR)
    assert look(builder.root).model_by_name[SOLO].last_used is None


# Ages


@pytest.mark.parametrize(("age", "goes"), [(0, True), (DAY, True), (DAY + 1, False)])
def test_rubbish_goes_when_it_has_reached_the_age(builder: StoreBuilder, age: int, goes: bool) -> None:
    plan = plan_for(builder.root, prune(age))
    assert len(plan.files) == (5 if goes else 0), "a blob, a download of three files, a leftover"
    assert len(plan.younger) == (0 if goes else 3)


@pytest.mark.parametrize(("age", "goes"), [(2 * DAY, True), (2 * DAY + 1, False)])
def test_the_trash_goes_by_when_it_was_filled(builder: StoreBuilder, age: int, goes: bool) -> None:
    remove(builder.root, SOLO, now=NOW - 2 * DAY)
    plan = plan_for(builder.root, prune(age, PruneClass.TRASH))
    assert bool(plan.files) is goes
    trashed = [blob for blob in look(builder.root).blobs if blob.state is State.TRASHED]
    assert {(blob.idle[1], blob.idle_since) for blob in trashed} == {("removed", NOW - 2 * DAY)}


def test_a_time_in_the_future_is_now(builder: StoreBuilder) -> None:
    builder.file("blobs/COPY5", age=-30 * DAY)
    assert "blobs/COPY5" not in planned(plan_for(builder.root, prune(1, force=True)))
    assert "blobs/COPY5" in planned(plan_for(builder.root, prune(0, force=True)))


# Settling


def test_what_was_just_written_is_held_back(builder: StoreBuilder) -> None:
    layer = builder.layer("weights", "of a running pull", age=599)
    plan = plan_for(builder.root, prune())
    path = f"blobs/{layer.digest.replace(':', '-')}"
    assert path not in planned(plan)
    assert path in {held.path for held in plan.held_back}
    forced = plan_for(builder.root, prune(force=True))
    assert path in planned(forced)
    assert path in {held.path for held in forced.overridden}
    os.utime(f"{builder.root}/{path}", (NOW - 600, NOW - 600))
    assert path in planned(plan_for(builder.root, prune()))


def test_while_a_download_is_written_nothing_unreferenced_goes(builder: StoreBuilder) -> None:
    builder.partial("running", size=100_000, done=10, age=60)
    plan = plan_for(builder.root, prune())
    assert {item.file.path.rpartition("/")[2][:7] for item in plan.files} == {"sha256-", "COPY123"}
    assert all(item.digest is None or "partial" in item.file.path for item in plan.files)


def test_between_its_last_download_and_its_manifest_a_pull_is_still_running(builder: StoreBuilder) -> None:
    """The pull found one blob there, has downloaded and renamed the other, and verifies that one."""
    found = next(blob for blob in look(builder.root).blobs if blob.state is State.UNREFERENCED)
    builder.layer("weights", "downloaded right now", age=20)
    assert found.files[0].path not in planned(plan_for(builder.root, prune()))


def test_what_is_touched_between_the_look_and_the_removal_stays(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, prune())
    os.utime(f"{builder.root}/{plan.blobs[0].file.path}")  # a create uses it
    before = facts(builder.root)
    with pytest.raises(StalePlan):
        carry_out(plan)
    assert facts(builder.root) == before


# Held open by a process

HOLDER = """
import sys
with open(sys.argv[1], "r+b"):
    print("open", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process_holds(path: str) -> Iterator[None]:
    command = [sys.executable, "-c", HOLDER, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        try:
            yield
        finally:
            child.communicate()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_a_download_that_a_process_has_open_is_running(builder: StoreBuilder) -> None:
    partial = next(blob for blob in look(builder.root).blobs if blob.state is State.PARTIAL)
    policy = prune(0, *RUBBISH, PruneClass.MODEL)
    with another_process_holds(f"{builder.root}/{partial.files[0].path}"):
        assert look(builder.root).held_open == {partial.key}
        plan = plan_for(builder.root, policy)
        assert planned(plan) == {"blobs/COPY123"}
        assert {held.path for held in plan.held_back} >= {partial.files[0].path}
        assert "open" in next(held.reason for held in plan.held_back if held.path == partial.files[0].path)
        forced = plan_for(builder.root, prune(force=True))
        assert {file.path for file in partial.files} <= planned(forced)
    assert look(builder.root).held_open == frozenset()
    assert {file.path for file in partial.files} <= planned(plan_for(builder.root, policy))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_a_pull_that_starts_after_the_plan_stops_the_prune(builder: StoreBuilder) -> None:
    partial = next(blob for blob in look(builder.root).blobs if blob.state is State.PARTIAL)
    plan = plan_for(builder.root, prune())
    before = facts(builder.root)
    with another_process_holds(f"{builder.root}/{partial.files[0].path}"), pytest.raises(StalePlan):
        carry_out(plan)
    assert facts(builder.root) == before


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_a_whole_blob_that_a_process_has_open_is_no_download(builder: StoreBuilder) -> None:
    used = look(builder.root).blobs_of(look(builder.root).model_by_name[SOLO])[0]
    with another_process_holds(f"{builder.root}/{used.files[0].path}"):
        assert look(builder.root).held_open == frozenset()


# Pins


@pytest.mark.parametrize(
    ("pattern", "pinned"),
    [
        ("base", {BASE}),
        ("base:latest", {BASE}),
        ("BASE", {BASE}),
        ("Team/Solo:V1", {SOLO}),
        ("team/*", {SOLO}),
        ("*", {BASE, DERIVED, SOLO}),
        ("*:latest", {BASE, DERIVED}),
        ("[bd]*", {BASE, DERIVED}),
        ("?ase", {BASE}),
        ("bas", set()),
        ("base:v2", set()),
        ("solo:v1", set()),
        ("team/solo", set()),
    ],
)
def test_a_pin_is_a_name_or_a_pattern(builder: StoreBuilder, pattern: str, pinned: set[str]) -> None:
    store = open_store(builder.root)
    write_pins(store, [pattern])
    assert read_pins(store) == (pattern,)
    assert {model.name for model in look(builder.root).models if model.is_pinned} == pinned
    assert {name for name in (BASE, DERIVED, SOLO) if is_pinned(name, [pattern])} == pinned


@pytest.mark.parametrize("force", [False, True])
def test_a_pinned_model_is_never_pruned(builder: StoreBuilder, force: bool) -> None:
    write_pins(open_store(builder.root), ["base", "team/*"])
    plan = plan_for(builder.root, prune(0, *PruneClass, force=force))
    assert plan.models == (DERIVED,)
    assert {held.path for held in plan.held_back} >= {
        look(builder.root).model_by_name[name].manifest.path for name in (BASE, SOLO)
    }
    carry_out(plan)
    assert set(look(builder.root).model_by_name) == {BASE, SOLO}
    assert broken_models(builder.root) == {}


@pytest.mark.parametrize("force", [False, True])
def test_a_loaded_model_is_never_pruned(builder: StoreBuilder, force: bool) -> None:
    assert set(models_due(builder.root, loaded=(SOLO,), force=force)) == {BASE, DERIVED}


def test_a_pin_that_comes_after_the_plan_counts(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, prune(0, PruneClass.MODEL))
    write_pins(open_store(builder.root), ["base"])
    with pytest.raises(Refused):
        carry_out(plan)
    assert BASE in look(builder.root).model_by_name


def test_a_pin_does_not_stop_who_names_the_model(builder: StoreBuilder) -> None:
    write_pins(open_store(builder.root), ["*"])
    assert plan_for(builder.root, to_trash(BASE)).models == (BASE,)


def test_pins_stay_when_the_trash_goes(builder: StoreBuilder) -> None:
    store = open_store(builder.root)
    write_pins(store, ["base"])
    remove(builder.root, SOLO)
    carry_out(plan_for(builder.root, prune(0, *PruneClass)))
    assert read_pins(store) == ("base",)
    assert set(look(builder.root).model_by_name) == {BASE}


def test_unpinned_is_unpinned(builder: StoreBuilder) -> None:
    store = open_store(builder.root)
    write_pins(store, ["base", "derived", "base"])
    assert read_pins(store) == ("base", "derived")
    write_pins(store, [])
    assert read_pins(store) == ()
    assert set(models_due(builder.root)) == {BASE, DERIVED, SOLO}


def test_pins_that_cannot_be_read_pin_everything_or_say_so(builder: StoreBuilder) -> None:
    builder.file(".prunella/pins", "base\n" + "# a very long list\n" * 100_000)
    try:
        due = models_due(builder.root)
    except (OSError, Refused):
        return
    assert BASE not in due


@pytest.mark.parametrize("content", [b"\xff\xfe\n*\n", b"base\r\n\r\n", b"\n\n  base  \n", "bäse\nbase".encode()])
def test_pins_that_somebody_typed_are_read(builder: StoreBuilder, content: bytes) -> None:
    builder.file(".prunella/pins", content)
    assert look(builder.root).model_by_name[BASE].is_pinned


def test_pins_are_not_written_through_a_link(builder: StoreBuilder, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    builder.link(".prunella", str(tmp_path / "outside"))
    with pytest.raises(Refused, match="link"):
        write_pins(open_store(builder.root), ["base"])
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("name", ["pins", "pins.new"])
def test_pins_do_not_overwrite_what_a_link_leads_to(builder: StoreBuilder, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("not ours")
    builder.link(f".prunella/{name}", str(victim))
    with suppress(Refused):
        write_pins(open_store(builder.root), ["base"])
    assert victim.read_text() == "not ours"


@pytest.mark.skipif(os.geteuid() != 0, reason="only an administrator can give files away")
def test_what_an_administrator_pins_belongs_to_the_owner_of_the_store(builder: StoreBuilder) -> None:
    os.chown(builder.root, 12_345, 12_345)
    write_pins(open_store(builder.root), ["base"])
    owners = {os.stat(f"{builder.root}/.prunella{name}").st_uid for name in ("", "/pins")}
    assert owners == {12_345}, "or the owner can remove nothing any more"
