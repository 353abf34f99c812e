"""What a scan knows before its end, and that the early look at the models changes nothing of what it finds."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from prunella_core.inventory.records import Inventory, State
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Removal
from prunella_core.sample import StoreBuilder
from prunella_core.scan import Progress, scan
from stores import NOW, look, open_store, planned, prune, small_store, to_trash


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """The small store, with enough files beside it that a scan reports on the way."""
    builder = small_store(tmp_path / "store")
    for number in range(600):
        builder.file(f"blobs/COPY{number}", age=3_600)
    return builder


def parts_of(builder: StoreBuilder, meanwhile: Callable[[], object] = lambda: None) -> list[Inventory]:
    """What a scan that reads models first knows at each report, and at its end; ``meanwhile`` happens in between."""
    parts: list[Inventory] = []

    def report(progress: Progress) -> None:
        if not parts:
            meanwhile()
        parts.append(progress.so_far())

    whole = scan(open_store(builder.root), NOW, report, models_first=True)
    return [*parts, whole]


def test_models_first_finds_what_any_scan_finds(builder: StoreBuilder) -> None:
    *parts, whole = parts_of(builder)
    assert len(parts) >= 2
    assert replace(whole, disk_free=0) == replace(look(builder.root), disk_free=0)


def test_a_part_has_the_models_and_says_that_it_is_none_of_a_whole(builder: StoreBuilder) -> None:
    part = parts_of(builder)[0]
    assert [model.name for model in part.models] == [model.name for model in look(builder.root).models]
    assert not part.is_whole
    assert "unread" in {problem.kind for problem in part.blocking}
    assert "missing-blob" not in {problem.kind for problem in part.problems}


def test_what_a_scan_has_not_come_to_is_not_missing_but_unread(builder: StoreBuilder) -> None:
    for part in parts_of(builder)[:-1]:
        states = {blob.state for model in part.models for blob in part.blobs_of(model)}
        assert states <= {State.UNREAD, State.REFERENCED}


def test_nothing_that_could_be_needed_is_planned_on_a_part(builder: StoreBuilder) -> None:
    for part in parts_of(builder)[:-1]:
        pruned = planned(make_plan(part, prune(), NOW))
        assert not any(path.startswith("blobs/sha256") and "partial" not in path for path in pruned)
        removed = planned(make_plan(part, to_trash("base"), NOW))
        assert not any(path.startswith("blobs/") for path in removed)
        assert planned(make_plan(part, Removal(), NOW)) == set()


def test_a_manifest_that_changes_after_the_early_look_is_read_again(builder: StoreBuilder) -> None:
    path = os.path.join(builder.root, builder.manifest_path("team/solo:v1"))

    def take_over() -> None:
        with open(os.path.join(builder.root, builder.manifest_path("base")), "rb") as base:
            data = base.read()
        with open(path, "wb") as manifest:
            manifest.write(data)

    whole = parts_of(builder, take_over)[-1]
    assert whole.model_by_name["team/solo:v1"].needs == whole.model_by_name["base:latest"].needs


def test_a_manifest_that_comes_or_goes_after_the_early_look_is_seen(builder: StoreBuilder) -> None:
    def come_and_go() -> None:
        os.unlink(os.path.join(builder.root, builder.manifest_path("base")))
        builder.model("late", age=0)

    names = parts_of(builder, come_and_go)[-1].model_by_name
    assert "late:latest" in names
    assert "base:latest" not in names


def test_a_manifest_rewritten_within_the_clock_of_the_disk_is_read_again(builder: StoreBuilder) -> None:
    """Same size, same time, other bytes: only a manifest that had settled before the scan began is trusted."""
    path = os.path.join(builder.root, builder.manifest_path("team/solo:v1"))
    with open(path, "rb") as manifest:
        data = manifest.read()
    os.utime(path, (NOW, NOW))
    weights = builder.layer("weights", "other weights" * 2_000, age=3_600)
    solo = look(builder.root).model_by_name["team/solo:v1"].layers[1]

    def rewrite() -> None:
        with open(path, "r+b") as manifest:
            manifest.write(data.replace(solo.digest.encode(), weights.digest.encode()))
        os.utime(path, (NOW, NOW))

    assert weights.digest in parts_of(builder, rewrite)[-1].model_by_name["team/solo:v1"].needs
