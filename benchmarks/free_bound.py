"""How good and how quick the proposals of ``prunella free`` are: ``python benchmarks/free_bound.py [STORES]``.

First small random stores: the quick choice beside the best one, which is found by trying every set. Then larger ones,
where nobody can try every set: the choice beside the bound that none can fall below. Last a very large one: the time.
"""

import random
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from inventories import MB, Facts, ModelFact, choices, least_regret, make_inventory, random_facts
from prunella_core.advice.free import propose
from prunella_core.advice.free.candidates import candidates
from prunella_core.advice.free.cells import cells_of
from prunella_core.advice.free.greedy import choose
from prunella_core.advice.free.reckoning import Reckoning
from prunella_core.inventory.records import Inventory
from prunella_core.plan.build import make_plan
from stores import NOW

_TENSORS, _SHARED, _TENSOR_MODELS = 1_172, 390, 80


def main(stores: int) -> None:
    """Print the tables."""
    print(f"quick choice beside the best one, {stores} random stores of 4 to 12 models")
    print("  " + _summary([_against_best(seed) for seed in range(stores)], "of the least regret"))
    for models in (12, 20, 60, 300, 1_000):
        found = [_against_bound(models, seed) for seed in range(max(stores // 50, 5))]
        solved = sum(ratio == 1.0 for ratio in found)
        print(f"proposal beside the bound, {len(found)} random stores of {models} models")
        print("  " + _summary(found, "of the bound") + f"; surely the best: {solved} of {len(found)}")
    _large()


def _summary(ratios: list[float], of_what: str) -> str:
    exact = sum(ratio < 1 + 1e-9 for ratio in ratios)
    return f"mean {statistics.mean(ratios):.4f}, max {max(ratios):.4f} {of_what}; equal: {exact} of {len(ratios)}"


def _against_best(seed: int) -> float:
    dice = random.Random(seed)
    facts = random_facts(dice, models=dice.randint(4, 12), rubbish=dice.randint(0, 3))
    inventory = make_inventory(facts)
    items = candidates(inventory, NOW).items
    reckoning = Reckoning(cells_of(inventory, items, NOW))
    target = int(sum(cell.frees for cell in reckoning.cells) * dice.random())
    choose(reckoning, target)
    eligible = {item.key for item in items if item.kind == "model"}
    best = least_regret(choices(facts, eligible), target)
    return reckoning.regret / MB / best if best > 1 else 1.0


def _against_bound(models: int, seed: int) -> float:
    dice = random.Random(seed)
    inventory = make_inventory(random_facts(dice, models=models, rubbish=models // 3))
    target = int(propose(inventory, 0, NOW).reachable * dice.random())
    return 1 + propose(inventory, target, NOW).excess


def _large() -> None:
    inventory = make_inventory(large_facts())
    print(f"{len(inventory.models):,} models, {len(inventory.blobs):,} blobs")
    assert inventory.origins  # what brings each model back is reckoned once for every command
    everything = propose(inventory, 0, NOW).reachable
    for share in (0.01, 0.1, 0.5, 0.9):
        times, excess = [], 0.0
        for _time in range(3):
            begun = time.perf_counter()
            proposal = propose(inventory, int(everything * share), NOW)
            times.append(time.perf_counter() - begun)
            excess = proposal.excess
        seconds = statistics.median(times)
        what = f"{share:4.0%} of what there is: {seconds:.2f} s, {len(proposal.items):,} items"
        print(f"  {what}, at most {excess:.3%} more regret than the best")
    print(f"  of which the plan itself: {_plan_time(inventory):.2f} s")


def _plan_time(inventory: Inventory) -> float:
    removal = propose(inventory, 10**18, NOW).removal
    begun = time.perf_counter()
    make_plan(inventory, removal, NOW)
    return time.perf_counter() - begun


def large_facts() -> Facts:
    """5,900 models, of which 80 are of 1,172 tensors each and share a third; 2,000 unreferenced blobs, 40 partials."""
    dice = random.Random(0)
    facts = random_facts(dice, models=5_820, rubbish=0, sharing=0.2)
    blobs, models = list(facts.blobs), dict(facts.models)
    shared = frozenset(range(len(blobs), len(blobs) + _SHARED))
    blobs += [dice.randrange(1, 60) * MB for _tensor in range(_SHARED)]
    for number in range(_TENSOR_MODELS):
        own = frozenset(range(len(blobs), len(blobs) + _TENSORS - _SHARED))
        blobs += [dice.randrange(1, 60) * MB for _tensor in own]
        models[f"tensors{number}:latest"] = ModelFact(own | shared, dice.choice([1, 30, 300]))
    rubbish = [("unreferenced", dice.randrange(1, 9_000) * MB, dice.randrange(1, 300)) for _row in range(2_000)]
    rubbish += [("partial", dice.randrange(1, 9_000) * MB, dice.randrange(1, 300)) for _row in range(40)]
    return Facts(tuple(blobs), models, tuple(rubbish))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)
