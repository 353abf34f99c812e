"""What a removal sees when it looks again: models that came meanwhile need what was set aside, wherever it lies."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ollama_rules import Ollama
from prunella_core.base.errors import Refused
from prunella_core.plan.records import Empty, Plan, Removal, Restore
from prunella_core.sample import Layer, StoreBuilder
from stores import (
    BOTH,
    DAY,
    NOW,
    FailingDisk,
    MeanwhileDisk,
    WatchedDisk,
    broken_models,
    carry_out,
    disk_use,
    facts,
    in_trash,
    look,
    of_ollama,
    plan_for,
    prune,
    recover,
    remove,
    to_trash,
)

LIBRARY = "manifests/registry.ollama.ai/library"


def linked_to(builder: StoreBuilder, layer: Layer, name: str) -> Layer:
    """A blob that is a link to another, as a user makes it to save space."""
    link = builder.layer("weights", name, age=DAY)
    path = builder.blob_path(link.digest)
    os.unlink(path)
    os.symlink(os.path.basename(builder.blob_path(layer.digest)), path)
    os.utime(path, (NOW - DAY, NOW - DAY), follow_symlinks=False)
    return link


def test_what_a_new_model_needs_of_the_trash_stays_there(builder: StoreBuilder) -> None:
    weights = builder.layer("weights", "removed and wanted again", age=DAY)
    config = builder.config(model_type="gone", age=DAY)
    builder.model("gone", weights, config=config, age=DAY)
    entry = remove(builder.root, "gone:latest")
    disk = MeanwhileDisk("/trash/", lambda: builder.model("new", weights, config=config))
    receipt = carry_out(plan_for(builder.root, Empty()), disk=disk)
    name = os.path.basename(builder.blob_path(weights.digest))
    assert f".prunella/trash/{entry.id}/blobs/{name}" in receipt.returned
    assert not receipt.done
    assert in_trash(builder.root) == {weights.digest, config.digest}


def test_what_a_new_model_needs_of_the_trash_and_has_goes(builder: StoreBuilder) -> None:
    weights = builder.layer("weights", "removed and pulled again", age=DAY)
    builder.model("gone", weights, age=DAY)
    remove(builder.root, "gone:latest")
    builder.layer("weights", "removed and pulled again", age=DAY)
    disk = MeanwhileDisk("/trash/", lambda: builder.model("new", weights))
    assert carry_out(plan_for(builder.root, Empty()), disk=disk).removed
    assert weights.digest not in in_trash(builder.root)
    assert broken_models(builder.root) == {}


def test_what_a_new_model_needs_does_not_go_to_the_trash(builder: StoreBuilder) -> None:
    solo = builder.layer("weights", "solo weights" * 2_000)
    disk = MeanwhileDisk("/blobs/", lambda: builder.model("new", solo, config=solo))
    receipt = carry_out(plan_for(builder.root, to_trash("team/solo:v1")), disk=disk)
    assert receipt.returned == (f"blobs/{os.path.basename(builder.blob_path(solo.digest))}",)
    assert broken_models(builder.root) == {}
    assert solo.digest not in in_trash(builder.root)


def test_what_a_returning_link_leads_to_returns_too(builder: StoreBuilder) -> None:
    target = builder.layer("weights", "behind two links", age=DAY)
    first = linked_to(builder, target, "the first")
    second = linked_to(builder, first, "the second")
    disk = MeanwhileDisk("/blobs/", lambda: builder.model("new", second, config=builder.config(age=DAY)))
    receipt = carry_out(plan_for(builder.root, prune()), disk=disk)
    paths = {f"blobs/{os.path.basename(builder.blob_path(layer.digest))}" for layer in (target, first, second)}
    assert paths <= set(receipt.returned)
    assert Path(builder.blob_path(second.digest)).read_text() == "behind two links"


def test_what_a_link_that_came_meanwhile_leads_to_returns(builder: StoreBuilder) -> None:
    target = builder.layer("weights", "behind a link that comes", age=DAY)

    def come() -> None:
        builder.model("new", linked_to(builder, target, "the link"), config=builder.config(age=DAY))

    plan = plan_for(builder.root, Removal(blobs=(target.digest,), to_trash=False))
    receipt = carry_out(plan, disk=MeanwhileDisk("/blobs/", come))
    assert receipt.returned == (f"blobs/{os.path.basename(builder.blob_path(target.digest))}",)
    assert Path(builder.blob_path(target.digest)).exists()


def test_a_restore_overwrites_nothing_that_came_meanwhile(builder: StoreBuilder) -> None:
    entry = remove(builder.root, "team/solo:v1")
    before = in_trash(builder.root)
    weights = os.path.basename(builder.blob_path(max(before)))

    def pull() -> None:
        builder.file(f"blobs/{weights}", "pulled again meanwhile", age=DAY)

    class Pulling(WatchedDisk):
        is_done = False

        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            if name == "link" and path.endswith(weights) and not self.is_done:
                self.is_done = True
                pull()
            change()

    with pytest.raises(Refused, match="there again"):
        carry_out(plan_for(builder.root, Restore(entry=entry.id)), disk=Pulling())
    assert in_trash(builder.root) == before
    assert Path(builder.root, "blobs", weights).read_text() == "pulled again meanwhile"


def test_no_model_misses_a_blob_at_any_moment(builder: StoreBuilder) -> None:
    """Not even for the moment until the next look, when its manifest cannot be moved."""
    found = []

    class Looking(FailingDisk):
        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            super().watch(name, path, change)
            found.append(broken_models(builder.root))

    disk = Looking("move", "derived/latest")
    receipt = carry_out(plan_for(builder.root, BOTH), disk=disk)
    assert receipt.errors
    assert found
    assert not any(found)


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The inodes of what has been flushed to the disk."""
    inodes: list[int] = []
    flush = os.fsync

    def fsync(descriptor: int) -> None:
        inodes.append(os.fstat(descriptor).st_ino)
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return inodes


@pytest.mark.parametrize("removal", [to_trash("base:latest", "derived:latest"), prune(), Empty()])
def test_the_record_is_on_the_disk_before_anything_moves(
    builder: StoreBuilder, flushed: list[int], removal: Removal
) -> None:
    builder.model("gone", builder.layer("weights", "of the trash", age=DAY), age=DAY)
    remove(builder.root, "gone:latest")
    recorded: list[bool] = []

    class Looking(WatchedDisk):
        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            if name in ("move", "link"):
                records = list(Path(builder.root, ".prunella/staging").glob("*/record.json"))
                recorded.append(len(records) == 1 and records[0].stat().st_ino in flushed)
            change()

    carry_out(plan_for(builder.root, removal), disk=Looking())
    assert recorded
    assert all(recorded)


def test_the_folder_is_on_the_disk_before_it_is_decided(builder: StoreBuilder, flushed: list[int]) -> None:
    decided: list[bool] = []

    class Looking(WatchedDisk):
        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            if name == "move" and os.path.basename(os.path.dirname(path)) == "staging":
                decided.append(os.stat(path).st_ino in flushed)
            change()

    carry_out(plan_for(builder.root, prune()), disk=Looking())
    assert decided == [True]


def refused_for_a_pull(builder: StoreBuilder, plan: Plan, settle: float) -> None:
    """A pull begins at the fifth look: the plan is refused, and the store is as it was."""
    before = facts(builder.root)
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 5:
            builder.file("blobs/sha256-" + "1" * 64 + "-partial", "just begun")

    with pytest.raises(Refused, match="a pull may be running"):
        carry_out(plan, settle=settle, wait=wait)
    os.unlink(f"{builder.root}/blobs/sha256-{'1' * 64}-partial")
    assert facts(builder.root) == before


def test_while_it_waits_it_looks_for_a_pull(builder: StoreBuilder) -> None:
    """A pull that found the blob there writes nothing before the registry has answered."""
    refused_for_a_pull(builder, plan_for(builder.root, prune()), settle=1.0)


def test_what_a_model_needs_by_the_end_of_the_wait_goes_back(builder: StoreBuilder) -> None:
    weights = builder.layer("weights", "found by a pull", age=DAY)
    config = builder.config(model_type="9B", age=DAY)
    waited: list[float] = []

    def wait(seconds: float) -> None:
        if not waited:
            builder.model("pulled", weights, config=config)
        waited.append(seconds)

    receipt = carry_out(plan_for(builder.root, prune()), settle=0.5, wait=wait)
    assert sum(waited) == pytest.approx(0.5)
    assert len(receipt.returned) == 2
    assert broken_models(builder.root) == {}


@pytest.mark.parametrize(("removed", "emptied"), [(NOW, NOW + 5), (NOW + 0.9, NOW + 10.5)])
def test_what_was_only_just_removed_waits_when_it_is_emptied(
    builder: StoreBuilder, removed: float, emptied: float
) -> None:
    """A pull that found it in the store may not have written anything yet. An ID of the trash names whole seconds."""
    remove(builder.root, "team/solo:v1", now=removed)
    refused_for_a_pull(builder, plan_for(builder.root, Empty(), emptied), settle=10.0)


def test_what_was_removed_before_does_not_wait_when_it_is_emptied(builder: StoreBuilder) -> None:
    remove(builder.root, "team/solo:v1")

    def wait(_seconds: float) -> None:
        raise AssertionError

    assert carry_out(plan_for(builder.root, Empty(), NOW + 11), settle=10.0, wait=wait).done


def test_the_trash_does_not_wait(builder: StoreBuilder) -> None:
    def wait(_seconds: float) -> None:
        raise AssertionError

    assert carry_out(plan_for(builder.root, to_trash("base:latest")), settle=10.0, wait=wait).done


def test_where_no_ollama_can_run_nothing_waits(builder: StoreBuilder) -> None:
    def wait(_seconds: float) -> None:
        raise AssertionError

    assert carry_out(plan_for(builder.root, prune()), settle=10.0, is_quiet=lambda: True, wait=wait).done


def test_cancelled_while_it_waits_all_is_undone(builder: StoreBuilder) -> None:
    before = facts(builder.root)
    waited: list[float] = []
    plan = plan_for(builder.root, prune())
    receipt = carry_out(plan, settle=10.0, wait=waited.append, cancelled=lambda: len(waited) > 3)
    assert receipt.cancelled
    assert not receipt.removed
    assert facts(builder.root) == before


@pytest.mark.parametrize("change", ["other bytes", "another file", "a folder"])
def test_what_is_not_what_was_planned_goes_back(builder: StoreBuilder, change: str) -> None:
    plan = plan_for(builder.root, prune())
    item = next(item for item in plan.files if item.digest and "partial" not in item.file.path)
    place = Path(builder.root, item.file.path)

    def replace() -> None:
        place.rename(Path(builder.root).parent / "elsewhere")
        if change == "a folder":
            place.mkdir()
            (place / "precious").write_text("not Ollama's")
            return
        place.write_text("newer" if change == "other bytes" else "x" * item.file.size)
        os.utime(place, (NOW - DAY, NOW - DAY))

    class Swapping(WatchedDisk):
        is_done = False

        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            if name in ("move", "link") and path == str(place) and not self.is_done:
                self.is_done = True
                replace()
            change()

    receipt = carry_out(plan, disk=Swapping())
    assert item.file.path not in receipt.removed
    assert item.file.path in [error.path for error in receipt.errors]
    assert (place / "precious" if change == "a folder" else place).read_text()


def test_another_file_gets_no_name_in_the_trash(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, to_trash("team/solo:v1"))
    place = Path(builder.root, plan.blobs[0].file.path)

    class Replacing(WatchedDisk):
        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            if name == "link" and path == str(place):
                place.unlink()
                place.write_text("pulled again, by a program that has it open")
                os.utime(place, (NOW - DAY, NOW - DAY))
            change()

    receipt = carry_out(plan, disk=Replacing())
    assert [error.path for error in receipt.errors] == [plan.blobs[0].file.path]
    assert place.stat().st_nlink == 1


def test_what_ollama_deletes_of_a_removed_model_comes_back_when_it_is_undone(builder: StoreBuilder) -> None:
    """A blob that the model shares: while its manifest is set aside, Ollama's own rm finds no other that needs it."""
    before = facts(builder.root)

    def remove_and_pull() -> None:
        Ollama(builder.root).rm("derived")
        builder.file("blobs/sha256-" + "1" * 64 + "-partial", "just begun")

    disk = MeanwhileDisk("/manifests/", remove_and_pull)
    with pytest.raises(Refused, match="a pull may be running"):
        carry_out(plan_for(builder.root, Removal(models=("base:latest",), to_trash=False)), disk=disk)
    assert facts(builder.root)[f"{LIBRARY}/base/latest"] == before[f"{LIBRARY}/base/latest"]
    assert broken_models(builder.root) == {}


def test_blobs_that_were_replaced_meanwhile_are_left_alone(builder: StoreBuilder, tmp_path: Path) -> None:
    before = of_ollama(builder.root)

    def swap() -> None:
        os.rename(f"{builder.root}/blobs", tmp_path / "other")
        os.mkdir(f"{builder.root}/blobs")

    plan = plan_for(builder.root, Removal(models=("base:latest", "derived:latest"), to_trash=False))
    receipt = carry_out(plan, disk=MeanwhileDisk("/manifests/", swap))
    assert not receipt.removed
    assert receipt.errors
    os.rmdir(f"{builder.root}/blobs")
    os.rename(tmp_path / "other", f"{builder.root}/blobs")
    recover(builder.root)
    assert of_ollama(builder.root) == before


def test_freed_is_what_left_the_disk(builder: StoreBuilder) -> None:
    use = disk_use(builder.root)
    receipt = carry_out(plan_for(builder.root, prune()))
    assert receipt.freed == use - disk_use(builder.root)
    assert look(builder.root).model_by_name.keys() == {"base:latest", "derived:latest", "team/solo:v1"}
