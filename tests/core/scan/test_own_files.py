"""What Prunella keeps in a store: files of ours that cannot be read, and links of ours that are not those of others."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from prunella_core.inventory.problems import advice
from prunella_core.inventory.records import Inventory
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Empty, PruneClass, Restore
from prunella_core.sample import StoreBuilder
from prunella_core.space import space_of
from stores import NOW, WatchedDisk, carry_out, look, plan_for, prune, remove, small_store, to_trash

NOBODY = 65534


@pytest.fixture
def builder() -> Iterator[StoreBuilder]:
    """The small store in a folder that any user may enter, with a model in the trash."""
    folder = tempfile.mkdtemp(prefix="prunella-test-", dir="/tmp" if os.geteuid() == 0 else None)
    os.chmod(folder, 0o755)
    builder = small_store(f"{folder}/store")
    remove(builder.root, "team/solo:v1")
    yield builder
    shutil.rmtree(folder)


@contextmanager
def nobody() -> Iterator[None]:
    """Be a user with no rights here, whoever runs the tests."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def look_at_closed(builder: StoreBuilder, path: str) -> Inventory:
    """Scan while ``path`` may not be read."""
    closed = Path(builder.root, path)
    mode = closed.stat().st_mode & 0o7777
    closed.chmod(0)
    try:
        with nobody():
            return look(builder.root)
    finally:
        closed.chmod(mode)


def own_problems(inventory: Inventory) -> list[tuple[str, str, bool]]:
    """The problems of our own files: path, kind, and whether they block."""
    return [
        (problem.path, problem.kind, problem.blocks_prune)
        for problem in inventory.problems
        if problem.path.startswith(".prunella")
    ]


def test_pins_that_cannot_be_read_pin_every_model(builder: StoreBuilder) -> None:
    builder.file(".prunella/pins", "base\n")
    assert {model.name for model in look(builder.root).models if model.is_pinned} == {"base:latest"}
    found = look_at_closed(builder, ".prunella/pins")
    assert own_problems(found) == [(".prunella/pins", "pins-unreadable", False)]
    assert found.has_problem("pins-unreadable")
    assert all(model.is_pinned for model in found.models)


def test_a_trash_that_cannot_be_read_is_a_problem(builder: StoreBuilder) -> None:
    found = look_at_closed(builder, ".prunella/trash")
    assert own_problems(found) == [(".prunella/trash", "trash-unreadable", False)]
    assert found.has_problem("trash-unreadable")
    assert found.trash == ()


def test_an_entry_or_a_manifest_in_the_trash_that_cannot_be_read_is_a_problem(builder: StoreBuilder) -> None:
    (entry,) = look(builder.root).trash
    manifest = entry.models[0].manifest.path
    for path in (f".prunella/trash/{entry.id}", manifest):
        found = look_at_closed(builder, path)
        assert own_problems(found) == [(path, "trash-unreadable", False)]
        assert found.has_problem("trash-unreadable")


def test_while_they_cannot_be_read_nothing_in_the_trash_and_no_model_is_pruned(builder: StoreBuilder) -> None:
    remove(builder.root, "derived:latest")
    entry = look(builder.root).trash[0].id
    found = look_at_closed(builder, f".prunella/trash/{entry}/blobs")
    plan = make_plan(found, Empty(), NOW)
    assert plan.files == ()
    assert {held.reason for held in plan.held_back} == {
        "the trash cannot be read as a whole: another entry may need it"
    }
    builder.file(".prunella/pins", "nothing\n")
    plan = make_plan(look_at_closed(builder, ".prunella/pins"), prune(0, PruneClass.MODEL), NOW)
    assert plan.models == ()
    assert [held.reason for held in plan.held_back] == ["base:latest may be pinned: the pins cannot be read"]


def test_a_folder_of_ours_that_cannot_be_read_ends_no_scan(builder: StoreBuilder) -> None:
    found = look_at_closed(builder, ".prunella")
    kinds = {kind for _path, kind, _blocks in own_problems(found)}
    assert {"pins-unreadable", "trash-unreadable"} <= kinds
    assert {model.name for model in found.models} == {"base:latest", "derived:latest"}
    for problem in found.problems:
        assert advice(problem, builder.root).fix


def test_a_damaged_manifest_in_the_trash_is_no_unreadable_one(builder: StoreBuilder) -> None:
    (entry,) = look(builder.root).trash
    builder.file(entry.models[0].manifest.path, "{")
    assert not look(builder.root).has_problem("trash-unreadable")


@pytest.mark.parametrize("folder", ["staging/20260101T000000-ab", "removing/20260101T000000-ab", "guard"])
def test_links_of_ours_are_not_links_of_others(builder: StoreBuilder, folder: str) -> None:
    before = look(builder.root)
    for path in [file.path for blob in before.blobs for file in blob.files if file.path.startswith("blobs/")]:
        held = f"{builder.root}/.prunella/{folder}/{path}"
        os.makedirs(os.path.dirname(held), exist_ok=True)
        os.link(f"{builder.root}/{path}", held)
    after = look(builder.root)
    assert {file.links for blob in after.blobs for file in blob.files} == {1}
    assert space_of(after).models == space_of(before).models


def test_a_link_of_somebody_else_still_counts(builder: StoreBuilder) -> None:
    blob = look(builder.root).blobs_of(look(builder.root).model_by_name["base:latest"])[0]
    path = f"{builder.root}/{blob.files[0].path}"
    for name in ("elsewhere", ".prunella/staging/x/blobs/held", ".prunella/staging/x/aside/held"):
        os.makedirs(os.path.dirname(f"{builder.root}/{name}"), exist_ok=True)
        os.link(path, f"{builder.root}/{name}")
    assert os.stat(path).st_nlink == 4
    assert look(builder.root).blob_by_key[blob.key].files[0].links == 2


def frees(root: str) -> dict[str, int]:
    """What each model frees, by its name."""
    return {name: usage.frees for name, usage in space_of(look(root)).models.items()}


def test_at_every_change_of_a_removal_what_stays_frees_what_it_did(builder: StoreBuilder) -> None:
    """A manifest that is set aside still needs its blobs: it comes back unless it is decided."""
    before = frees(builder.root)
    seen: list[dict[str, int]] = []

    class Looking(WatchedDisk):
        is_decided = False

        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            seen.extend([] if self.is_decided else [frees(builder.root)])
            change()
            self.is_decided |= name == "move" and os.path.basename(os.path.dirname(path)) == "staging"

    carry_out(plan_for(builder.root, to_trash("base:latest")), disk=Looking())
    assert len(seen) > 5
    assert [now for now in seen if not now.items() <= before.items()] == []
    assert frees(builder.root)["derived:latest"] > before["derived:latest"], "it is the only one that needs them now"


def test_at_every_change_of_a_restore_what_is_back_frees_what_it_will(builder: StoreBuilder) -> None:
    (entry,) = look(builder.root).trash
    seen: list[dict[str, int]] = []

    class Looking(WatchedDisk):
        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            seen.append(frees(builder.root))
            change()

    carry_out(plan_for(builder.root, Restore(entry=entry.id)), disk=Looking())
    after = frees(builder.root)
    assert any("team/solo:v1" in now for now in seen)
    assert [now for now in seen if not now.items() <= after.items()] == []
