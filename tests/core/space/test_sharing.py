"""Which models share blobs: from the largest shared blobs down, up to 20 names, and how many there are."""

import random
from pathlib import Path

import pytest

from inventories import make_inventory, random_facts
from prunella_core.inventory.records import Inventory, Model
from prunella_core.sample import StoreBuilder
from prunella_core.space import MOST_NAMED, Sharing, space_of
from stores import NOW, look


def plainly(inventory: Inventory, model: Model) -> Sharing:
    """The same by the words of the rule, without regard to time."""
    sizes: dict[tuple[str, ...], int] = {}
    for blob in inventory.blobs:
        if len(blob.models) > 1 and blob.removed_at is None:
            sizes[blob.models] = sizes.get(blob.models, 0) + blob.allocated
    mine = sorted((users for users in sizes if model.name in users), key=lambda users: (-sizes[users], users))
    names = [name for name in dict.fromkeys(name for users in mine for name in users) if name != model.name]
    return Sharing(tuple(names[:MOST_NAMED]), len(names))


def test_the_largest_shared_blobs_come_first(tmp_path: Path) -> None:
    builder = StoreBuilder(str(tmp_path), NOW)
    licence, weights = builder.layer("license", "MIT"), builder.layer("weights", "w" * 100_000)
    for name in ("a", "b", "c"):
        builder.model(name, licence, config=builder.config(model_type=name))
    for name in ("z", "m"):
        builder.model(name, licence, weights, config=builder.config(model_type=name))
    inventory = look(tmp_path)
    assert space_of(inventory).shared_with("m:latest") == Sharing(("z:latest", "a:latest", "b:latest", "c:latest"), 4)


def test_many_sharers_are_counted_and_few_are_named(tmp_path: Path) -> None:
    builder = StoreBuilder(str(tmp_path), NOW)
    licence, config = builder.layer("license", "MIT"), builder.config()
    for number in range(50):
        builder.model(f"m{number:02}", licence, config=config)
    inventory = look(tmp_path)
    for model in (inventory.models[0], inventory.models[30]):
        sharing = space_of(inventory).shared_with(model.name)
        assert sharing.count == 49
        assert sharing.names == tuple(other.name for other in inventory.models if other is not model)[:MOST_NAMED]


@pytest.mark.parametrize("seed", range(20))
def test_it_is_what_the_rule_says(seed: int) -> None:
    inventory = make_inventory(random_facts(random.Random(seed), models=40, rubbish=3))
    for model in inventory.models:
        assert space_of(inventory).shared_with(model.name) == plainly(inventory, model)
