"""Blobs have a second name before their manifests leave, so that Ollama may start at any instant."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ollama_rules import Ollama
from prunella_core.apply import has_unfinished
from prunella_core.base.errors import Refused
from prunella_core.plan.records import Removal, Request, Restore
from prunella_core.sample import StoreBuilder
from stores import (
    BOTH,
    NOW,
    SOLO,
    FailingDisk,
    Killed,
    KilledDisk,
    MeanwhileDisk,
    WatchedDisk,
    broken_models,
    carry_out,
    look,
    open_store,
    plan_for,
    planned,
    prune,
    recover,
    remove,
    small_store,
    to_trash,
    tree,
)

EVERY = [to_trash(*BOTH.models), BOTH, prune()]


class Order(WatchedDisk):
    """Notes what leaves its place in the store, in order; second names are refused with ``code``, if there is one."""

    def __init__(self, root: str, code: int | None = None) -> None:
        self.root = root
        self.code = code
        self.left: list[str] = []
        self.names: list[int] = []

    def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
        if name == "link" and self.code:
            raise OSError(self.code, os.strerror(self.code), path)
        relative = os.path.relpath(path, self.root)
        if name == "move" and not relative.startswith("."):
            self.left.append(relative)
            if relative.startswith("manifests"):
                blobs = [f"{self.root}/blobs/{blob}" for blob in os.listdir(f"{self.root}/blobs")]
                self.names.append(max(os.lstat(blob).st_nlink for blob in blobs))
        change()


def test_manifests_leave_before_the_names_of_blobs_and_after_their_second_names(builder: StoreBuilder) -> None:
    disk = Order(builder.root)
    assert carry_out(plan_for(builder.root, BOTH), disk=disk).done
    assert [path.split("/")[0] for path in disk.left] == ["manifests"] * 2 + ["blobs"] * 5
    assert disk.names == [2, 2]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS])
@pytest.mark.parametrize("request_", EVERY)
def test_where_no_second_name_can_be_given_blobs_leave_first(
    builder: StoreBuilder, request_: Request, code: int
) -> None:
    plan = plan_for(builder.root, request_)
    disk = Order(builder.root, code)
    receipt = carry_out(plan, disk=disk)
    assert receipt.done
    assert [path.split("/")[0] for path in disk.left] == sorted(path.split("/")[0] for path in disk.left)
    assert not planned(plan) & set(tree(builder.root))
    assert receipt.freed == (0 if plan.mode == "trash" else plan.reclaims)


def test_without_second_names_all_is_undone_and_comes_back(builder: StoreBuilder) -> None:
    before = tree(builder.root)
    done = iter(range(100))
    cancel = carry_out(
        plan_for(builder.root, BOTH), disk=Order(builder.root, errno.EPERM), cancelled=lambda: next(done) > 6
    )
    assert cancel.cancelled
    assert tree(builder.root) == before
    entry = remove(builder.root, *BOTH.models)
    assert carry_out(plan_for(builder.root, Restore(entry=entry.id)), disk=Order(builder.root, errno.EPERM)).done
    assert tree(builder.root) == before


@pytest.mark.parametrize("has_links", [True, False])
@pytest.mark.parametrize("request_", [to_trash(*BOTH.models), BOTH])
def test_killed_at_any_change_and_ollama_started_every_model_is_whole(
    tmp_path: Path, request_: Removal, has_links: bool
) -> None:
    class Shot(KilledDisk):
        def link(self, source: str, target: str) -> None:
            if not has_links:
                raise OSError(errno.EPERM, "no links here", source)
            super().link(source, target)

    for at in range(1, 100):
        builder = small_store(tmp_path / f"{at}")
        try:
            carry_out(plan_for(builder.root, request_), disk=Shot(at, after=True))
            break
        except Killed:
            Ollama(builder.root, now=lambda: NOW).start()
            recover(builder.root)
        assert broken_models(builder.root) == {}, at
        models = {*look(builder.root).model_by_name, *(m.name for e in look(builder.root).trash for m in e.models)}
        assert models == {*BOTH.models, *SOLO.models} or not request_.to_trash, at
        assert not has_unfinished(open_store(builder.root))
    assert at > 15


def test_killed_while_it_is_undone_and_ollama_started_every_model_is_whole(tmp_path: Path) -> None:
    """It is cancelled when the first blobs have left, and looks whole at every change on the way back."""
    for at in range(1, 100):
        builder = small_store(tmp_path / f"{at}")
        asked = iter(range(100))

        def is_cancelled(asked: Iterator[int] = asked) -> bool:
            return next(asked) >= 9

        try:
            carry_out(plan_for(builder.root, BOTH), disk=KilledDisk(at, after=True), cancelled=is_cancelled)
            break
        except Killed:
            assert broken_models(builder.root) == {}, at
            Ollama(builder.root, now=lambda: NOW).start()
            recover(builder.root)
        assert broken_models(builder.root) == {}, at
        assert set(look(builder.root).model_by_name) == {*BOTH.models, *SOLO.models}, at
    assert at > 20


def test_a_restore_is_undone_until_its_last_manifest_is_in_place_and_finished_after_that(tmp_path: Path) -> None:
    ends = set()
    for at in range(1, 100):
        builder = small_store(tmp_path / f"{at}")
        finished = tree(builder.root)
        entry = remove(builder.root, *BOTH.models)
        before = tree(builder.root)
        try:
            carry_out(plan_for(builder.root, Restore(entry=entry.id)), disk=KilledDisk(at, after=True))
            break
        except Killed:
            is_in_place = set(BOTH.models) <= set(look(builder.root).model_by_name)
            recover(builder.root)
        assert tree(builder.root) == (finished if is_in_place else before), at
        ends.add(is_in_place)
    assert ends == {True, False}


def test_what_ollama_deletes_between_manifest_and_blob_is_in_the_trash_all_the_same(builder: StoreBuilder) -> None:
    blobs = [item.file.path for item in plan_for(builder.root, SOLO).blobs]
    before = tree(builder.root)

    def start() -> None:
        for path in blobs:
            os.unlink(f"{builder.root}/{path}")

    disk = MeanwhileDisk("solo/v1", start)
    receipt = carry_out(plan_for(builder.root, to_trash(*SOLO.models)), disk=disk)
    assert receipt.done
    carry_out(plan_for(builder.root, Restore(entry=receipt.id)))
    assert tree(builder.root) == before


def test_an_undo_that_finds_blobs_deleted_names_the_models(builder: StoreBuilder) -> None:
    """As an earlier release left it: the manifest is set aside, and Ollama started before the next run."""
    aside = Path(builder.root, ".prunella/staging/20260922T141320-9d5504")
    manifest = "manifests/registry.ollama.ai/team/solo/v1"
    blob = plan_for(builder.root, SOLO).blobs[0].file.path
    (aside / manifest).parent.mkdir(parents=True)
    os.rename(f"{builder.root}/{manifest}", aside / manifest)
    (aside / "record.json").write_text(f'{{"files": ["{manifest}", "{blob}"]}}')
    os.unlink(f"{builder.root}/{blob}")
    assert any("team/solo:v1 misses blobs" in note for note in recover(builder.root).notes)
    assert not has_unfinished(open_store(builder.root))


def test_an_undo_in_the_same_run_names_them_too(builder: StoreBuilder) -> None:
    def lose() -> None:
        for folder in (Path(builder.root, "blobs"), *Path(builder.root).glob(".prunella/staging/*/blobs")):
            for name in os.listdir(folder):
                if f"blobs/{name}" in planned(plan):
                    os.unlink(f"{folder}/{name}")

    plan = plan_for(builder.root, SOLO)
    disk = MeanwhileDisk("solo/v1", lose)
    receipt = carry_out(plan, disk=disk, cancelled=lambda: disk.event is None)
    assert receipt.cancelled
    assert any("team/solo:v1 misses blobs" in error.message for error in receipt.errors)


def test_a_removal_that_is_interrupted_while_it_sets_aside_is_undone(builder: StoreBuilder) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    before = tree(builder.root)
    for name in ("link", "move", "settle"):
        with pytest.raises(KeyboardInterrupt):
            carry_out(plan_for(builder.root, BOTH), disk=MeanwhileDisk("", interrupt, name))
        assert tree(builder.root) == before


def test_a_restore_that_is_cancelled_leaves_all_in_the_trash(builder: StoreBuilder) -> None:
    entry = remove(builder.root, *BOTH.models)
    before = tree(builder.root)
    asked = iter(range(100))
    receipt = carry_out(plan_for(builder.root, Restore(entry=entry.id)), cancelled=lambda: next(asked) == 6)
    assert receipt.cancelled
    assert not receipt.removed
    assert tree(builder.root) == before


def test_the_manifest_is_not_needed_where_it_could_not_be_moved(builder: StoreBuilder) -> None:
    """Its blobs keep their names at every instant."""
    plan = plan_for(builder.root, SOLO)
    blobs = {item.file.path for item in plan.blobs}

    class Stuck(FailingDisk):
        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            assert name != "move" or os.path.relpath(path, builder.root) not in blobs
            super().watch(name, path, change)

    with pytest.raises(Refused, match="Permission denied"):
        carry_out(plan, disk=Stuck("move", "solo/v1"))
    assert blobs <= set(tree(builder.root))
