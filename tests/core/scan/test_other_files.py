"""What lies in a store and is not Ollama's: counted once, on one device, and nothing of it is followed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from prunella_core.base.errors import Cancelled
from prunella_core.sample import StoreBuilder
from prunella_core.scan import scan
from prunella_core.scan.other import other_files
from prunella_core.space.totals import totals
from recordings import RECORDED, Recorded
from stores import disk_use, look, remove, small_store


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    return small_store(tmp_path / "store")


def test_a_store_that_is_all_ollamas_has_none(builder: StoreBuilder) -> None:
    assert other_files(look(builder.root)).entries == ()


def test_the_largest_entries_of_the_root_come_first(builder: StoreBuilder) -> None:
    builder.file("notes.txt", "x").file("mine/a", "x" * 9_000).file("mine/deep/b", "x" * 5_000)
    other = other_files(look(builder.root))
    assert other.entries == (("mine", 12_288 + 8_192), ("notes.txt", 4_096))
    assert other.notes == ()


def test_nothing_is_counted_twice_or_followed(builder: StoreBuilder, tmp_path: Path) -> None:
    blob = look(builder.root).model_by_name["base:latest"].layers[1]
    builder.file("mine/a", "x")
    os.link(f"{builder.root}/mine/a", f"{builder.root}/also")
    os.link(builder.blob_path(blob.digest), f"{builder.root}/mine/held")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "large").write_text("x" * 100_000)
    os.symlink("../outside", f"{builder.root}/way")
    assert other_files(look(builder.root)).allocated == 4_096


def test_what_is_ours_is_among_it_but_for_the_trash(builder: StoreBuilder) -> None:
    remove(builder.root, "base:latest")
    builder.file(".prunella/pins", "base")
    assert other_files(look(builder.root)).entries == ((".prunella", 4_096),)


def test_it_can_be_cancelled(builder: StoreBuilder) -> None:
    with pytest.raises(Cancelled):
        other_files(look(builder.root), lambda: True)


@pytest.mark.parametrize("name", sorted(folder.name for folder in RECORDED.iterdir()))
def test_all_of_a_recorded_store_is_accounted_for(recorded: Callable[[str], Recorded], name: str) -> None:
    recording = recorded(name)
    inventory = scan(recording.store, recording.now)
    assert totals(inventory).allocated + other_files(inventory).allocated == disk_use(recording.store.root)
