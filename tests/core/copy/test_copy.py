"""Models on another disk: every blob once, with the bytes that its name stands for, or not there at all."""

import errno
import os
import shutil
import stat
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from prunella_core.apply import Disk
from prunella_core.base.errors import InvalidInput, Locked, Refused
from prunella_core.copy.plan import CopyPlan, Target, look_at_target, plan_copy
from prunella_core.copy.run import CopyReceipt, copy_models
from prunella_core.fs.files import allocated
from prunella_core.sample import StoreBuilder
from prunella_core.store.access import lock
from prunella_core.verify import Reader, verify_blobs
from recordings import Recorded
from stores import (
    DAY,
    HOUR,
    NOW,
    FailingDisk,
    Killed,
    KilledDisk,
    MeanwhileDisk,
    WatchedDisk,
    broken_models,
    disk_use,
    entries,
    look,
    of_ollama,
    open_store,
    tree,
)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "usb" / "models"


def planned(
    root: str, target: Path, *names: str, under: str | None = None, change: Callable[[Target], Target] = lambda t: t
) -> CopyPlan:
    """The plan to copy ``names``, or all models, to ``target`` after a ``change`` of what was seen there."""
    inventory = look(root)
    wanted = [inventory.model_by_name[name] for name in names] or inventory.models
    return plan_copy(inventory, change(look_at_target(inventory, str(target), NOW)), wanted, under)


def copied(root: str, target: Path, *names: str, under: str | None = None, **options: Any) -> CopyReceipt:
    """What becomes of a copy at the time of the store."""
    return copy_models(planned(root, target, *names, under=under), **{"now": lambda: NOW, **options})


def listed(root: str | Path) -> dict[str, tuple[object, ...]]:
    """What ``ls`` shows of each model, and what it needs."""
    models = look(root).models
    return {model.name: (model.digest, model.size, model.modified_at, model.needs) for model in models}


def referenced(root: str) -> dict[str, tuple[str, int, int]]:
    """What Ollama sees of the models of the small store: without what no model needs."""
    needed = {digest.replace(":", "-") for model in look(root).models for digest in model.needs}
    return {
        path: fact for path, fact in of_ollama(root).items() if path[:6] != "blobs/" or os.path.basename(path) in needed
    }


def state(root: Path) -> dict[str, tuple[int, ...]]:
    """Inode and times of everything."""
    return {path: (s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for path, s in entries(root)}


def test_a_copy_is_a_store_with_the_same_models(builder: StoreBuilder, target: Path) -> None:
    plan = planned(builder.root, target)
    assert not target.parent.exists(), "a plan writes nothing"
    receipt = copy_models(plan)
    assert receipt.done
    assert set(receipt.models) == {"base:latest", "derived:latest", "team/solo:v1"}
    assert listed(target) == listed(builder.root)
    assert of_ollama(target) == referenced(builder.root), "bytes, modes and times"
    assert broken_models(target) == {}
    inventory = look(builder.root)
    blobs = [blob for blob in inventory.blobs if blob.models]
    assert receipt.written == plan.written == sum(blob.size for blob in blobs)
    assert disk_use(target / "blobs") == sum(allocated(blob.files) for blob in blobs)
    shared = inventory.blobs_of(inventory.model_by_name["base:latest"])[1:]
    assert plan.shared == sum(blob.size for blob in shared), "weights and template"
    assert not (target / ".prunella").exists()


def test_again_nothing_is_written(builder: StoreBuilder, target: Path) -> None:
    assert copied(builder.root, target).done
    before = state(target)
    plan = planned(builder.root, target)
    assert plan.is_empty
    receipt = copied(builder.root, target)
    assert receipt.done
    assert len(receipt.models) == 3
    assert (receipt.written, receipt.skipped) == (0, plan.skipped)
    assert state(target) == before


def test_what_another_model_brought_is_not_copied_again(builder: StoreBuilder, target: Path) -> None:
    assert copied(builder.root, target, "base:latest").done
    before = state(target)
    receipt = copied(builder.root, target, "derived:latest")
    assert receipt.skipped > 40_000 > receipt.written > 0
    assert {path: now for path, now in state(target).items() if path in before and path.startswith("blobs/")} == {
        path: was for path, was in before.items() if path.startswith("blobs/")
    }


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_change_the_next_run_ends_it(tmp_path: Path, builder: StoreBuilder, after: bool) -> None:
    source = tree(builder.root)
    for at in count(1):
        target = tmp_path / f"killed at {at}"
        try:
            assert copied(builder.root, target, disk=KilledDisk(at, after)).done
            break
        except Killed:
            pass
        if (target / "manifests").exists():
            assert broken_models(target) == {}, "what a server that starts now would see"
        assert copied(builder.root, target).done, at
        assert listed(target) == listed(builder.root)
        assert broken_models(target) == {}
        assert not (target / ".prunella").exists()
        shutil.rmtree(target)
    assert at > 40
    assert tree(builder.root) == source


def test_a_flipped_bit_is_caught_and_nothing_arrives_under_its_name(builder: StoreBuilder, target: Path) -> None:
    weights = look(builder.root).model_by_name["base:latest"].needs[1]
    path = Path(builder.blob_path(weights))
    data = bytearray(path.read_bytes())
    data[20_000] ^= 4
    path.write_bytes(data)
    receipt = copied(builder.root, target)
    assert receipt.models == ("team/solo:v1",)
    assert not receipt.done
    assert {error.path for error in receipt.errors} == {"base:latest", "derived:latest"}
    assert all("is damaged" in error.message for error in receipt.errors)
    assert list(listed(target)) == ["team/solo:v1"]
    assert broken_models(target) == {}
    assert not (target / "blobs" / path.name).exists()
    assert not (target / ".prunella").exists()


def test_a_cancelled_copy_resumes_where_it_stopped(tmp_path: Path, target: Path) -> None:
    builder = StoreBuilder(str(tmp_path / "store"), NOW)
    builder.model("large", builder.layer("weights", "0123456789abcdef" * 200_000, age=DAY), age=DAY)
    whole = planned(builder.root, target).written
    seen: list[int] = []
    first = copied(
        builder.root,
        target,
        report=lambda progress: seen.append(progress.bytes),
        cancelled=lambda: seen[-1] > 2_000_000,
    )
    assert first.cancelled
    assert first.models == ()
    (part,) = (target / ".prunella" / "copying").iterdir()
    assert part.stat().st_size > 2_000_000
    second = copied(builder.root, target)
    assert second.done
    assert first.written + second.written == whole
    assert broken_models(target) == {}
    assert not (target / ".prunella").exists()


def test_a_part_that_went_bad_is_begun_again(builder: StoreBuilder, target: Path) -> None:
    weights = look(builder.root).model_by_name["team/solo:v1"].needs[1]
    copying = target / ".prunella" / "copying"
    copying.mkdir(parents=True)
    (copying / weights.replace(":", "-")).write_bytes(bytes(4096))
    (copying / f"sha256-{'0' * 64}").write_bytes(b"of another copy")
    assert copied(builder.root, target).done
    assert broken_models(target) == {}
    assert not (target / ".prunella").exists()


def test_too_little_room_is_said_before_anything_is_made(builder: StoreBuilder, target: Path) -> None:
    plan = planned(builder.root, target, change=lambda found: replace(found, free=50_000))
    assert plan.needed > 60_000
    with pytest.raises(Refused, match="50,000 bytes free"):
        copy_models(plan)
    assert not target.parent.exists()


def test_a_disk_that_is_full_after_all_ends_it_and_what_arrived_stays(builder: StoreBuilder, target: Path) -> None:
    receipt = copied(builder.root, target, disk=FailingDisk("append", code=errno.ENOSPC, start=4))
    assert receipt.models == ("base:latest",)
    assert [error.message for error in receipt.errors] == [f"cannot be written: {os.strerror(errno.ENOSPC)}"]
    assert copied(builder.root, target).done
    assert broken_models(target) == {}


@pytest.mark.parametrize(("kind", "refused"), [("vfat", ["big:latest", "host:5000/library/m:latest"]), ("ext4", [])])
def test_what_the_other_file_system_cannot_take_is_refused(
    tmp_path: Path, target: Path, kind: str, refused: list[str]
) -> None:
    builder = StoreBuilder(str(tmp_path / "store"), NOW)
    builder.model("big", builder.layer("weights", "big", size=2**32, age=DAY), age=DAY)
    builder.model("host:5000/library/m", builder.layer("weights", "small", age=DAY), age=DAY)
    builder.model("fits", builder.layer("weights", "fits", size=2**32 - 1, age=DAY), age=DAY)
    plan = planned(builder.root, target, change=lambda found: replace(found, file_system=kind))
    assert sorted(each.name for each in plan.refused) == refused
    assert all("vfat takes no file" in each.reason for each in plan.refused)
    assert "fits:latest" in [model.name for model in plan.models]


def _itself(root: Path, target: Path) -> Path:
    return root


def _inside(root: Path, target: Path) -> Path:
    return root / "backup"


def _linked(root: Path, target: Path) -> Path:
    target.parent.mkdir()
    target.symlink_to(root)
    return target


def _shared_blobs(root: Path, target: Path) -> Path:
    target.mkdir(parents=True)
    (target / "blobs").symlink_to(root / "blobs")
    return target


def _link_elsewhere(root: Path, target: Path) -> Path:
    target.mkdir(parents=True)
    (target.parent / "other").mkdir()
    (target / "blobs").symlink_to(target.parent / "other")
    return target


def _other_files(root: Path, target: Path) -> Path:
    target.mkdir(parents=True)
    (target / "photo.jpg").write_text("mine")
    return target


def _a_file(root: Path, target: Path) -> Path:
    target.parent.mkdir()
    target.write_text("mine")
    return target


@pytest.mark.parametrize(
    ("where", "why"),
    [
        (_itself, "are one store"),
        (_linked, "are one store"),
        (_shared_blobs, "are one store: .*/blobs is in both"),
        (_inside, "lies in the store itself"),
        (_link_elsewhere, "is a link"),
        (_other_files, "not a model store, and not empty"),
        (_a_file, "is not a folder"),
    ],
)
def test_where_no_copy_can_be_is_refused(
    builder: StoreBuilder, target: Path, where: Callable[[Path, Path], Path], why: str
) -> None:
    folder = where(Path(builder.root), target)
    before = tree(builder.root)
    with pytest.raises(Refused, match=why):
        planned(builder.root, folder)
    assert tree(builder.root) == before


@pytest.mark.parametrize("make", [os.symlink, os.link])
def test_a_link_to_our_blob_is_no_copy(
    builder: StoreBuilder, target: Path, make: Callable[[str, Path], object]
) -> None:
    weights = look(builder.root).model_by_name["team/solo:v1"].needs[1]
    (target / "blobs").mkdir(parents=True)
    there = target / "blobs" / weights.replace(":", "-")
    make(builder.blob_path(weights), there)
    assert copied(builder.root, target, "team/solo:v1").done
    assert not os.path.samefile(there, builder.blob_path(weights))
    assert broken_models(target) == {}
    assert broken_models(builder.root) == {}


def test_a_blob_of_another_length_there_is_replaced(builder: StoreBuilder, target: Path) -> None:
    assert copied(builder.root, target).done
    weights = look(builder.root).model_by_name["team/solo:v1"].needs[1]
    there = target / "blobs" / weights.replace(":", "-")
    os.truncate(there, 100)
    assert copied(builder.root, target).done
    assert broken_models(target) == {}


@pytest.mark.parametrize("verify", [False, True])
def test_only_a_verifying_copy_reads_what_is_there(builder: StoreBuilder, target: Path, verify: bool) -> None:
    assert copied(builder.root, target).done
    weights = look(builder.root).model_by_name["team/solo:v1"].needs[1]
    there = target / "blobs" / weights.replace(":", "-")
    data = bytearray(there.read_bytes())
    data[7] ^= 1
    there.write_bytes(data)
    receipt = copied(builder.root, target, verify=verify)
    assert receipt.done
    assert bool(receipt.verified) is verify
    assert (broken_models(target) == {}) is verify


def test_a_name_with_another_version_is_kept_and_there_is_another(builder: StoreBuilder, target: Path) -> None:
    other = StoreBuilder(str(target), NOW)
    other.model("BASE", other.layer("weights", "another version", age=DAY), age=DAY)
    plan = planned(builder.root, target)
    assert [each.name for each in plan.refused] == ["base:latest"]
    assert "BASE:latest is there: copy it under another name with --as" in plan.refused[0].reason
    assert copy_models(plan).models == ("derived:latest", "team/solo:v1")
    before = of_ollama(target)
    receipt = copied(builder.root, target, "base:latest", under="base:ours")
    assert receipt.done
    assert {path: fact for path, fact in of_ollama(target).items() if path in before} == before
    assert listed(target)["base:ours"] == listed(builder.root)["base:latest"]


def test_a_damaged_manifest_there_is_not_overwritten(builder: StoreBuilder, target: Path) -> None:
    manifest = target / "manifests/registry.ollama.ai/library/base/latest"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("")
    plan = planned(builder.root, target)
    assert [(each.name, "cannot be read" in each.reason) for each in plan.refused] == [("base:latest", True)]


def test_a_name_that_is_taken_meanwhile_is_kept(builder: StoreBuilder, target: Path) -> None:
    manifest = target / "manifests/registry.ollama.ai/library/base/latest"

    def pull() -> None:
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text("of a pull")

    receipt = copied(builder.root, target, disk=MeanwhileDisk("small", pull, "write"))
    assert receipt.models == ("derived:latest", "team/solo:v1")
    assert manifest.read_text() == "of a pull"


def test_a_blob_that_is_deleted_there_meanwhile_leaves_its_model_out(builder: StoreBuilder, target: Path) -> None:
    weights = look(builder.root).model_by_name["team/solo:v1"].needs[1].replace(":", "-")

    def prune() -> None:
        os.unlink(target / "blobs" / weights)

    receipt = copied(builder.root, target, "team/solo:v1", disk=MeanwhileDisk("/blobs", prune, "settle"))
    assert receipt.models == ()
    assert "was deleted there meanwhile" in receipt.errors[0].message
    assert look(target).models == ()
    assert copied(builder.root, target).done
    assert broken_models(target) == {}


def test_a_model_with_a_missing_blob_is_refused_unless_it_is_there(builder: StoreBuilder, target: Path) -> None:
    assert copied(builder.root, target, "base:latest").done
    weights = look(builder.root).model_by_name["team/solo:v1"].needs[1]
    os.unlink(builder.blob_path(weights))
    os.unlink(builder.blob_path(look(builder.root).model_by_name["base:latest"].needs[1]))
    plan = planned(builder.root, target)
    assert [(each.name, "weights blob" in each.reason) for each in plan.refused] == [("team/solo:v1", True)]
    assert copy_models(plan).models == ("base:latest", "derived:latest")
    assert broken_models(target) == {}


def test_blobs_look_new_until_their_manifest_is_there(builder: StoreBuilder, target: Path) -> None:
    clock = [NOW]
    oldest: list[float] = []

    class Slow(WatchedDisk):
        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            clock[0] += 2_000 if name == "append" else 0
            change()
            if name == "move":
                oldest.extend(clock[0] - path.stat().st_mtime for path in (target / "blobs").iterdir())

    copied(builder.root, target, "derived:latest", disk=Slow(), now=lambda: clock[0])
    assert clock[0] - NOW == 8_000
    assert max(oldest) < HOUR
    assert {path.stat().st_mtime for path in (target / "blobs").iterdir()} == {NOW - DAY}


def test_the_time_of_the_last_use_is_kept(builder: StoreBuilder, target: Path) -> None:
    weights = look(builder.root).model_by_name["team/solo:v1"].needs[1]
    source = builder.blob_path(weights)
    os.utime(source, (NOW - 5 * HOUR, NOW - DAY))
    assert copied(builder.root, target).done
    assert os.stat(source).st_atime == NOW - 5 * HOUR
    assert os.stat(target / "blobs" / os.path.basename(source)).st_atime == NOW - 5 * HOUR


def test_sidecars_are_copied_too(builder: StoreBuilder, target: Path) -> None:
    weights = look(builder.root).model_by_name["team/solo:v1"].needs[1].replace(":", "-")
    sidecar = Path(builder.root, "metadata", f"{weights}.json")
    sidecar.parent.mkdir()
    sidecar.write_text("{}")
    sidecar.chmod(0o600)
    os.utime(sidecar, (NOW - DAY, NOW - DAY))
    assert copied(builder.root, target).done
    assert of_ollama(target) == referenced(builder.root)
    assert planned(builder.root, target).is_empty


def test_one_at_a_time(builder: StoreBuilder, target: Path) -> None:
    plan = planned(builder.root, target)
    target.mkdir(parents=True)
    (target / "blobs").mkdir()
    with lock(open_store(target)), pytest.raises(Locked):
        copy_models(plan)


class Sharing(Disk):
    """Clones as a file system with reflinks does."""

    def clone(self, source: int, part: int) -> bool:
        os.sendfile(part, source, 0, os.fstat(source).st_size)
        os.lseek(part, 0, os.SEEK_SET)
        return True


@pytest.mark.parametrize("verified", [False, True])
def test_a_clone_is_hashed_unless_the_very_file_was_verified(
    builder: StoreBuilder, target: Path, verified: bool
) -> None:
    inventory = look(builder.root)
    if verified:
        assert not verify_blobs(inventory, [blob for blob in inventory.blobs if blob.has_hash]).bad
    solo = Path(builder.blob_path(inventory.model_by_name["team/solo:v1"].needs[1]))
    status = solo.stat()
    data = bytearray(solo.read_bytes())
    data[9] ^= 2
    solo.write_bytes(data)
    os.utime(solo, ns=(status.st_atime_ns, status.st_mtime_ns + (0 if verified else 1)))
    receipt = copied(builder.root, target, disk=Sharing())
    assert receipt.written == 0
    assert receipt.cloned == receipt.plan.written
    assert ("team/solo:v1" in receipt.models) is verified, "the verdict was believed: nothing was read"
    assert receipt.models[:2] == ("base:latest", "derived:latest")


def test_a_reflink_takes_no_space(reflinking: Path) -> None:
    builder = StoreBuilder(str(reflinking / "store"), NOW)
    builder.model("one", *(builder.layer("weights", os.urandom(8_000_000), age=DAY) for _ in range(2)), age=DAY)
    target = reflinking / "usb"
    os.sync()
    free = os.statvfs(reflinking).f_bfree
    plan = planned(builder.root, target)
    receipt = copy_models(plan)
    assert plan.needed < 100_000
    assert receipt.done
    assert (receipt.written, receipt.cloned) == (0, plan.written)
    os.sync()
    assert (free - os.statvfs(reflinking).f_bfree) * os.statvfs(reflinking).f_frsize < 1_000_000
    assert all(file.shared == file.allocated for blob in look(target).blobs for file in blob.files if file.size > DAY)
    assert listed(target) == listed(builder.root)
    assert broken_models(target) == {}

    before = state(target)
    again = copied(builder.root, target)
    assert (again.models, again.written, again.cloned) == (("one:latest",), 0, 0)
    assert state(target) == before


@pytest.mark.parametrize("verify", [False, True])
def test_a_verifying_copy_reads_the_manifest_that_is_there(builder: StoreBuilder, target: Path, verify: bool) -> None:
    assert copied(builder.root, target, "base:latest").done
    manifest = target / "manifests/registry.ollama.ai/library/base/latest"
    plan = planned(builder.root, target)
    manifest.write_text("of a pull meanwhile")
    receipt = copy_models(plan, verify=verify)
    assert ("base:latest" in receipt.models) is not verify
    assert {"derived:latest", "team/solo:v1"} <= set(receipt.models)
    assert receipt.is_verified is verify


@pytest.mark.parametrize("name", ["rm-alias", "meta-pull", "missing-weights", "v2-cp", "v2-list", "bad-manifest-empty"])
def test_models_of_real_stores_are_the_same_there(recorded: Callable[..., Recorded], target: Path, name: str) -> None:
    root = recorded(name).store.root
    receipt = copied(root, target)
    here = listed(root)
    assert set(receipt.models) | {each.name for each in receipt.plan.refused} == set(here)
    assert receipt.models
    assert listed(target) == {model: here[model] for model in receipt.models}
    assert not look(target).blocking
    assert planned(root, target).is_empty


def test_a_file_system_that_flushes_no_folders_will_do(
    builder: StoreBuilder, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = os.fsync

    def fsync(file: int) -> None:
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        flush(file)

    monkeypatch.setattr(os, "fsync", fsync)
    assert copied(builder.root, target).done


class FailingReader(Reader):
    """Cannot read any file to its end."""

    def read(self, descriptor: int, buffer: memoryview) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_blob_that_cannot_be_read_leaves_its_models_out(builder: StoreBuilder, target: Path) -> None:
    receipt = copied(builder.root, target, reader=FailingReader())
    assert receipt.models == ()
    assert all("cannot be read to its end" in error.message for error in receipt.errors)
    assert look(target).models == ()


@pytest.mark.parametrize(("make", "why"), [(None, "cannot read"), (os.mkfifo, "not an ordinary file")])
def test_a_blob_that_is_another_file_meanwhile_leaves_its_model_out(
    builder: StoreBuilder, target: Path, make: Callable[[str], None] | None, why: str
) -> None:
    plan = planned(builder.root, target)
    path = builder.blob_path(look(builder.root).model_by_name["team/solo:v1"].needs[1])
    os.unlink(path)
    if make:
        make(path)
    receipt = copy_models(plan)
    assert receipt.models == ("base:latest", "derived:latest")
    assert why in receipt.errors[0].message


@pytest.mark.parametrize("event", [os.unlink, lambda path: Path(path).write_text("{}")])
def test_a_manifest_that_changes_meanwhile_is_not_copied(
    builder: StoreBuilder, target: Path, event: Callable[[str], object]
) -> None:
    plan = planned(builder.root, target)
    event(f"{builder.root}/manifests/registry.ollama.ai/library/base/latest")
    assert copy_models(plan).models == ("derived:latest", "team/solo:v1")
    assert "base:latest" not in listed(target)


def test_a_blob_that_is_damaged_there_and_missing_here_is_said(builder: StoreBuilder, target: Path) -> None:
    assert copied(builder.root, target).done
    weights = look(builder.root).model_by_name["team/solo:v1"].needs[1]
    there = target / "blobs" / weights.replace(":", "-")
    there.write_bytes(bytes(there.stat().st_size))
    os.unlink(builder.blob_path(weights))
    receipt = copied(builder.root, target, verify=True)
    assert receipt.models == ("base:latest", "derived:latest")
    assert "there is damaged, and it is missing here" in receipt.errors[0].message


def test_a_link_here_is_read_through_and_a_dangling_one_is_missing(
    builder: StoreBuilder, target: Path, tmp_path: Path
) -> None:
    solo, shared = (look(builder.root).model_by_name[name].needs[1] for name in ("team/solo:v1", "base:latest"))
    for digest, place in ((solo, tmp_path / "elsewhere"), (shared, tmp_path / "gone")):
        os.rename(builder.blob_path(digest), place)
        os.symlink(place, builder.blob_path(digest))
    os.unlink(tmp_path / "gone")
    receipt = copied(builder.root, target)
    assert receipt.models == ("team/solo:v1",)
    assert [each.name for each in receipt.plan.refused] == ["base:latest", "derived:latest"]
    assert (target / "blobs" / solo.replace(":", "-")).read_bytes() == (tmp_path / "elsewhere").read_bytes()


def test_what_was_found_damaged_there_is_replaced(builder: StoreBuilder, target: Path) -> None:
    assert copied(builder.root, target).done
    weights = look(builder.root).model_by_name["team/solo:v1"].needs[1]
    there = target / "blobs" / weights.replace(":", "-")
    there.write_bytes(bytes(there.stat().st_size))
    inventory = look(target)
    assert verify_blobs(inventory, [blob for blob in inventory.blobs if blob.has_hash]).bad
    assert copied(builder.root, target).done
    assert broken_models(target) == {}


def test_a_folder_that_is_not_for_us_to_write_to(
    builder: StoreBuilder, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    with pytest.raises(Refused, match=f"{target.parent.parent} belongs to .*, and .* may not write there"):
        planned(builder.root, target)


def test_another_name_is_not_possible_in_the_layout_to_come(recorded: Callable[..., Recorded], target: Path) -> None:
    root = recorded("v2-list").store.root
    name = next(model.name for model in look(root).models if model.manifest.path.startswith("manifests-v2/"))
    with pytest.raises(InvalidInput, match="--as is not possible"):
        planned(root, target, name, under="other")


def test_modes_are_those_of_the_source(builder: StoreBuilder, target: Path) -> None:
    weights = look(builder.root).model_by_name["team/solo:v1"].needs[1]
    os.chmod(builder.blob_path(weights), 0o600)
    assert copied(builder.root, target).done
    mode = os.stat(target / "blobs" / weights.replace(":", "-")).st_mode
    assert stat.S_IMODE(mode) == 0o600
