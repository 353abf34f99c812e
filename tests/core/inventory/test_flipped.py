"""A missing digest that differs in a digit or two from that of an unreferenced blob: both names are shown."""

import os
import random

import pytest

from prunella_core.inventory.problems import advice, distance, flipped, flipped_in
from prunella_core.sample import StoreBuilder
from stores import DAY, look

DIGITS = "0123456789abcdef"


def changed(digest: str, *places: int) -> str:
    """The digest with other digits at these places."""
    text = list(digest)
    for place in places:
        text[7 + place] = DIGITS[DIGITS.index(text[7 + place]) ^ 1]
    return "".join(text)


@pytest.mark.parametrize("places", [(0,), (63,), (21, 22), (0, 63), (5, 30)])
def test_both_names_are_told(builder: StoreBuilder, places: tuple[int, ...]) -> None:
    weights = builder.layer("weights", "on a failing disk", age=DAY)
    builder.model("m", weights, age=DAY)
    other = changed(weights.digest, *places)
    os.rename(builder.blob_path(weights.digest), builder.blob_path(other))
    inventory = look(builder.root)
    assert flipped_in(inventory) == {other: weights.digest}
    (problem,) = (problem for problem in inventory.problems if problem.kind == "flipped-digit")
    assert problem.path == f"blobs/{other.replace(':', '-')}"
    assert problem.model == "m:latest"
    assert weights.digest in problem.message
    assert not problem.blocks_prune
    assert "ollama pull m:latest" in advice(problem, builder.root).fix


def test_the_rows_are_walked_once(builder: StoreBuilder) -> None:
    inventory = look(builder.root)
    found = flipped_in(inventory)
    vars(inventory)["others"] = None  # it is asked for every row of a plan
    assert flipped_in(inventory) is found


def test_three_digits_are_another_blob(builder: StoreBuilder) -> None:
    weights = builder.layer("weights", "on a failing disk", age=DAY)
    builder.model("m", weights, age=DAY)
    os.rename(builder.blob_path(weights.digest), builder.blob_path(changed(weights.digest, 1, 30, 60)))
    assert flipped_in(look(builder.root)) == {}


def test_it_finds_what_comparing_all_pairs_finds() -> None:
    dice = random.Random(7)
    missing = [f"sha256:{dice.randrange(16**64):064x}" for _number in range(200)]
    unneeded = [changed(digest, *(dice.randrange(64) for _flip in range(dice.randrange(5)))) for digest in missing]
    unneeded = [digest for digest in unneeded if digest not in missing]
    expected = {one for one in unneeded if any(distance(one, other) <= 2 for other in missing)}
    found = flipped(missing, unneeded)
    assert found.keys() == expected
    assert 50 < len(expected) < 150
    assert all(distance(one, other) <= 2 for one, other in found.items())
