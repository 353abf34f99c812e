"""The ledger: what earlier runs saw makes ages honest, and a ledger that is not as it should be harms nothing."""

import hashlib
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from prunella_core.inventory.records import Blob, Inventory
from prunella_core.ledger.file import NAME
from prunella_core.ledger.memory import note_loaded, rescan, scan_store
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import PruneClass
from prunella_core.sample import Layer, StoreBuilder
from stores import (
    DAY,
    HOUR,
    NOW,
    carry_out,
    entries,
    exit_code_of,
    facts,
    open_store,
    plan_for,
    planned,
    prune,
    to_trash,
)

WEEK, YEAR = 7 * DAY, 365 * DAY
WEIGHTS = Layer("weights", f"sha256:{hashlib.sha256(b'downloaded a year ago').hexdigest()}", 21)


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """One model whose weights were downloaded a year ago."""
    builder = StoreBuilder(str(tmp_path / "store"), NOW)
    assert builder.layer("weights", "downloaded a year ago", age=YEAR) == WEIGHTS
    builder.model("m", WEIGHTS, config=builder.config(model_type="1B", age=YEAR), age=YEAR)
    return builder


def run(builder: StoreBuilder, now: float, *loaded: str) -> Inventory:
    """What every run of Prunella does first."""
    inventory = scan_store(open_store(builder.root), now)
    note_loaded(inventory, loaded)
    return inventory


def move_tag(builder: StoreBuilder) -> None:
    """Let the tag name other weights from now on, as a pull does."""
    builder.model("m", builder.layer("weights", "the newer ones"), config=builder.config(model_type="2B"))


def row(inventory: Inventory, layer: Layer) -> Blob:
    return inventory.blob_by_key[layer.digest]


def ledger(builder: StoreBuilder) -> Path:
    return Path(builder.root, ".prunella", NAME)


# Since when nothing needs a blob


def test_what_was_needed_yesterday_is_not_a_year_old(builder: StoreBuilder) -> None:
    run(builder, NOW - DAY)
    move_tag(builder)
    inventory = run(builder, NOW)
    assert (row(inventory, WEIGHTS).idle_since, row(inventory, WEIGHTS).idle[1]) == (
        NOW - DAY,
        "seen-referenced",
    )
    assert WEIGHTS.digest not in {item.digest for item in make_plan(inventory, prune(WEEK), NOW).files}


def test_without_an_earlier_run_the_file_tells(builder: StoreBuilder) -> None:
    move_tag(builder)
    found = row(run(builder, NOW), WEIGHTS)
    assert (found.idle_since, found.idle[1]) == (NOW - YEAR, "written")


def test_a_week_without_a_model_is_what_counts(builder: StoreBuilder) -> None:
    """The model of one blob went eight days ago, that of the other yesterday."""
    other = builder.layer("weights", "just as old", age=YEAR)
    builder.model("other", other, config=builder.config(model_type="3B", age=YEAR), age=YEAR)
    run(builder, NOW - 8 * DAY)
    move_tag(builder)
    run(builder, NOW - DAY)
    os.unlink(f"{builder.root}/{builder.manifest_path('other')}")
    builder.now = NOW - HOUR
    inventory = run(builder, NOW)
    plan = make_plan(inventory, prune(WEEK), NOW)
    assert row(inventory, WEIGHTS).idle_since == NOW - 8 * DAY
    assert row(inventory, other).idle_since == NOW - DAY
    assert {item.digest for item in plan.files} & {WEIGHTS.digest, other.digest} == {WEIGHTS.digest}
    assert f"blobs/{other.digest.replace(':', '-')}" in {held.path for held in plan.younger}

    receipt = carry_out(plan)
    assert receipt.done
    assert not os.path.exists(builder.blob_path(WEIGHTS.digest))
    assert os.path.exists(builder.blob_path(other.digest))


def test_being_seen_unreferenced_again_makes_nothing_younger(builder: StoreBuilder) -> None:
    run(builder, NOW - 8 * DAY)
    move_tag(builder)
    for days in (7, 5, 3, 1, 0):
        inventory = run(builder, NOW - days * DAY)
    assert row(inventory, WEIGHTS).idle_since == NOW - 8 * DAY


def test_while_nothing_changes_every_day_counts_as_seen(builder: StoreBuilder) -> None:
    for days in (30, 20, 10, 2):
        run(builder, NOW - days * DAY)
    move_tag(builder)
    assert row(run(builder, NOW), WEIGHTS).idle_since == NOW - 2 * DAY


def test_what_is_needed_again_has_no_past(builder: StoreBuilder) -> None:
    run(builder, NOW - 9 * DAY)
    move_tag(builder)
    run(builder, NOW - 8 * DAY)
    builder.model("again", WEIGHTS)
    run(builder, NOW - 2 * DAY)
    os.unlink(f"{builder.root}/{builder.manifest_path('again')}")
    assert row(run(builder, NOW), WEIGHTS).idle_since == NOW - 2 * DAY


def test_what_is_written_after_it_was_seen_is_as_young_as_that(builder: StoreBuilder) -> None:
    run(builder, NOW - 8 * DAY)
    move_tag(builder)
    os.utime(builder.blob_path(WEIGHTS.digest), (NOW - HOUR, NOW - HOUR))
    found = row(run(builder, NOW), WEIGHTS)
    assert (found.idle_since, found.idle[1]) == (NOW - HOUR, "written")


def test_a_removal_and_a_restore_leave_the_age_right(builder: StoreBuilder) -> None:
    run(builder, NOW - 8 * DAY)
    carry_out(plan_for(builder.root, to_trash("m:latest"), NOW - 7 * DAY))
    inventory = run(builder, NOW)
    trashed = {(blob.idle_since, blob.idle[1]) for blob in inventory.blobs if blob.digest == WEIGHTS.digest}
    assert trashed == {(NOW - 7 * DAY, "removed")}


def test_the_last_time_in_the_server_is_a_use(builder: StoreBuilder) -> None:
    run(builder, NOW - 3 * DAY, "m:latest")
    model = run(builder, NOW).model_by_name["m:latest"]
    assert (model.last_used, model.last_use[1], model.idle[1]) == (NOW - 3 * DAY, "seen-loaded", "seen-loaded")
    inventory = run(builder, NOW)
    assert make_plan(inventory, prune(2 * DAY, PruneClass.MODEL), NOW).models == ("m:latest",)
    assert make_plan(inventory, prune(4 * DAY, PruneClass.MODEL), NOW).models == ()


def test_a_prune_looks_at_the_ledger_again_and_leaves_no_trace(builder: StoreBuilder) -> None:
    run(builder, NOW - DAY)
    move_tag(builder)
    run(builder, NOW)
    before = ledger(builder).read_bytes()
    again = rescan(open_store(builder.root), NOW + HOUR)
    assert row(again, WEIGHTS).idle[1] == "seen-referenced"
    assert ledger(builder).read_bytes() == before


# When it is written


def test_a_run_that_sees_nothing_new_does_not_write(builder: StoreBuilder) -> None:
    run(builder, NOW)
    before, written = ledger(builder).read_bytes(), ledger(builder).stat().st_mtime_ns
    folder = os.stat(f"{builder.root}/.prunella").st_mtime_ns
    for seconds in (1, 60, 599):
        run(builder, NOW + seconds)
    assert ledger(builder).read_bytes() == before
    assert ledger(builder).stat().st_mtime_ns == written
    assert os.stat(f"{builder.root}/.prunella").st_mtime_ns == folder, "no journal came and went"


def test_a_loaded_model_is_written_as_rarely(builder: StoreBuilder) -> None:
    run(builder, NOW, "m:latest")
    before = ledger(builder).stat().st_mtime_ns
    for seconds in (1, 60, 599):
        run(builder, NOW + seconds, "m:latest")
    assert ledger(builder).stat().st_mtime_ns == before


def test_after_ten_minutes_it_writes_that_it_was_there(builder: StoreBuilder) -> None:
    run(builder, NOW)
    before = ledger(builder).read_bytes()
    run(builder, NOW + 600)
    assert ledger(builder).read_bytes() != before


def test_it_lies_in_our_own_folder_and_nothing_lies_beside_it(builder: StoreBuilder) -> None:
    before = {path for path, _status in entries(builder.root)}
    run(builder, NOW)
    assert {path for path, _status in entries(builder.root)} - before == {".prunella", f".prunella/{NAME}"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only an administrator can give files away")
def test_what_an_administrator_writes_belongs_to_the_owner_of_the_store(builder: StoreBuilder) -> None:
    os.chown(builder.root, 12_345, 12_345)
    run(builder, NOW)
    assert ledger(builder).stat().st_uid == ledger(builder).parent.stat().st_uid == 12_345


# A ledger that is not as it should be


@pytest.mark.parametrize("named", [True, False])
def test_a_store_that_is_not_to_be_changed_has_no_ledger(builder: StoreBuilder, named: bool) -> None:
    store = replace(open_store(builder.root), named=named, writable=not named)
    before = facts(builder.root)
    scan_store(store, NOW)
    assert facts(builder.root) == before


def test_one_that_may_only_be_read_is_read(builder: StoreBuilder) -> None:
    run(builder, NOW - DAY)
    move_tag(builder)
    run(builder, NOW - HOUR)
    before = facts(builder.root)
    inventory = scan_store(replace(open_store(builder.root), writable=False), NOW)
    assert row(inventory, WEIGHTS).idle[1] == "seen-referenced"
    assert facts(builder.root) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_harms_nothing(builder: StoreBuilder) -> None:
    run(builder, NOW - DAY)
    os.chmod(ledger(builder).parent, 0o555)
    os.chmod(ledger(builder), 0o444)
    move_tag(builder)
    assert run(builder, NOW).model_by_name.keys() == {"m:latest"}
    os.chmod(ledger(builder).parent, 0o755)


@pytest.mark.parametrize("kind", ["link to a file", "link to nothing", "folder", "pipe", "linked folder"])
def test_what_lies_in_its_place_is_left_alone(builder: StoreBuilder, tmp_path: Path, kind: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / NAME).write_text("not ours")
    own = ledger(builder).parent
    if kind == "linked folder":
        own.symlink_to(outside)
    else:
        own.mkdir()
    if kind == "link to a file":
        ledger(builder).symlink_to(outside / NAME)
    elif kind == "link to nothing":
        ledger(builder).symlink_to(outside / "new")
    elif kind == "folder":
        ledger(builder).mkdir()
    elif kind == "pipe":
        os.mkfifo(ledger(builder))
    before = facts(outside)
    inventory = run(builder, NOW)
    assert row(inventory, WEIGHTS).models == ("m:latest",)
    assert facts(outside) == before
    assert set(planned(make_plan(inventory, prune(), NOW))) == set()


def test_a_pipe_in_its_place_holds_nobody_up(builder: StoreBuilder) -> None:
    ledger(builder).parent.mkdir()
    os.mkfifo(ledger(builder))
    code = (
        "import sys; from prunella_core.ledger.memory import rescan; from stores import NOW, open_store;"
        "rescan(open_store(sys.argv[1]), NOW)"
    )
    assert exit_code_of(code, builder.root) == 0


def test_a_clock_that_was_set_back_makes_nothing_due(builder: StoreBuilder) -> None:
    run(builder, NOW + YEAR)
    move_tag(builder)
    inventory = run(builder, NOW)
    assert WEIGHTS.digest not in {item.digest for item in make_plan(inventory, prune(1), NOW).files}
