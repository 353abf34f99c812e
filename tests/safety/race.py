"""Prunella next to a server that pulls, removes, copies, creates and starts: no model ever loses a blob.

    python tests/safety/race.py [rounds] [--settle S] [--latency S] [--lanes N] [--guard] [--real]

Each round has a small store: some models, and blobs that no model needs, all of it a year old. A second process is
Ollama by its rules (``ollama_rules.py``), mostly with pulls that find such blobs there, which nothing shows before the
registry answers, up to ``--latency`` seconds later. Meanwhile this process prunes with ``--age 0`` and without force,
or removes, restores and empties, and watches for ``--settle`` seconds before it unlinks. After the round every model
has to have all its blobs; those that were moved to the trash by name have to come back from it. With ``--real`` the
server is that of ``PRUNELLA_OLLAMA``, with a registry on the loopback interface. With ``--guard`` every version of a
model that was there when the guard was turned on has to be there in the end, or to come back whole from the trash.

Rounds run side by side in ``--lanes``, each in stores of its own. Prints the rounds and the losses; exits with 1 if
there is one.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from prunella_core.apply import World, apply
from prunella_core.base.errors import Locked, Refused, StalePlan
from prunella_core.guard.status import Settings
from prunella_core.guard.sync import sync, turn_on
from prunella_core.ollama.names import place_of
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Empty, PruneClass, Removal, Request, Restore
from prunella_core.scan import scan
from prunella_core.scan.system import never
from safety.kill_cases import memory
from safety.other_side import OWN, OtherSide, by_rules
from safety.other_side_real import by_binary
from stores import RUBBISH, broken_models, in_trash, open_store, prune, to_trash


class Terms(NamedTuple):
    """How the race is run: how long Prunella watches, and up to how long the registry takes (seconds)."""

    settle: float = 0.5
    latency: float = 0.05
    is_real: bool = False
    guarded: bool = False

    @property
    def span(self) -> float:
        """When a server begins: while Prunella reads, moves, watches, unlinks, or afterwards."""
        return self.settle * 1.2 + 0.1


class Outcome(NamedTuple):
    """What was lost, and how often what was tried ended how."""

    losses: list[str]
    counts: Counter[str]


# Prunella


def attempt(root: str, request: Request, settle: float) -> str:
    """One run of Prunella; say how it ended."""
    try:
        plan = make_plan(scan(open_store(root), time.time()), request, time.time())
        receipt = apply(plan, World(settle=settle, is_quiet=never))
    except Locked:
        return "locked"
    except StalePlan:
        return "stale"
    except Refused:
        return "refused"
    return "done" if receipt.done else "partly"


def prune_all(root: str, settle: float) -> list[str]:
    """Everything that is not needed, and all models too."""
    return [f"prune --all {attempt(root, prune(0, *PruneClass), settle)}"]


def prune_unused(root: str, settle: float) -> list[str]:
    """Everything that no model needs."""
    return [f"prune {attempt(root, prune(0, *RUBBISH), settle)}"]


def remove_now(root: str, settle: float) -> list[str]:
    """A model, for good."""
    return [f"rm --now {attempt(root, Removal(models=(OWN,), to_trash=False), settle)}"]


def remove_and_restore(root: str, settle: float) -> list[str]:
    """A model to the trash and back."""
    ends = [f"rm {attempt(root, to_trash(OWN), settle)}"]
    time.sleep(0.02)
    return ends + [f"restore {attempt(root, Restore(entry=entry), settle)}" for entry in entries(root)]


def remove_and_empty(root: str, settle: float) -> list[str]:
    """A model to the trash, and out of it."""
    ends = [f"rm {attempt(root, to_trash(OWN), settle)}"]
    return [*ends, f"empty {attempt(root, Empty(), settle)}"]


RUNS = [prune_unused, prune_unused, prune_unused, prune_all, remove_now, remove_and_restore, remove_and_empty]


def run_guard(root: str, settle: float) -> list[str]:
    """The guard, again and again; and a prune between."""
    ends = []
    for number in range(4):
        if number == 2:
            ends += prune_unused(root, settle)
        try:
            synced = sync(open_store(root), time.time())
        except Refused:
            ends.append("guard refused")
        else:
            ends.append("guard waits" if synced and synced.waits else "guard run")
        time.sleep(0.02)
    return ends


def entries(root: str) -> list[str]:
    """What the trash can give back whole: Ollama may have deleted what it shared with the store."""
    inventory = scan(open_store(root), time.time())
    requests = [Restore(entry=entry.id) for entry in inventory.trash if not entry.is_spent]
    plans = [make_plan(inventory, request, time.time()) for request in requests]
    return [
        request.entry for request, plan in zip(requests, plans, strict=True) if not plan.missing and not plan.blocked
    ]


# A round


def play(other: OtherSide, root: str, seed: int, terms: Terms) -> Outcome:
    """Let both loose on a store, and look what is left of it."""
    versions = guard(root) if terms.guarded else {}
    other.begin(root, seed, terms.span)
    time.sleep(Random(seed).uniform(0, 0.03))
    ends = (run_guard if terms.guarded else Random(seed).choice(RUNS))(root, terms.settle)
    seen = other.end()
    if gone := not_kept(root, versions):
        return Outcome([f"round {seed}: the guard has lost {gone}"], Counter(ends))
    came_back = bring_back(root)
    losses = [*seen.failures, *losses_in(root, seen.deleted if "restore done" in ends else ())]
    return Outcome([f"round {seed}: {ends[0]}: {loss}" for loss in losses], Counter([*ends, *came_back]))


def guard(root: str) -> dict[str, str]:
    """Turn the guard on; return the version of each model, under its digest."""
    turn_on(open_store(root), Settings(), time.time())
    return {model.digest: model.name for model in scan(open_store(root), time.time()).models}


def not_kept(root: str, versions: dict[str, str]) -> list[str]:
    """Versions that are neither there nor come back whole, a day later, when nothing is going on."""
    later = time.time() + 86_400
    if versions:
        sync(open_store(root), later)
    inventory = scan(open_store(root), later)
    here = {model.digest for model in inventory.models}
    for entry in inventory.trash:
        for model in entry.models:
            plan = make_plan(inventory, Restore(entry=entry.id, model=model.name, under="it:is-back"), later)
            here |= set() if plan.missing or plan.blocked else {model.digest}
    return [name for digest, name in versions.items() if digest not in here]


def bring_back(root: str) -> list[str]:
    """Restore, under other names, what is in the trash and a model misses.

    A removal that names a model does not wait for pulls that found its blobs there: what those miss is in the trash.
    """
    broken = broken_models(root)
    missing = {digest for bad in broken.values() for digest in bad} & in_trash(root)
    for number, entry in enumerate(scan(open_store(root), time.time()).trash if missing else ()):
        for model in entry.models:
            if missing & set(model.needs):
                attempt(root, Restore(entry=entry.id, model=model.name, under=f"back{number}:{time.time_ns()}"), 0)
        if entry.is_spent and missing & {place_of(file.path).whole for file in entry.files}:
            attempt(root, Restore(entry=entry.id), 0)  # as doctor advises: emptied while a pull counted on it
    return ["models whose blobs came back from the trash"] * (len(broken) - len(broken_models(root)))


def losses_in(root: str, deleted: Collection[str] = ()) -> list[str]:
    """Models whose blobs are not all there.

    What a restored model shared with the store may be ``deleted``: by Ollama, while the model was in the trash.
    """
    broken = broken_models(root)
    restored = OWN.partition(":")[0]
    found = {
        name: [digest for digest in bad if restored not in name or digest not in deleted]
        for name, bad in broken.items()
    }
    return [f"{model} misses {len(bad)} blobs" for model, bad in found.items() if bad]


def server(folder: str, terms: Terms) -> AbstractContextManager[OtherSide]:
    """What plays Ollama."""
    return (by_binary if terms.is_real else by_rules)(folder, terms.latency)


def run_lane(seeds: range, terms: Terms) -> Outcome:
    """Play a round for each seed, one after the other."""
    losses: list[str] = []
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="prunella-race-", dir=memory()) as folder, server(folder, terms) as other:
        for seed in seeds:
            root = other.new_store(seed)
            outcome = play(other, root, seed, terms)
            losses += outcome.losses
            counts += outcome.counts
    return Outcome(losses, counts)


def run(rounds: int, seed: int, terms: Terms, lanes: int) -> Outcome:
    """Race for so many rounds."""
    losses: list[str] = []
    counts: Counter[str] = Counter()
    seeds = [range(seed + lane, seed + rounds, lanes) for lane in range(lanes)]
    with ProcessPoolExecutor(max_workers=lanes, mp_context=get_context("spawn")) as pool:
        for outcome in pool.map(partial(run_lane, terms=terms), seeds):
            losses += outcome.losses
            counts += outcome.counts
    return Outcome(losses, counts)


def main(rounds: int, seed: int, terms: Terms, lanes: int) -> int:
    """Race, and say how it went."""
    losses, counts = run(rounds, seed, terms, lanes)
    for what, number in sorted(counts.items()):
        print(f"{number:6} {what}")
    for loss in losses:
        print(f"LOSS: {loss}")
    print(f"rounds {rounds}, losses {len(losses)}")
    return 1 if losses else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", type=int, nargs="?", default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--settle", type=float, default=Terms().settle, help="seconds for which Prunella watches")
    parser.add_argument("--latency", type=float, default=Terms().latency, help="a registry takes up to this")
    parser.add_argument("--lanes", type=int, default=2 * (os.cpu_count() or 1), help="rounds side by side")
    parser.add_argument("--guard", action="store_true", help="with the guard on, and its runs")
    parser.add_argument("--real", action="store_true", help="next to the server of PRUNELLA_OLLAMA")
    its = parser.parse_args()
    sys.exit(main(its.rounds, its.seed, Terms(its.settle, its.latency, its.real, its.guard), its.lanes))
