"""Space: the one engine for bytes, held to walks of the disk that share no code with it."""

import os
import stat
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from prunella_core.sample import StoreBuilder
from prunella_core.space import Holder, Space, space_of
from recipes import Recipe, built, recipes
from stores import DAY, NOW, carry_out, disk_use, entries, look, plan_for, remove, small_store, to_trash


def model(name: str) -> Holder:
    return Holder("model", f"{name}:latest")


def freed_by_hand(root: str, paths: set[str]) -> int:
    """What unlinking exactly these paths gives back, by lstat alone."""
    gone: Counter[tuple[int, int]] = Counter()
    freed = 0
    for path in sorted(paths):
        status = os.lstat(f"{root}/{path}")
        gone[status.st_dev, status.st_ino] += 1
        if gone[status.st_dev, status.st_ino] == status.st_nlink:
            freed += status.st_blocks * 512
    return freed


def paths_of(space: Space, gone: set[Holder]) -> set[str]:
    return {file.path for cell in space.cells if cell.holders <= gone for file in cell.files}


@settings(max_examples=120, deadline=None)
@given(recipes(), st.data())
def test_what_any_holders_free_is_what_unlinking_their_files_gives_back(recipe: Recipe, data: st.DataObject) -> None:
    with built(recipe) as (builder, _top):
        space = space_of(look(builder.root))
        holders = sorted(space.of)
        selection = space.selection()
        for _change in range(3):
            gone = set(data.draw(st.lists(st.sampled_from(holders), unique=True))) if holders else set()
            selection.remove(*(selection.gone - gone))
            selection.add(*gone)
            expected = freed_by_hand(builder.root, paths_of(space, gone))
            assert selection.frees == space.frees(gone) == expected
            more = set(data.draw(st.lists(st.sampled_from(holders), unique=True))) if holders else set()
            assert selection.gain(more) == freed_by_hand(builder.root, paths_of(space, gone | more)) - expected
            assert selection.frees == expected
            assert {id(cell) for cell in selection.leaving()} == {id(c) for c in space.cells if c.holders <= gone}
            kept = {id(cell) for cell in space.cells if cell.holders & gone and not cell.holders <= gone}
            assert {id(cell) for cell in selection.kept()} == kept


@settings(max_examples=80, deadline=None)
@given(recipes())
def test_every_file_is_in_one_cell_and_every_inode_counts_once(recipe: Recipe) -> None:
    with built(recipe) as (builder, _top):
        space = space_of(look(builder.root))
        paths = [file.path for cell in space.cells for file in cell.files]
        there = {path for path, status in entries(builder.root) if not stat.S_ISDIR(status.st_mode)}
        there = {path for path in there if not path.startswith("mine")}
        assert len(paths) == len(set(paths))
        assert set(paths) == there
        whole = sum(
            {os.lstat(f"{builder.root}/{p}").st_ino: os.lstat(f"{builder.root}/{p}").st_blocks for p in there}.values()
        )
        assert sum(space.partition(lambda cell: cell.kind).values()) == whole * 512
        for name, usage in space.models.items():
            assert usage.frees == freed_by_hand(builder.root, paths_of(space, {Holder("model", name)}))
            files = {file.path for cell in space.of[Holder("model", name)] for file in cell.files}
            inodes = {os.lstat(f"{builder.root}/{path}").st_ino: path for path in files}
            assert usage.allocated == sum(os.lstat(f"{builder.root}/{p}").st_blocks * 512 for p in inodes.values())


def two_names(tmp_path: Path) -> tuple[StoreBuilder, int]:
    """Two models with weights of their own that are one file on the disk, and what that takes."""
    builder = StoreBuilder(str(tmp_path / "store"), NOW)
    config = builder.config(age=DAY)
    first = builder.layer("weights", "x" * 50_000, age=DAY)
    second = builder.layer("weights", "y", age=DAY)
    os.unlink(builder.blob_path(second.digest))
    os.link(builder.blob_path(first.digest), builder.blob_path(second.digest))
    builder.model("one", first, config=config, age=DAY).model("two", second, config=config, age=DAY)
    return builder, os.stat(builder.blob_path(first.digest)).st_blocks * 512


def test_one_file_in_two_cells_is_freed_with_the_last(tmp_path: Path) -> None:
    builder, size = two_names(tmp_path)
    space = space_of(look(builder.root))
    assert space.models["one:latest"].frees == space.models["two:latest"].frees == 4_096
    assert space.models["one:latest"].allocated == size + 2 * 4_096
    assert space.frees([model("one"), model("two")]) == disk_use(builder.root)
    assert sum(space.partition(lambda cell: cell.kind).values()) == disk_use(builder.root)


def test_one_file_in_the_trash_and_in_the_store_is_freed_with_both(tmp_path: Path) -> None:
    builder, size = two_names(tmp_path)
    entry = remove(builder.root, "one:latest")
    space = space_of(look(builder.root), "delete")
    trash, two = Holder("trash", entry.id), model("two")
    assert space.frees([trash]) < size
    assert space.frees([two]) < size
    assert space.frees([trash, two]) > size
    assert sum(space.partition(lambda cell: cell.kind).values()) == disk_use(builder.root)


def test_one_file_outside_the_store_is_not_freed(tmp_path: Path) -> None:
    builder, size = two_names(tmp_path)
    os.link(next(Path(builder.root, "blobs").iterdir()), tmp_path / "mine")
    os.link(builder.blob_path(look(builder.root).model_by_name["one:latest"].layers[0].digest), tmp_path / "weights")
    assert space_of(look(builder.root)).frees([model("one"), model("two")]) < disk_use(builder.root) - size + 4_096


def test_what_a_link_leads_to_is_held_by_that_link_over_every_hop(tmp_path: Path) -> None:
    builder = StoreBuilder(str(tmp_path / "store"), NOW)
    target = builder.layer("weights", "target" * 2_000, age=DAY).digest
    name = os.path.basename(builder.blob_path(target))
    digests = [f"sha256:{letter * 64}" for letter in "ab"]
    for digest, leads_to in zip(digests, (f"sha256-{'b' * 64}", name), strict=True):
        builder.link(f"blobs/{digest.replace(':', '-')}", leads_to)
    space = space_of(look(builder.root))
    rows = [Holder("blob", key) for key in (target, *digests)]
    assert space.cell_of[target].holders == set(rows)
    links = sum(space.frees([row]) for row in rows[1:2])
    assert space.frees(rows[:1]) == space.frees([rows[0], rows[2]]) == 0
    assert space.frees(rows[:2]) == links
    assert space.frees(rows) == disk_use(builder.root)


def test_the_trash_holds_what_it_needs_only_where_that_is_deleted_for_good(tmp_path: Path) -> None:
    builder = small_store(tmp_path / "store")
    entry = remove(builder.root, "base:latest")
    inventory = look(builder.root)
    weights = next(blob for blob in inventory.blobs if blob.kind == "weights" and "derived:latest" in blob.models)
    both = [model("derived"), Holder("trash", entry.id)]
    assert space_of(inventory).frees(both[:1]) > weights.allocated
    assert space_of(inventory, "delete").frees(both[:1]) < weights.allocated
    assert space_of(inventory, "delete").frees(both) > weights.allocated


def test_entries_of_the_trash_hold_what_they_need_of_each_other(tmp_path: Path) -> None:
    builder = small_store(tmp_path / "store")
    first = remove(builder.root, "base:latest")
    second = remove(builder.root, "derived:latest", now=NOW + DAY)
    space = space_of(look(builder.root), "delete")
    alone = [space.frees([Holder("trash", entry.id)]) for entry in (first, second)]
    together = space.frees([Holder("trash", first.id), Holder("trash", second.id)])
    assert together > sum(alone) + 40_000
    trash = Path(builder.root, ".prunella/trash")
    assert together == disk_use(trash)


def test_removing_a_model_tells_what_measuring_tells(tmp_path: Path) -> None:
    builder = small_store(tmp_path / "store")
    frees = space_of(look(builder.root)).models["team/solo:v1"].frees
    assert carry_out(plan_for(builder.root, to_trash("team/solo:v1"))).trashed == frees
