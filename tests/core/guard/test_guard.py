"""What Ollama deletes behind our back comes back from the guard, and nothing else of the store is touched."""

import errno
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from ollama_rules import Ollama
from prunella_core.apply import World
from prunella_core.base.errors import Locked, Refused
from prunella_core.guard.status import Settings, guard_problem, guard_status, over_limit, read_settings
from prunella_core.guard.sync import Synced, sync, turn_off, turn_on
from prunella_core.operations import carry_out as operations
from prunella_core.operations.carry_out import guard_run
from prunella_core.plan.build import trash_reclaims
from prunella_core.plan.records import Empty, Receipt, Request, Restore
from prunella_core.store.access import lock
from recordings import RECORDED, Recorded
from stores import (
    DAY,
    NOW,
    FailingDisk,
    Killed,
    KilledDisk,
    MeanwhileDisk,
    bring_back,
    broken_models,
    carry_out,
    disk_use,
    facts,
    for_good,
    look,
    of_ollama,
    open_store,
    plan_for,
    prune,
    small_store,
    to_trash,
)

LATER = NOW + DAY


def guard(root: str | Path, now: float = NOW, **settings: int) -> None:
    turn_on(open_store(root), Settings(**settings), now)


def again(root: str | Path, now: float = LATER) -> Synced:
    synced = sync(open_store(root), now)
    assert synced is not None
    return synced


def restore_all(root: str | Path, now: float = LATER) -> None:
    for entry in look(root, now).trash:
        bring_back(root, entry, now=now)


def operate(root: str | Path, request: Request, now: float = LATER) -> Receipt:
    """Carry out ``request`` as the front ends do, with the guard's sync after it."""
    world = World(now=lambda: now, settle=0)
    return operations.carry_out(plan_for(root, request, now), world)


def test_the_guard_takes_no_space_but_for_copies_and_changes_nothing_of_ollama(tmp_path: Path) -> None:
    small_store(tmp_path)
    before, used = of_ollama(tmp_path), disk_use(tmp_path)
    guard(tmp_path)
    status = guard_status(look(tmp_path))
    assert of_ollama(tmp_path) == before
    assert disk_use(tmp_path) - used == status.extra_bytes < 40_000
    assert (status.models, status.blobs) == (3, 7)


def test_what_ollama_rm_deletes_is_in_the_trash_and_comes_back_as_it_was(tmp_path: Path) -> None:
    small_store(tmp_path)
    before = of_ollama(tmp_path)
    guard(tmp_path)
    Ollama(str(tmp_path)).rm("derived")
    synced = again(tmp_path)

    assert [(each.cause, each.models) for each in synced.rescued] == [("deleted", ("derived:latest",))]
    entry = look(tmp_path).trash[0]
    assert (entry.cause, entry.id, entry.removed_at) == ("deleted", synced.rescued[0].id, LATER)
    assert trash_reclaims(look(tmp_path), entry) > 0
    bring_back(tmp_path, entry, now=LATER)
    assert of_ollama(tmp_path) == before
    assert again(tmp_path).rescued == ()


def test_a_name_of_which_nothing_else_is_lost_comes_back_too(tmp_path: Path) -> None:
    small_store(tmp_path)
    ollama = Ollama(str(tmp_path))
    ollama.cp("base", "alias")
    old(tmp_path)
    before = of_ollama(tmp_path)
    guard(tmp_path)
    ollama.rm("alias")
    assert [each.models for each in again(tmp_path).rescued] == [("alias:latest",)]
    restore_all(tmp_path)
    assert of_ollama(tmp_path) == before


def test_the_version_that_a_pull_replaced_comes_back_under_another_name(tmp_path: Path) -> None:
    small_store(tmp_path)
    guard(tmp_path)
    version = look(tmp_path).model_by_name["team/solo:v1"]
    Ollama(str(tmp_path)).pull("team/solo:v1", ["new weights", "new config"])
    assert again(tmp_path, NOW).rescued == ()  # by the clock of the store it has just been written
    old(tmp_path)

    synced = again(tmp_path)
    assert [(each.cause, each.models) for each in synced.rescued] == [("replaced", ("team/solo:v1",))]
    bring_back(tmp_path, look(tmp_path).trash[0], under="team/solo:before", now=LATER)
    assert look(tmp_path).model_by_name["team/solo:before"].digest == version.digest
    assert look(tmp_path).model_by_name["team/solo:v1"].digest != version.digest


def test_an_entry_whose_blobs_never_left_the_store_vanishes_when_it_is_restored(tmp_path: Path) -> None:
    small_store(tmp_path)
    before, frees = of_ollama(tmp_path), plan_for(tmp_path, for_good(models=("team/solo:v1",))).reclaims
    guard(tmp_path)
    (tmp_path / "manifests/registry.ollama.ai/team/solo/v1").unlink()
    (rescued,) = again(tmp_path).rescued
    entry = look(tmp_path).trash[0]
    assert len(entry.files) == 4
    bring_back(tmp_path, entry, now=LATER)
    assert of_ollama(tmp_path) == before
    assert not (tmp_path / ".prunella/trash" / rescued.id).exists()
    assert plan_for(tmp_path, for_good(models=("team/solo:v1",))).reclaims == frees


def test_a_download_that_a_start_drops_comes_back(tmp_path: Path) -> None:
    small_store(tmp_path)
    guard(tmp_path)
    partial = {path: fact for path, fact in facts(tmp_path).items() if path.startswith("blobs/") and "-partial" in path}
    assert len(partial) == 3
    for path in partial:
        (tmp_path / path).unlink()
    assert [each.cause for each in again(tmp_path).rescued] == ["dropped"]
    restore_all(tmp_path)
    found = facts(tmp_path)
    assert {path: found[path] for path in partial} == partial


def old(root: Path) -> None:
    """Everything was written a day ago."""
    for folder, _folders, files in os.walk(root):
        for name in files:
            if ".prunella" not in folder:
                os.utime(os.path.join(folder, name), (NOW - DAY, NOW - DAY), follow_symlinks=False)


def empty_manifest(root: Path) -> None:
    next((root / "manifests").rglob("latest")).write_bytes(b"")


def truncated_manifest(root: Path) -> None:
    path = next((root / "manifests").rglob("v1"))
    path.write_bytes(path.read_bytes()[:40])


def unmounted(root: Path) -> None:
    (root / "manifests").rename(root / "elsewhere")
    (root / "manifests").mkdir()


def unmounted_without_a_trace(root: Path) -> None:
    (root / "manifests").rename(root / "elsewhere")


@pytest.mark.parametrize("trouble", [empty_manifest, truncated_manifest, unmounted, unmounted_without_a_trace])
def test_while_something_could_hide_a_model_nothing_is_moved_or_forgotten(
    tmp_path: Path, trouble: Callable[[Path], None]
) -> None:
    small_store(tmp_path)
    guard(tmp_path)
    mirror = facts(tmp_path / ".prunella/guard")
    trouble(tmp_path)
    synced = again(tmp_path)
    assert synced.rescued == ()
    assert facts(tmp_path / ".prunella/guard") == mirror


def test_a_disk_that_fills_while_files_move_into_an_entry_loses_nothing(tmp_path: Path) -> None:
    small_store(tmp_path)
    before = of_ollama(tmp_path)
    guard(tmp_path)
    Ollama(str(tmp_path)).rm("team/solo:v1")
    with pytest.raises(OSError, match="No space left"):
        sync(open_store(tmp_path), LATER, FailingDisk("move", code=errno.ENOSPC, start=2))
    again(tmp_path, LATER + 1)
    restore_all(tmp_path, LATER + 1)
    assert of_ollama(tmp_path) == before


def test_while_another_prunella_works_the_mirror_stays_as_it_is(tmp_path: Path) -> None:
    small_store(tmp_path)
    guard(tmp_path)
    Ollama(str(tmp_path)).rm("derived")
    mirror = facts(tmp_path / ".prunella")
    with lock(open_store(tmp_path)), pytest.raises(Locked):
        sync(open_store(tmp_path), LATER)
    assert facts(tmp_path / ".prunella") == mirror
    assert [each.models for each in again(tmp_path).rescued] == [("derived:latest",)]


def test_ollama_rm_between_the_scan_and_the_first_step_of_delete_now(tmp_path: Path) -> None:
    small_store(tmp_path)
    before = of_ollama(tmp_path)
    guard(tmp_path)
    plan = plan_for(tmp_path, for_good(models=("team/solo:v1",)), LATER)
    disk = MeanwhileDisk("staging", lambda: Ollama(str(tmp_path)).rm("team/solo:v1"), "make_folder", before=True)
    with pytest.raises(Refused):
        operations.carry_out(plan, World(now=lambda: LATER, settle=0, disk=disk))
    assert disk.event is None
    assert [each.models for each in again(tmp_path, LATER + 1).rescued] == [("team/solo:v1",)]
    restore_all(tmp_path, LATER + 1)
    assert of_ollama(tmp_path) == before


def test_while_a_pull_is_running_nothing_is_taken_out_of_the_mirror(tmp_path: Path) -> None:
    builder = small_store(tmp_path)
    guard(tmp_path)
    Ollama(str(tmp_path)).rm("derived")
    builder.partial("another pull", size=50_000, done=10, age=-DAY)
    synced = again(tmp_path)
    assert synced.rescued == ()
    assert synced.waits


@pytest.mark.parametrize(
    "request_", [for_good(models=("team/solo:v1",)), for_good(models=("base:latest", "derived:latest")), prune()]
)
def test_what_prunella_deletes_for_good_frees_what_it_frees_without_the_guard(
    tmp_path: Path, request_: Request
) -> None:
    plain, guarded = tmp_path / "plain", tmp_path / "guarded"
    small_store(plain)
    small_store(guarded)
    guard(guarded)
    expected = operate(plain, request_)
    used = disk_use(guarded)
    plan = plan_for(guarded, request_, LATER)
    receipt = operate(guarded, request_)
    assert plan.reclaims == receipt.freed == expected.freed > 0
    copies = 4096 * sum("manifests/" in path for path in receipt.removed)
    assert receipt.freed <= used - disk_use(guarded) <= receipt.freed + copies + 4096 * 3
    assert look(guarded).trash == ()
    assert guard_status(look(guarded)).extra_bytes < 40_000


def test_what_prunella_puts_into_the_trash_is_its_own_and_frees_its_bytes_when_emptied(tmp_path: Path) -> None:
    small_store(tmp_path)
    guard(tmp_path)
    receipt = operate(tmp_path, to_trash("team/solo:v1"))
    entry = look(tmp_path).trash[0]
    assert (entry.cause, len(look(tmp_path).trash)) == ("removed", 1)
    used = disk_use(tmp_path)
    assert trash_reclaims(look(tmp_path), entry) == receipt.trashed + 4096  # the record
    freed = operate(tmp_path, Empty()).freed
    assert receipt.trashed <= freed == used - disk_use(tmp_path)
    assert look(tmp_path).trash == ()


def test_off_leaves_the_store_as_if_it_had_never_been_on(tmp_path: Path) -> None:
    small_store(tmp_path)
    before = facts(tmp_path)
    guard(tmp_path)
    turn_off(open_store(tmp_path))
    assert facts(tmp_path) == before
    assert read_settings(open_store(tmp_path)) is None


def test_where_nothing_can_be_linked_nothing_is_half_on(tmp_path: Path) -> None:
    small_store(tmp_path)
    before = facts(tmp_path)
    with pytest.raises(Refused, match="cannot work here"):
        turn_on(open_store(tmp_path), Settings(), NOW, FailingDisk("link", code=1))
    assert facts(tmp_path) == before


def test_a_sync_of_an_unchanged_store_writes_nothing(tmp_path: Path) -> None:
    small_store(tmp_path)
    guard(tmp_path)

    class Untouched(FailingDisk):
        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            raise AssertionError(f"{name} {path}")

    synced = sync(open_store(tmp_path), LATER, Untouched(""))
    assert synced
    assert (synced.rescued, synced.waits) == ((), None)


def test_over_the_limit_the_oldest_of_what_it_rescued_goes_and_nothing_of_prunella(tmp_path: Path) -> None:
    small_store(tmp_path)
    guard(tmp_path, max_size=10_000)
    operate(tmp_path, to_trash("team/solo:v1"))
    Ollama(str(tmp_path)).rm("derived")
    again(tmp_path)
    Ollama(str(tmp_path)).rm("base")
    sync(open_store(tmp_path), LATER + 30)
    before = look(tmp_path)
    run = guard_run(open_store(tmp_path), World(now=lambda: LATER + 60, settle=0))
    assert run.emptied
    assert guard_problem(before)[0].kind == "guard-limit"
    assert guard_problem(look(tmp_path)) == ()
    causes = [entry.cause for entry in look(tmp_path).trash if not entry.is_spent]
    assert causes.count("removed") == 1
    assert over_limit(look(tmp_path), Settings(max_size=10_000)) == ()


SCENARIOS = sorted(folder.name for folder in RECORDED.iterdir())


@pytest.mark.parametrize("name", SCENARIOS)
def test_on_recorded_stores_what_the_server_removed_comes_back(recorded: Callable[..., Recorded], name: str) -> None:
    recording = recorded(name)
    root, now = recording.store.root, recording.now + DAY
    turn_on(open_store(root), Settings(), now)
    guarded = {file.path for file in look(root, now).guard}
    before = {path: fact for path, fact in of_ollama(root).items() if f".prunella/guard/{path}" in guarded}
    for path in recording.scenario["removed"]:
        os.unlink(os.path.join(root, path))
    sync(open_store(root), now)
    for entry in look(root, now).trash:
        carry_out(plan_for(root, Restore(entry=entry.id), now))
    found = of_ollama(root)
    assert {path: found.get(path) for path in before} == before


def behind_its_back(root: str | Path) -> None:
    """Ollama deletes one model, replaces another, and drops a download."""
    server = Ollama(str(root))
    server.rm("derived")
    server.pull("team/solo:v1", ["new weights", "new config"])
    for path in Path(root, "blobs").glob("*-partial*"):
        path.unlink()
    old(Path(root))


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_step_the_next_sync_goes_on(tmp_path: Path, after: bool) -> None:
    for at in count(1):
        root = tmp_path / f"killed at {at}"
        small_store(root)
        versions = {model.digest for model in look(root).models}
        partials = {path: fact for path, fact in facts(root).items() if "-partial" in path}
        guard(root)
        behind_its_back(root)
        store = of_ollama(root)
        disk = KilledDisk(at, after)
        try:
            sync(open_store(root), LATER, disk)
        except Killed:
            assert of_ollama(root) == store
            again(root, LATER + 1)
        inventory = look(root, LATER + 1)
        kept = {model.digest for entry in inventory.trash for model in entry.models}
        assert versions <= kept | {model.digest for model in inventory.models}, f"killed at change {at}"
        for number, entry in enumerate(inventory.trash):
            for model in entry.models:
                bring_back(root, entry, model.name, under=f"back:{number}", now=LATER + 1)
            if not entry.models and entry.files:
                bring_back(root, entry, now=LATER + 1)
        assert broken_models(root) == {}
        assert {path: fact for path, fact in facts(root).items() if path in partials} == partials
        assert versions <= {model.digest for model in look(root, LATER + 1).models}
        if disk.changes < at:
            return


@pytest.mark.parametrize("after", [False, True])
def test_killed_while_it_is_turned_on_ollama_sees_nothing_and_off_cleans_up(tmp_path: Path, after: bool) -> None:
    for at in count(1):
        root = tmp_path / f"killed at {at}"
        small_store(root)
        before = facts(root)
        disk = KilledDisk(at, after)
        try:
            turn_on(open_store(root), Settings(), NOW, disk)
        except Killed:
            turn_off(open_store(root))
            assert facts(root) == before
        else:
            return
