"""Carrying out a plan: exactly it, all of it or nothing, and never a blob that a model needs."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from prunella_core.apply import Disk, Step, has_unfinished
from prunella_core.base.errors import Locked, Refused, StalePlan
from prunella_core.inventory.records import State
from prunella_core.plan.records import Request
from prunella_core.sample import Layer, StoreBuilder
from prunella_core.store.access import lock
from stores import (
    BOTH,
    DAY,
    HOUR,
    NOW,
    REQUESTS,
    SOLO,
    FailingDisk,
    Killed,
    KilledDisk,
    MeanwhileDisk,
    carry_out,
    disk_use,
    for_good,
    look,
    open_store,
    outcome,
    plan_for,
    planned,
    prune,
    recover,
    tree,
)

LIBRARY = "manifests/registry.ollama.ai/library"
PULLED = "the weights of a model that is pulled meanwhile"


def unchanged(root: str, before: dict[str, str]) -> None:
    assert tree(root) == before


def blob(layer: Layer) -> str:
    """The path of a layer's file in the store."""
    return f"blobs/{layer.digest.replace(':', '-')}"


# What is done when all goes well


@pytest.mark.parametrize("request_", REQUESTS)
def test_exactly_the_plan_is_done(builder: StoreBuilder, request_: Request) -> None:
    before, plan, use = tree(builder.root), plan_for(builder.root, request_), disk_use(builder.root)
    receipt = carry_out(plan)
    assert receipt.done
    assert set(receipt.removed) == planned(plan)
    assert receipt.freed == plan.reclaims == use - disk_use(builder.root)
    after = tree(builder.root)
    assert {path for path in before.keys() - after.keys() if before[path] != "/"} == planned(plan)
    assert after.items() <= before.items()


def test_two_models_that_share_free_together_what_neither_frees_alone(builder: StoreBuilder) -> None:
    alone = [plan_for(builder.root, for_good(models=(name,))).reclaims for name in BOTH.models]
    assert plan_for(builder.root, BOTH).reclaims > sum(alone)
    assert carry_out(plan_for(builder.root, BOTH)).freed > sum(alone)


def test_empty_manifest_folders_go_and_others_stay(builder: StoreBuilder) -> None:
    builder.file(f"{LIBRARY}/base/._latest")
    carry_out(plan_for(builder.root, for_good(models=(*BOTH.models, *SOLO.models))))
    folders = {path for path, what in tree(builder.root).items() if what == "/"}
    assert folders == {
        "blobs",
        "manifests",
        "manifests/registry.ollama.ai",
        LIBRARY,
        f"{LIBRARY}/base",
    }


def test_the_folder_of_all_manifests_stays(builder: StoreBuilder) -> None:
    carry_out(plan_for(builder.root, for_good(models=(*BOTH.models, *SOLO.models))))
    assert os.listdir(f"{builder.root}/manifests") == []


def test_progress_reaches_its_total(builder: StoreBuilder) -> None:
    steps: list[Step] = []
    plan = plan_for(builder.root, prune())
    carry_out(plan, report=steps.append)
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert steps[-1].done == steps[-1].total > len(plan.files)
    assert len({step.total for step in steps}) == 1


def test_a_plan_of_nothing_changes_nothing(builder: StoreBuilder) -> None:
    before = tree(builder.root)
    receipt = recover(builder.root)
    assert (receipt.done, receipt.freed, receipt.removed) == (True, 0, ())
    unchanged(builder.root, before)


def test_files_with_hostile_names_go_like_any(builder: StoreBuilder) -> None:
    for name in ("split-copy\udcff", "split-copy\n\x1b[2J", "split-copy[bold]"):
        builder.file(f"blobs/{name}", age=DAY)
    receipt = carry_out(plan_for(builder.root, prune()))
    assert receipt.done
    assert not [name for name in os.listdir(f"{builder.root}/blobs") if name.startswith("split-copy")]


# Links


def test_the_target_of_a_link_is_never_touched(builder: StoreBuilder, tmp_path: Path) -> None:
    outside = tmp_path / "weights.gguf"
    outside.write_bytes(b"x" * 50_000)
    digest = f"sha256:{'1111' * 16}"
    builder.link(blob(Layer("", digest, 0)), str(outside)).model("m", Layer("weights", digest, 50_000))
    plan = plan_for(builder.root, for_good(models=("m:latest",)))
    assert blob(Layer("", digest, 0)) in planned(plan)
    use = disk_use(tmp_path)
    receipt = carry_out(plan)
    assert receipt.freed == plan.reclaims == use - disk_use(tmp_path) < 50_000
    assert outside.read_bytes() == b"x" * 50_000


def test_a_link_to_a_folder_goes_and_the_folder_stays(builder: StoreBuilder, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("not ours")
    builder.link(f"blobs/sha256-{'1111' * 16}", str(tmp_path / "folder"))
    plan = plan_for(builder.root, prune(force=True))
    assert f"blobs/sha256-{'1111' * 16}" in planned(plan)
    carry_out(plan)
    assert (tmp_path / "folder" / "file").read_text() == "not ours"
    assert not os.path.lexists(f"{builder.root}/.prunella")


def test_a_link_to_a_folder_comes_back_when_all_is_undone(builder: StoreBuilder, tmp_path: Path) -> None:
    builder.link(f"blobs/sha256-{'1111' * 16}", str(tmp_path))
    before = tree(builder.root)
    with pytest.raises(Refused):
        carry_out(plan_for(builder.root, prune(force=True)), disk=FailingDisk("settle"))
    unchanged(builder.root, before)


def test_hard_links_free_nothing_until_the_last_goes(builder: StoreBuilder, tmp_path: Path) -> None:
    solo = next(item for item in plan_for(builder.root, SOLO).blobs if item.file.size > 10_000)
    os.link(f"{builder.root}/{solo.file.path}", tmp_path / "outside")
    os.link(f"{builder.root}/{solo.file.path}", f"{builder.root}/blobs/COPY777")
    plan = plan_for(builder.root, for_good(models=SOLO.models, blobs=("blobs/COPY777",), force=True))
    receipt = carry_out(plan)
    assert receipt.freed == plan.reclaims < solo.file.allocated
    os.link(tmp_path / "outside", f"{builder.root}/blobs/COPY777")
    os.unlink(tmp_path / "outside")
    assert (
        carry_out(plan_for(builder.root, for_good(blobs=("blobs/COPY777",), force=True))).freed == solo.file.allocated
    )


def test_a_model_whose_manifest_another_links_to_does_not_take_that_one_along(builder: StoreBuilder) -> None:
    builder.link(f"{LIBRARY}/base/alias", "latest")
    needed = look(builder.root).model_by_name["base:alias"].needs
    with suppress(Refused):
        carry_out(plan_for(builder.root, for_good(models=("base:latest",))))
    assert look(builder.root).model_by_name["base:alias"].needs == needed


@pytest.mark.parametrize("place", ["removing/x", "staging/x", "removing", "staging", ""])
def test_a_link_in_our_own_folder_leads_nowhere(builder: StoreBuilder, tmp_path: Path, place: str) -> None:
    for name in ("blobs", "x", "x/blobs", "staging/x/blobs", "removing/x/blobs"):
        (tmp_path / "victim" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "victim" / name / "file").write_text("not ours")
    before = tree(tmp_path / "victim")
    link = Path(builder.root, ".prunella", place)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(tmp_path / "victim")
    with suppress(Refused):
        recover(builder.root)
    assert tree(tmp_path / "victim") == before
    assert not (Path(builder.root) / "blobs" / "file").exists()


# Plans that no longer match


def touch_unreferenced(builder: StoreBuilder) -> None:
    builder.layer("weights", "nobody needs these" * 1_000)
    path = next(item.files[0].path for item in look(builder.root).blobs if item.state is State.UNREFERENCED)
    os.utime(f"{builder.root}/{path}", (NOW - HOUR, NOW - HOUR))


def use_unreferenced(builder: StoreBuilder) -> None:
    builder.model("new", builder.layer("weights", "nobody needs these" * 1_000), age=DAY)


CHANGES: list[tuple[Request, str, Callable[[StoreBuilder], object]]] = [
    (prune(), "was changed", touch_unreferenced),
    (prune(), "is used by new:latest", use_unreferenced),
    (prune(), "a download was written to", lambda store: store.partial("another pull", size=9_000, done=9)),
    (prune(), "COPY777 is new", lambda store: store.file("blobs/COPY777", age=DAY)),
    (prune(), "a problem could hide", lambda store: store.manifest("half", "")),
    (prune(), "blobs/COPY123", lambda store: os.unlink(f"{store.root}/blobs/COPY123")),
    (BOTH, "no model base:latest", lambda store: os.unlink(f"{store.root}/{LIBRARY}/base/latest")),
    (BOTH, f"{LIBRARY}/base/latest was changed", lambda store: store.model("base", age=HOUR)),
    (BOTH, "is used by new:latest", lambda store: store.model("new", store.layer("template", "{{ .Prompt }}"))),
    (BOTH, "a problem could hide", lambda store: store.manifest("half", "{}")),
]


@pytest.mark.parametrize(("request_", "said", "change"), CHANGES)
def test_a_stale_plan_is_refused_and_says_what_changed(
    builder: StoreBuilder, request_: Request, said: str, change: Callable[[StoreBuilder], object]
) -> None:
    plan = plan_for(builder.root, request_)
    change(builder)
    before = tree(builder.root)
    with pytest.raises(StalePlan) as refusal:
        carry_out(plan)
    assert said in str(refusal.value)
    unchanged(builder.root, before)


def test_a_plan_is_stale_once_it_was_carried_out(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, BOTH)
    carry_out(plan)
    with pytest.raises(StalePlan):
        carry_out(plan)


def test_a_blob_that_grew_a_link_is_a_change_since_it_frees_less(builder: StoreBuilder, tmp_path: Path) -> None:
    plan = plan_for(builder.root, SOLO)
    os.link(f"{builder.root}/{plan.blobs[0].file.path}", tmp_path / "outside")
    with pytest.raises(StalePlan, match="was changed"):
        carry_out(plan)


def test_what_does_not_concern_a_plan_may_change(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, SOLO)
    builder.model("new", builder.layer("weights", "new"))
    builder.partial("another pull", size=9_000, done=9)
    assert carry_out(plan).done


# Stores that are not to be changed


@pytest.mark.parametrize(("field", "said"), [("named", "several stores"), ("writable", "may not write")])
def test_a_store_that_is_not_to_be_changed_is_refused(builder: StoreBuilder, field: str, said: str) -> None:
    before = tree(builder.root)
    plan = plan_for(builder.root, BOTH)
    forbidden = msgspec.structs.replace(plan, store=msgspec.structs.replace(plan.store, **{field: False}))
    with pytest.raises(Refused, match=said):
        carry_out(forbidden)
    unchanged(builder.root, before)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused_before_anything_is_done(builder: StoreBuilder) -> None:
    os.chmod(f"{builder.root}/blobs", 0o555)
    before = tree(builder.root)
    try:
        with pytest.raises(Refused, match="may not write"):
            carry_out(plan_for(builder.root, BOTH))
    finally:
        os.chmod(f"{builder.root}/blobs", 0o755)
    unchanged(builder.root, before)


HOLDER = """
import sys
from prunella_core.store.access import lock, sign
from prunella_core.store.locate import locate
store = locate(sys.argv[1], {}, "/nowhere", machine="/nowhere")
with lock(store):
    sign(store)
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_told_who_works_on_the_store(builder: StoreBuilder) -> None:
    os.mkdir(f"{builder.root}/.prunella")
    plan = plan_for(builder.root, BOTH)
    command = [sys.executable, "-c", HOLDER, builder.root]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        before = tree(builder.root)
        with pytest.raises(Locked, match=f"process {holder.pid}"):
            carry_out(plan)
        unchanged(builder.root, before)
        holder.communicate()
    assert carry_out(plan).done
    assert not os.path.exists(f"{builder.root}/.prunella")


def test_the_lock_is_free_again_after_a_failure(builder: StoreBuilder) -> None:
    with pytest.raises(RuntimeError), lock(open_store(builder.root)):
        raise RuntimeError
    assert carry_out(plan_for(builder.root, BOTH)).done


# The second look


def test_a_model_that_comes_meanwhile_gets_its_blobs_back(builder: StoreBuilder) -> None:
    weights = builder.layer("weights", PULLED, age=DAY)
    config = builder.config(age=DAY)
    disk = MeanwhileDisk("/blobs/", lambda: builder.model("new", weights, config=config))
    plan = plan_for(builder.root, prune())
    use = disk_use(builder.root)
    receipt = carry_out(plan, disk=disk)

    assert blob(weights) in receipt.returned
    assert not receipt.done
    assert set(receipt.removed) == planned(plan) - set(receipt.returned)
    assert receipt.freed == use + 4_096 - disk_use(builder.root)  # and the manifest that came
    inventory = look(builder.root)
    assert {inventory.blob_by_key[digest].state for digest in inventory.model_by_name["new:latest"].needs} == {
        State.REFERENCED
    }
    assert Path(builder.blob_path(weights.digest)).read_text() == PULLED


def test_a_model_that_is_pulled_again_while_it_goes_stays(builder: StoreBuilder) -> None:
    weights = builder.layer("weights", "solo weights" * 2_000)
    config = builder.config(model_type="3B")
    disk = MeanwhileDisk("/blobs/", lambda: builder.model("team/solo:v1", weights, config=config))
    receipt = carry_out(plan_for(builder.root, SOLO), disk=disk)
    assert set(receipt.returned) == {blob(weights), blob(config)}
    inventory = look(builder.root)
    assert "team/solo:v1" in inventory.model_by_name
    assert inventory.problems == ()


@pytest.mark.parametrize("request_", [prune(), BOTH])
@pytest.mark.parametrize("content", ["", '{"schemaVersion": 2, "lay', "{}"])
def test_a_manifest_that_is_half_written_meanwhile_puts_everything_back(
    builder: StoreBuilder, request_: Request, content: str
) -> None:
    before = tree(builder.root)
    disk = MeanwhileDisk("/blobs/", lambda: builder.manifest("half", content))
    with pytest.raises(Refused, match=r"half/latest.*put back"):
        carry_out(plan_for(builder.root, request_), disk=disk)
    os.unlink(f"{builder.root}/{LIBRARY}/half/latest")
    os.rmdir(f"{builder.root}/{LIBRARY}/half")
    unchanged(builder.root, before)


def test_a_damaged_manifest_that_is_written_again_while_it_goes_puts_everything_back(builder: StoreBuilder) -> None:
    builder.manifest("half", "", age=DAY)
    removal = for_good(models=SOLO.models, manifests=(f"{LIBRARY}/half/latest",))
    plan = plan_for(builder.root, removal)
    assert len(plan.blobs) == 2
    disk = MeanwhileDisk("/blobs/", lambda: builder.manifest("half", ""))
    with pytest.raises(Refused):
        carry_out(plan, disk=disk)
    assert {item.file.path for item in plan.blobs} <= set(tree(builder.root))


def test_a_damaged_manifest_that_cannot_go_keeps_the_blobs(builder: StoreBuilder) -> None:
    builder.manifest("half", "", age=DAY)
    plan = plan_for(builder.root, for_good(models=SOLO.models, manifests=(f"{LIBRARY}/half/latest",)))
    with suppress(Refused):
        carry_out(plan, disk=FailingDisk("move", "half/latest"))
    assert {item.file.path for item in plan.blobs} <= set(tree(builder.root))


def test_a_blob_that_is_there_again_meanwhile_stays(builder: StoreBuilder) -> None:
    weights = builder.layer("weights", PULLED, age=DAY)
    config = builder.config(age=DAY)

    def pull() -> None:
        Path(builder.blob_path(weights.digest)).write_text("newer bytes")
        builder.model("new", weights, config=config)

    plan = plan_for(builder.root, prune())
    carry_out(plan, disk=MeanwhileDisk(blob(weights), pull))
    assert Path(builder.blob_path(weights.digest)).read_text() == "newer bytes"
    assert not os.path.exists(f"{builder.root}/.prunella")


# Files that will not go


def test_a_blob_that_cannot_be_moved_is_in_the_receipt_and_the_rest_is_done(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, BOTH)
    stuck = max(plan.blobs, key=lambda item: item.reclaims)
    use = disk_use(builder.root)
    receipt = carry_out(plan, disk=FailingDisk("move", stuck.file.path))
    assert [error.path for error in receipt.errors] == [stuck.file.path]
    assert "Permission denied" in receipt.errors[0].message
    assert not receipt.done
    assert set(receipt.removed) == planned(plan) - {stuck.file.path}
    assert receipt.freed == plan.reclaims - stuck.reclaims == use - disk_use(builder.root)
    assert os.path.exists(f"{builder.root}/{stuck.file.path}")


def test_the_blobs_of_a_manifest_that_cannot_be_moved_stay(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, for_good(models=("derived:latest", "team/solo:v1")))
    receipt = carry_out(plan, disk=FailingDisk("move", "solo/v1"))
    assert [error.path for error in receipt.errors] == ["manifests/registry.ollama.ai/team/solo/v1"]
    inventory = look(builder.root)
    assert set(inventory.model_by_name) == {"base:latest", "team/solo:v1"}
    assert inventory.problems == ()
    assert not receipt.done
    assert receipt.freed > 0


def test_what_cannot_be_unlinked_after_the_decision_goes_with_the_next_run(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, BOTH)
    stuck = max(plan.blobs, key=lambda item: item.reclaims)
    expected = outcome(builder.root, BOTH, Path(builder.root).parent / "scratch")

    class Disk(FailingDisk):
        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            super().watch(name, path if "/removing/" in path else "", change)

    receipt = carry_out(plan, disk=Disk("unlink", stuck.file.path))
    assert [error.path for error in receipt.errors] == [stuck.file.path]
    assert not receipt.done
    assert receipt.freed == plan.reclaims - stuck.reclaims
    assert has_unfinished(open_store(builder.root))

    recover(builder.root)
    assert tree(builder.root) == expected
    assert not has_unfinished(open_store(builder.root))


def test_a_folder_that_cannot_go_is_no_reason_to_keep_the_space(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, SOLO)
    receipt = carry_out(plan, disk=FailingDisk("remove_folder", "/solo"))
    assert receipt.freed == plan.reclaims
    assert not planned(plan) & set(tree(builder.root))


@pytest.mark.parametrize("name", ["make_folder", "write", "settle"])
def test_a_folder_of_ours_that_cannot_be_written_is_refused(builder: StoreBuilder, name: str) -> None:
    before = tree(builder.root)
    with pytest.raises(Refused, match="Permission denied"):
        carry_out(plan_for(builder.root, BOTH), disk=FailingDisk(name))
    unchanged(builder.root, before)


def test_recovery_that_cannot_be_finished_refuses_everything_else(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, BOTH)
    with pytest.raises(Killed):
        carry_out(plan, disk=KilledDisk(14, after=False))
    assert has_unfinished(open_store(builder.root))
    with pytest.raises(Refused, match="interrupted removal"):
        carry_out(plan_for(builder.root, for_good()), disk=FailingDisk("move"))


# A full disk


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize(("name", "start"), [("make_folder", 1), ("make_folder", 3), ("write", 1), ("move", 1)])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_does_not_get_in_the_way(
    builder: StoreBuilder, request_: Request, name: str, start: int, code: int
) -> None:
    plan = plan_for(builder.root, request_)
    expected = outcome(builder.root, request_, Path(builder.root).parent / "scratch")
    receipt = carry_out(plan, disk=FailingDisk(name, code=code, start=start))
    assert tree(builder.root) == expected
    assert receipt.done
    assert receipt.freed == plan.reclaims


def in_place(start: int = 1) -> FailingDisk:
    """A disk so full that files are deleted where they lie."""
    return FailingDisk("write", code=errno.ENOSPC, start=start)


def test_progress_in_place_reaches_its_total(builder: StoreBuilder) -> None:
    steps: list[Step] = []
    carry_out(plan_for(builder.root, BOTH), disk=in_place(), report=steps.append)
    assert steps[-1].done == steps[-1].total > 0


def test_in_place_a_blob_that_a_new_model_needs_stays(builder: StoreBuilder) -> None:
    weights = builder.layer("weights", "solo weights" * 2_000)
    plan = plan_for(builder.root, SOLO)

    class Disk(FailingDisk):
        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            super().watch(name, path, change)
            if name == "unlink" and path.endswith("solo/v1"):
                builder.model("new", weights)

    receipt = carry_out(plan, disk=Disk("write", code=errno.ENOSPC))
    assert look(builder.root).problems == ()
    assert os.path.exists(builder.blob_path(weights.digest))
    assert not receipt.done
    assert blob(weights) not in receipt.removed


def test_in_place_a_half_written_manifest_keeps_the_blobs(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, SOLO)

    class Disk(FailingDisk):
        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            super().watch(name, path, change)
            if name == "unlink" and path.endswith("solo/v1"):
                builder.manifest("half", "")

    receipt = carry_out(plan, disk=Disk("write", code=errno.ENOSPC))
    assert not receipt.done
    assert [error.path for error in receipt.errors] == [f"{LIBRARY}/half/latest"]
    assert {item.file.path for item in plan.blobs} <= set(tree(builder.root))


def test_in_place_what_cannot_be_unlinked_is_in_the_receipt(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, SOLO)
    stuck = max(plan.blobs, key=lambda item: item.reclaims)

    class Disk(FailingDisk):
        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            if name == "unlink" and path.endswith(stuck.file.path):
                raise PermissionError(errno.EACCES, "Permission denied")
            super().watch(name, path, change)

    receipt = carry_out(plan, disk=Disk("write", code=errno.ENOSPC))
    assert [error.path for error in receipt.errors] == [stuck.file.path]
    assert receipt.freed == plan.reclaims - stuck.reclaims


@pytest.fixture
def other_device(tmp_path: Path) -> Any:
    folder = Path("/dev/shm")
    if not os.access(folder, os.W_OK) or folder.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    own = folder / f"prunella-test-{os.getpid()}"
    own.mkdir()
    yield own
    shutil.rmtree(own)


def test_blobs_on_another_device_are_deleted_where_they_lie(builder: StoreBuilder, other_device: Path) -> None:
    shutil.move(f"{builder.root}/blobs", other_device / "blobs")
    os.symlink(other_device / "blobs", f"{builder.root}/blobs")
    plan = plan_for(builder.root, BOTH)
    receipt = carry_out(plan)
    assert receipt.done
    assert receipt.freed == plan.reclaims > 0
    assert not {os.path.basename(path) for path in planned(plan)} & set(os.listdir(other_device / "blobs"))
    assert look(builder.root).problems == ()


# Cancelling


@pytest.mark.parametrize("request_", REQUESTS)
def test_cancelled_anywhere_before_the_decision_everything_is_undone(builder: StoreBuilder, request_: Request) -> None:
    before = tree(builder.root)
    plan = plan_for(builder.root, request_)
    for allowed in count():
        questions = iter(range(10_000))
        receipt = carry_out(plan, cancelled=lambda questions=questions, allowed=allowed: next(questions) >= allowed)
        if not receipt.cancelled:
            break
        assert (receipt.done, receipt.freed, receipt.removed) == (False, 0, ())
        unchanged(builder.root, before)
    assert allowed > len(plan.files)
    assert not planned(plan) & set(tree(builder.root))


def test_what_a_report_raises_undoes_everything(builder: StoreBuilder) -> None:
    before = tree(builder.root)

    def interrupt(step: Step) -> None:
        if step.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(plan_for(builder.root, BOTH), report=interrupt)
    unchanged(builder.root, before)


def test_the_disk_that_tests_count_on_is_the_real_one(tmp_path: Path) -> None:
    disk = Disk()
    disk.write(str(tmp_path / "file"), b"whole")
    assert (tmp_path / "file").read_bytes() == b"whole"
    assert os.listdir(tmp_path) == ["file"]
    assert not disk.remove_if_empty(str(tmp_path))
    assert disk.remove_if_empty(str(tmp_path / "nowhere"))
    with pytest.raises(NotADirectoryError):
        disk.remove_if_empty(str(tmp_path / "file"))
