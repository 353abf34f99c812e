"""What is proposed to free space: it hits the target, holds nothing needless, and no other choice costs less."""

import random
from pathlib import Path

import pytest

from inventories import MB, Facts, ModelFact, check_proposal, choices, least_regret, make_inventory, random_facts
from prunella_core.advice.choice import Guard
from prunella_core.advice.free import Proposal, propose, to_free, until_free
from prunella_core.inventory.origin import origins
from prunella_core.inventory.records import Inventory
from prunella_core.plan.build import make_plan
from stores import DAY, NOW, look, remove, small_store

GB = 1_000 * MB
STORE = Facts(
    blobs=(4 * GB, 5 * GB, 9 * GB, 20 * GB, 30 * GB),
    models={
        "old:latest": ModelFact(frozenset([0]), 300),
        "base:latest": ModelFact(frozenset([1]), 200),
        "alias:latest": ModelFact(frozenset([1]), 200),
        "daily:latest": ModelFact(frozenset([2]), 0),
        "kept:latest": ModelFact(frozenset([3]), 500, is_pinned=True),
        "mine:latest": ModelFact(frozenset([4]), 500, is_made_here=True),
    },
    rubbish=(("leftover", 1 * GB, 9), ("partial", 2 * GB, 9), ("unreferenced", 3 * GB, 9)),
)
"""Known truth: 6 GB of rubbish, an old model of 4 GB, two names for 5 GB, one in daily use; one pinned, one local."""


def names(proposal: Proposal) -> set[str]:
    return {item.key.removesuffix(":latest") for item in proposal.items if item.kind == "model"}


def kinds(proposal: Proposal) -> list[str]:
    return [item.kind for item in proposal.items]


@pytest.mark.parametrize(
    ("wanted", "rubbish", "models"),
    [
        (0, [], set()),
        (1 * GB, ["leftover"], set()),
        (3 * GB, ["leftover", "partial"], set()),
        (3 * GB + 1, ["leftover", "unreferenced"], set()),
        (6 * GB, ["leftover", "partial", "unreferenced"], set()),
        (10 * GB, ["leftover", "partial", "unreferenced"], {"old"}),
        (11 * GB, ["leftover", "partial", "unreferenced"], {"base", "alias"}),
        (15 * GB, ["leftover", "partial", "unreferenced"], {"old", "base", "alias"}),
        (20 * GB, ["leftover", "partial", "unreferenced"], {"base", "alias", "daily"}),
        (24 * GB, ["leftover", "partial", "unreferenced"], {"old", "base", "alias", "daily"}),
    ],
)
def test_takes_rubbish_first_and_then_what_is_missed_least(wanted: int, rubbish: list[str], models: set[str]) -> None:
    inventory = make_inventory(STORE)
    proposal = propose(inventory, wanted, NOW)
    check_proposal(inventory, proposal)
    assert [kind for kind in kinds(proposal) if kind != "model"] == rubbish
    assert names(proposal) == models


def test_two_names_for_the_same_weights_are_one_decision() -> None:
    proposal = propose(make_inventory(STORE), 11 * GB, NOW)
    rows = {item.key: item for item in proposal.items}
    assert rows["alias:latest"].reason.endswith("only together with base:latest")
    assert rows["base:latest"].reason.endswith("only together with alias:latest")
    assert rows["alias:latest"].frees + rows["base:latest"].frees == 5 * GB + 2 * 4_096


def test_what_is_out_of_reach_is_told_with_the_most_there_is() -> None:
    inventory = make_inventory(STORE)
    proposal = propose(inventory, 40 * GB, NOW)
    check_proposal(inventory, proposal)
    assert not proposal.is_met
    assert proposal.reclaims == proposal.reachable == 24 * GB + 4 * 4_096
    assert proposal.left_out == {
        "kept:latest": ("pinned",),
        "mine:latest": ("local",),
    }


@pytest.mark.parametrize(
    ("allowed", "reachable", "taken"),
    [
        (("pinned",), 44 * GB, {"kept"}),
        (("local",), 54 * GB, {"mine"}),
        (("pinned", "local"), 74 * GB, {"kept", "mine"}),
    ],
)
def test_what_is_guarded_goes_only_when_asked_for_and_then_last(
    allowed: tuple[Guard, ...], reachable: int, taken: set[str]
) -> None:
    inventory = make_inventory(STORE)
    everything = propose(inventory, reachable, NOW, allowed=allowed)
    check_proposal(inventory, everything)
    assert everything.is_met
    assert taken <= names(everything)
    assert names(propose(inventory, 24 * GB, NOW, allowed=allowed)) == {"old", "base", "alias", "daily"}


def test_never_takes_what_is_loaded() -> None:
    inventory = make_inventory(STORE)
    proposal = propose(inventory, 10**14, NOW, loaded=["old:latest", "base:latest"])
    assert names(proposal) == {"alias", "daily"}
    assert {name for name, guards in proposal.left_out.items() if "loaded" in guards} == {"old:latest", "base:latest"}
    asked = propose(inventory, 10**14, NOW, loaded=["old:latest", "base:latest"], allowed=["loaded"])
    assert {"old", "base"} <= names(asked)
    assert make_plan(inventory, asked.removal, NOW).loaded == ("old:latest", "base:latest")


def test_small_stores_are_decided_nearly_as_well_as_can_be() -> None:
    """All sets are tried, by the formula of the docs and with no code of the program."""
    excess = []
    for seed in range(100):
        dice = random.Random(seed)
        facts = random_facts(dice, models=dice.randint(1, 11), rubbish=dice.randint(0, 3))
        inventory = make_inventory(facts)
        eligible = {name for name, fact in facts.models.items() if not (fact.is_pinned or is_local(inventory, name))}
        choice = choices(facts, eligible)
        most = choice.of(-1 % (1 << len(choice.own)))[0]
        target = int(most * dice.random())
        proposal = propose(inventory, target, NOW)
        check_proposal(inventory, proposal)
        assert proposal.reachable == most
        assert names(proposal) <= {name.removesuffix(":latest") for name in eligible}
        excess.append(proposal.regret / max(least_regret(choice, target), 1))
    assert sum(excess) / len(excess) < 1.05
    assert max(excess) < 2


def is_local(inventory: Inventory, name: str) -> bool:
    origin = origins(inventory)[name]
    return origin.kind == "created" or bool(origin.only_here)


def test_a_large_store_is_decided_too() -> None:
    dice = random.Random(1)
    inventory = make_inventory(random_facts(dice, models=300, rubbish=100))
    reachable = propose(inventory, 0, NOW).reachable
    for share in (0.3, 0.5, 0.9):
        proposal = propose(inventory, int(reachable * share), NOW)
        assert proposal.is_met
        check_proposal(inventory, proposal)


def test_a_share_is_of_the_disk() -> None:
    inventory = make_inventory(STORE)
    assert to_free(inventory, "20%") == until_free(inventory, "20%") == 10**15 // 5 - 10**12
    assert until_free(inventory, "3000TB") == 3 * 10**15 - 10**12
    assert until_free(inventory, "0.1%") == 0


def test_what_may_belong_to_a_running_pull_is_left_out() -> None:
    inventory = make_inventory(replace_rubbish(("partial", 2 * GB, 9), ("leftover", GB, 0)))
    proposal = propose(inventory, 10 * GB, NOW + 10)
    assert "leftover" not in kinds(proposal)
    assert [held.allocated for held in proposal.held_back] == [GB]
    check_proposal(inventory, proposal, NOW + 10)
    assert "leftover" in kinds(propose(inventory, 10 * GB, NOW + DAY))


def replace_rubbish(*rows: tuple[str, int, int]) -> Facts:
    return STORE._replace(rubbish=rows)


def test_what_a_model_misses_and_the_trash_has_is_not_counted_on(tmp_path: Path) -> None:
    builder = small_store(tmp_path / "store")
    entry = remove(builder.root, "team/solo:v1")
    builder.manifest("alias", Path(builder.root, entry.models[0].manifest.path).read_bytes(), age=DAY)
    inventory = look(builder.root)
    proposal = propose(inventory, 10**12, NOW, allowed=["local"])
    check_proposal(inventory, proposal)
    assert entry.id in proposal.removal.entries
    assert proposal.reclaims == proposal.reachable
