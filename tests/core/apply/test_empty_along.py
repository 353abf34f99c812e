"""A removal that empties entries of the trash along, and what stays of a blob that lies there more than once."""

from pathlib import Path

import pytest

from prunella_core.base.errors import NotFound
from prunella_core.inventory.records import TrashEntry
from prunella_core.plan.records import Removal
from prunella_core.sample import StoreBuilder
from stores import (
    DAY,
    NOW,
    bring_back,
    broken_models,
    carry_out,
    disk_use,
    for_good,
    in_trash,
    look,
    plan_for,
    remove,
)

SOLO = "team/solo:v1"


def pull_solo(builder: StoreBuilder) -> None:
    """Let the server write again what ``team/solo:v1`` is."""
    builder.model(SOLO, builder.layer("weights", "solo weights" * 2_000), config=builder.config(model_type="3B"))


def copies(root: str) -> list[str]:
    """The entries in which the blobs of the trash lie."""
    return sorted(path.parts[-3] for path in Path(root, ".prunella/trash").glob("*/blobs/*"))


def test_models_blobs_and_entries_go_in_one(builder: StoreBuilder) -> None:
    entry = remove(builder.root, "derived:latest")
    partial = next(blob.key for blob in look(builder.root).blobs if blob.state == "partial")
    plan = plan_for(builder.root, for_good(models=("base:latest",), blobs=(partial,), entries=(entry.id,)))
    use = disk_use(builder.root)
    receipt = carry_out(plan)
    assert receipt.done
    assert receipt.freed == plan.reclaims == use - disk_use(builder.root)
    assert [model.name for model in look(builder.root).models] == [SOLO]
    assert (look(builder.root).trash, in_trash(builder.root)) == ((), set())


def test_what_goes_into_the_trash_empties_nothing(builder: StoreBuilder) -> None:
    entry = remove(builder.root, "derived:latest")
    request = Removal(models=(SOLO,), entries=(entry.id,), to_trash=True)
    assert plan_for(builder.root, request).trashed == ()
    carry_out(plan_for(builder.root, request))
    bring_back(builder.root, entry)
    assert broken_models(builder.root) == {}


def test_entries_that_are_not_there_are_not_found(builder: StoreBuilder) -> None:
    with pytest.raises(NotFound):
        plan_for(builder.root, for_good(entries=("nothing",)))


@pytest.fixture
def twice(builder: StoreBuilder) -> list[TrashEntry]:
    """Two removals of the same model, which was pulled again between them."""
    older = remove(builder.root, SOLO, now=NOW)
    pull_solo(builder)
    return [older, remove(builder.root, SOLO, now=NOW + DAY)]


@pytest.mark.parametrize("emptied", [0, 1])
def test_of_two_copies_that_of_the_entry_that_stays_stays(
    builder: StoreBuilder, twice: list[TrashEntry], emptied: int
) -> None:
    going, staying = twice[emptied], twice[1 - emptied]
    carry_out(plan_for(builder.root, for_good(entries=(going.id,)), NOW + DAY))
    assert set(copies(builder.root)) == {staying.id}
    assert [entry.id for entry in look(builder.root).trash] == [staying.id]
    bring_back(builder.root, staying)
    assert broken_models(builder.root) == {}


def test_where_both_copies_go_and_a_third_removal_needs_one_the_newer_stays(
    builder: StoreBuilder, twice: list[TrashEntry]
) -> None:
    pull_solo(builder)
    builder.model("alias", *[builder.layer("weights", "solo weights" * 2_000)], config=builder.config(model_type="3B"))
    third = remove(builder.root, "alias:latest", now=NOW + 2 * DAY)
    assert third.needs == twice[0].needs
    assert set(copies(builder.root)) == {entry.id for entry in twice}
    request = for_good(entries=tuple(entry.id for entry in twice), models=(SOLO,))
    carry_out(plan_for(builder.root, request, NOW + 3 * DAY))
    assert in_trash(builder.root) | {blob.key for blob in look(builder.root).blobs} >= third.needs
    bring_back(builder.root, third)
    assert broken_models(builder.root) == {}


def test_what_the_store_has_again_is_not_kept_for_another(builder: StoreBuilder, twice: list[TrashEntry]) -> None:
    pull_solo(builder)
    plan = plan_for(builder.root, for_good(entries=(twice[0].id,)), NOW + DAY)
    assert {item.digest for item in plan.trashed if item.digest} == twice[0].needs
    carry_out(plan)
    assert set(copies(builder.root)) == {twice[1].id}
    carry_out(plan_for(builder.root, for_good(models=(SOLO,)), NOW + DAY))
    bring_back(builder.root, twice[1])
    assert broken_models(builder.root) == {}
