"""Who shares with whom, and a map in which every byte of the store is in one place."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunella_core.inventory.records import Inventory
from prunella_core.plan.build import make_plan
from prunella_core.sample import StoreBuilder
from prunella_core.scan.system import other_files
from prunella_core.space import space_of
from prunella_core.space.totals import Area, AreaKind, areas, families, sharers, totals
from recipes import Recipe, built, recipes
from stores import DAY, NOW, disk_use, for_good, look, remove, small_store

OF_MODELS = {AreaKind.FAMILY, AreaKind.MODEL, AreaKind.COMMON, AreaKind.BROKEN}


def by_kind(found: tuple[Area, ...]) -> dict[str, int]:
    """The bytes of each kind of area."""
    sums: dict[str, int] = {}
    for area in found:
        sums[area.kind] = sums.get(area.kind, 0) + area.allocated
    return sums


def check_map(inventory: Inventory, root: str) -> None:
    """Every byte of the store is in one area, and in the one that ``totals`` says."""
    found, sums = areas(inventory), totals(inventory)
    kinds = by_kind(found)
    assert sum(kinds.values()) == sums.allocated == disk_use(root) - other_files(inventory).allocated
    assert sum(kinds.get(kind, 0) for kind in OF_MODELS) == sums.exclusive + sums.shared
    for kind in ("unreferenced", "partial", "leftover", "stray"):
        assert kinds.get(kind, 0) == getattr(sums, kind)
    assert kinds.get("trash", 0) == sums.trashed
    for area in found:
        assert area.allocated > 0
        assert not area.parts or sum(part.allocated for part in area.parts) == area.allocated


@settings(max_examples=60, deadline=None)
@given(recipes(), st.data())
def test_the_map_holds_every_byte_once(recipe: Recipe, data: st.DataObject) -> None:
    with built(recipe) as (builder, _top):
        inventory = look(builder.root)
        check_map(inventory, builder.root)
        found = families(space_of(inventory))
        assert sorted(name for family in found for name in family) == sorted(inventory.model_by_name)
        names = data.draw(st.lists(st.sampled_from(sorted(inventory.model_by_name)), unique=True)) if found else []
        plan = make_plan(inventory, for_good(models=tuple(names)), NOW)
        if not plan.blocked:
            assert space_of(inventory).frees_models(names) == plan.reclaims


def test_what_shares_is_one_family_and_the_rest_lies_apart(tmp_path: Path) -> None:
    builder = small_store(tmp_path / "models")
    builder.manifest("broken", "{", age=DAY)
    remove(builder.root, "team/solo:v1")
    inventory = look(builder.root)
    check_map(inventory, builder.root)
    first, *others = areas(inventory)
    assert (first.kind, set(first.models)) == (AreaKind.FAMILY, {"base:latest", "derived:latest"})
    assert {(part.kind, part.models) for part in first.parts} == {
        (AreaKind.SHARED, ("base:latest", "derived:latest")),
        (AreaKind.MODEL, ("base:latest",)),
        (AreaKind.MODEL, ("derived:latest",)),
    }
    assert [area.kind.value for area in others] == [
        *("broken", "unreferenced", "partial", "leftover", "stray", "trash"),
    ]
    (family,) = families(space_of(inventory))
    assert family == ("derived:latest", "base:latest")


@pytest.fixture
def licensed(tmp_path: Path) -> StoreBuilder:
    """Three models with weights of their own and one licence; a fourth that shares weights by a chain."""
    builder = StoreBuilder(str(tmp_path / "models"), NOW)
    licence = builder.layer("license", "Do as you like.")
    weights = [builder.layer("weights", str(number), size=900_000, written=900_000) for number in range(4)]
    needed = {"a": weights[:2], "b": weights[1:3], "c": weights[2:3], "apart": weights[3:]}
    for name, own in needed.items():
        builder.model(name, *own, licence, config=builder.config(model_type=name))
    return builder


def test_a_licence_makes_no_family_and_a_chain_does(licensed: StoreBuilder) -> None:
    inventory = look(licensed.root)
    check_map(inventory, licensed.root)
    assert [set(family) for family in families(space_of(inventory))] == [
        {"a:latest", "b:latest", "c:latest"},
        {"apart:latest"},
    ]
    (common,) = (area for area in areas(inventory) if area.kind is AreaKind.COMMON)
    assert common.allocated == 4096
    assert common.parts[0].models == ("a:latest", "apart:latest", "b:latest", "c:latest")


def test_many_small_blobs_that_the_same_models_share_tie_them_together(tmp_path: Path) -> None:
    builder = StoreBuilder(str(tmp_path / "models"), NOW)
    tensors = [builder.layer("tensor", f"{number}" * 3_000) for number in range(150)]
    for name in ("one", "two"):
        builder.model(name, *tensors, *(builder.layer("tensor", f"{name} {number}") for number in range(150)))
    (family,) = families(space_of(look(builder.root)))
    assert len(family) == 2


def test_sharers_say_what_and_how_much_both_would_free(licensed: StoreBuilder) -> None:
    inventory = look(licensed.root)
    with_b = sharers(inventory, "b:latest")
    assert [(sharer.name, len(sharer.blobs)) for sharer in with_b] == [
        ("a:latest", 2),
        ("c:latest", 2),
        ("apart:latest", 1),
    ]
    for sharer in with_b:
        removal = for_good(models=("b:latest", sharer.name), force=True)
        assert sharer.together == make_plan(inventory, removal, NOW).reclaims
        assert sharer.shared == sum(blob.allocated for blob in sharer.blobs)
        assert sharer.blobs == next(s for s in sharers(inventory, sharer.name) if s.name == "b:latest").blobs
    assert sharers(look(licensed.root), "apart:latest")[0].shared == 4096
