"""What hardly ever happens to an operation: each line of it has been seen to do what it says."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from prunella_core.apply import has_unfinished
from prunella_core.base.errors import Refused
from prunella_core.plan.records import Empty, Receipt, Restore
from prunella_core.sample import StoreBuilder
from stores import (
    BOTH,
    SOLO,
    FailingDisk,
    MeanwhileDisk,
    WatchedDisk,
    broken_models,
    carry_out,
    for_good,
    look,
    open_store,
    plan_for,
    planned,
    recover,
    remove,
    set_aside,
    to_trash,
    tree,
)


class Refusing(WatchedDisk):
    """Fails at a change called ``name`` whose path has ``part``, from the ``start``-th to the ``end``-th."""

    def __init__(self, name: str, part: str, start: int = 1, end: int = 1) -> None:
        self.name, self.part, self.met, self.range = name, part, 0, range(start, end + 1)

    def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
        if name == self.name and self.part in path:
            self.met += 1
            if self.met in self.range:
                raise OSError(errno.EIO, "Input/output error", path)
        change()


def test_what_is_given_a_second_name_is_compared_at_once(builder: StoreBuilder) -> None:
    """Later the planned file may be back in its place, and another one would be set aside."""
    path = Path(max(plan_for(builder.root, SOLO).blobs, key=lambda item: item.file.size).file.path)
    path, kept = Path(builder.root, path), Path(builder.root, "kept")

    class Swapped(WatchedDisk):
        def link(self, source: str, target: str) -> None:
            if source == str(path):
                os.rename(path, kept)
                path.write_text("another")
            super().link(source, target)
            if source == str(path):
                os.rename(kept, path)

    before = path.read_bytes()
    receipt = carry_out(plan_for(builder.root, SOLO), disk=Swapped())
    assert any("changed meanwhile" in error.message for error in receipt.errors)
    assert path.read_bytes() == before


def test_blobs_that_stay_need_no_second_name_where_there_is_none(builder: StoreBuilder) -> None:
    assert carry_out(
        plan_for(builder.root, for_good(models=("base:latest",))), disk=FailingDisk("link", code=errno.EPERM)
    ).done
    assert broken_models(builder.root) == {}


def test_what_ollama_deletes_meanwhile_stays_with_the_model_that_shared_it(builder: StoreBuilder) -> None:
    both, one = (plan_for(builder.root, for_good(models=names)) for names in (BOTH.models, ("base:latest",)))
    blobs = {item.file.path for item in both.blobs} & {
        file.path
        for need in look(builder.root).model_by_name["base:latest"].needs
        for file in look(builder.root).blob_by_key[need].files
    } - {item.file.path for item in one.blobs}

    def remove_the_other() -> None:
        os.unlink(f"{builder.root}/{builder.manifest_path('derived')}")
        for blob in blobs:
            os.unlink(f"{builder.root}/{blob}")

    disk = MeanwhileDisk("library/base", remove_the_other)
    assert carry_out(one, disk=disk).removed
    assert set_aside(builder.root) == set()


def test_what_stays_with_another_model_is_not_in_the_trash_too(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, to_trash("base:latest"))
    receipt = carry_out(plan)
    folder = Path(builder.root, ".prunella/trash", receipt.id)
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == planned(plan) | {"record.json"}


@pytest.mark.parametrize("cancelled_at", [1, 3])
def test_in_place_it_stops_where_it_is_cancelled(builder: StoreBuilder, cancelled_at: int) -> None:
    asked = iter(range(1, 100))
    disk = FailingDisk("write", code=errno.ENOSPC)
    receipt = carry_out(plan_for(builder.root, BOTH), disk=disk, cancelled=lambda: next(asked) >= cancelled_at)
    assert receipt.cancelled
    assert len(receipt.removed) == cancelled_at - 1


def test_in_place_no_folder_is_removed_behind_a_link(builder: StoreBuilder, tmp_path: Path) -> None:
    shutil.move(f"{builder.root}/manifests", tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", f"{builder.root}/manifests")
    assert carry_out(plan_for(builder.root, SOLO)).done
    assert (tmp_path / "elsewhere/registry.ollama.ai/team/solo").is_dir()


def test_in_place_the_trash_is_emptied_file_by_file(builder: StoreBuilder) -> None:
    remove(builder.root, *BOTH.models)
    receipt = carry_out(plan_for(builder.root, Empty()), disk=FailingDisk("make_folder", code=errno.ENOSPC))
    assert receipt.done
    assert len(receipt.removed) == len(receipt.plan.files) > 1


def test_a_link_in_place_of_what_was_set_aside_is_nothing_unfinished(builder: StoreBuilder, tmp_path: Path) -> None:
    os.makedirs(tmp_path / "outside/some")
    os.makedirs(f"{builder.root}/.prunella")
    os.symlink(tmp_path / "outside", f"{builder.root}/.prunella/staging")
    assert not has_unfinished(open_store(builder.root))


# A restore


def restored(builder: StoreBuilder, disk: WatchedDisk) -> Receipt:
    entry = remove(builder.root, *BOTH.models)
    return carry_out(plan_for(builder.root, Restore(entry=entry.id)), disk=disk)


def test_a_restore_that_only_cannot_remove_its_own_names_is_done_but_for_them(builder: StoreBuilder) -> None:
    before = tree(builder.root)
    receipt = restored(builder, Refusing("unlink", ".prunella/trash/", 1, 100))
    assert "halfway" in receipt.errors[0].message
    assert len(receipt.removed) == len(receipt.plan.files)
    recover(builder.root)
    assert tree(builder.root) == before


def test_a_restore_that_can_be_neither_ended_nor_undone_says_what_came(builder: StoreBuilder) -> None:
    before = tree(builder.root)
    receipt = restored(builder, Refusing("move", "", 2, 100))
    assert "halfway" in receipt.errors[0].message
    assert 0 < len(receipt.removed) < len(receipt.plan.files)
    recover(builder.root)
    assert broken_models(builder.root) == {}
    assert set_aside(builder.root) <= {"trash"}
    assert before.keys() >= {path for path in tree(builder.root) if not path.startswith(".prunella")}


def test_a_restore_that_is_interrupted_is_undone(builder: StoreBuilder) -> None:
    entry = remove(builder.root, *BOTH.models)
    before = tree(builder.root)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(plan_for(builder.root, Restore(entry=entry.id)), disk=MeanwhileDisk("library", interrupt))
    assert tree(builder.root) == before


def test_what_is_left_of_a_restored_entry_is_an_error_and_goes_with_the_next_run(builder: StoreBuilder) -> None:
    before = tree(builder.root)
    receipt = restored(builder, Refusing("unlink", "record.json"))
    assert "its rest stays" in receipt.errors[-1].message
    recover(builder.root)
    assert tree(builder.root) == before


def test_a_note_that_is_none_of_ours_is_refused(builder: StoreBuilder) -> None:
    os.makedirs(f"{builder.root}/.prunella")
    Path(builder.root, ".prunella/restoring.json").write_text('[["2e2e2f78", "2e2e2f79"]]')
    with pytest.raises(Refused, match="not what Prunella writes"):
        recover(builder.root)


def test_a_note_that_cannot_be_written_refuses_the_restore(builder: StoreBuilder) -> None:
    entry = remove(builder.root, *BOTH.models)
    before = tree(builder.root)
    with pytest.raises(Refused, match="cannot write"):
        carry_out(plan_for(builder.root, Restore(entry=entry.id)), disk=FailingDisk("write", code=errno.ENOSPC))
    assert tree(builder.root) == before
