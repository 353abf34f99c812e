"""Inventories made of plain facts, without a disk, and the best answer to a question about them by trying all sets."""

import random
from itertools import count
from typing import NamedTuple

from msgspec.structs import replace

from prunella_core.advice.free import Proposal
from prunella_core.fs.files import File
from prunella_core.inventory.records import Blob, Details, Inventory, Model, State
from prunella_core.ollama.manifest import Layer
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Removal
from prunella_core.store import Store
from stores import DAY, NOW

MB = 1_000_000
MANIFEST = 4_096
"""Bytes that a manifest takes."""
RUBBISH = {"leftover": 0, "partial": 1, "unreferenced": 2}
"""What nothing needs, and how many millionths of a byte of it are regretted."""


class ModelFact(NamedTuple):
    """A model: the numbers of its blobs, and for how many days it was not used."""

    blobs: frozenset[int]
    days: int
    is_pinned: bool = False
    is_made_here: bool = False


class Facts(NamedTuple):
    """A store: blobs by their size, models by name, and rubbish as state, size and days."""

    blobs: tuple[int, ...]
    models: dict[str, ModelFact]
    rubbish: tuple[tuple[str, int, int], ...] = ()


def random_facts(dice: random.Random, models: int, rubbish: int = 0, sharing: float = 0.5) -> Facts:
    """Models of which some share weights with another one, and many share small layers, as they do in real stores."""
    blobs = [dice.randrange(1_000, 20_000) for _licence in range(3)]
    made: dict[str, ModelFact] = {}
    for number in range(models):
        own = {dice.randrange(3)}
        if made and dice.random() < sharing:
            own |= made[dice.choice(list(made))].blobs
        if not made or dice.random() < 0.6:
            own.add(len(blobs))
            blobs.append(dice.randrange(200, 45_000) * MB)
        days = dice.choice([0, 1, 5, 20, 60, 200, 400])
        made[f"m{number}:latest"] = ModelFact(
            frozenset(own), days, is_pinned=dice.random() < 0.1, is_made_here=dice.random() < 0.1
        )
    states = list(RUBBISH)
    rows = [(dice.choice(states), dice.randrange(1, 20_000) * MB, dice.randrange(1, 300)) for _row in range(rubbish)]
    return Facts(tuple(blobs), made, tuple(rows))


def make_inventory(facts: Facts) -> Inventory:
    """The inventory that a scan of such a store would give."""
    inodes = count(1)

    def file(path: str, size: int, days: float = 30) -> File:
        mtime = int((NOW - days * DAY) * 1e9)
        return File(path, size, size, mtime, 0o100644, 1, next(inodes), 1)

    digests = [f"sha256:{number:064x}" for number in range(len(facts.blobs))]
    users: dict[int, list[str]] = {}
    for name, fact in facts.models.items():
        for number in fact.blobs:
            users.setdefault(number, []).append(name)
    used = sorted(users)
    blobs = [
        Blob(
            key=digests[number],
            digest=digests[number],
            state=State.REFERENCED,
            kind="weights",
            files=(file(f"blobs/sha256-{number:064x}", facts.blobs[number]),),
            models=tuple(users[number]),
        )
        for number in used
    ]
    for number, (state, size, days) in enumerate(facts.rubbish, len(facts.blobs)):
        path = f"blobs/sha256-{number:064x}"
        key = f"sha256:{number:064x}" if state == "unreferenced" else path
        blobs.append(Blob(key=key, digest=None, state=State(state), kind=None, files=(file(path, size, days),)))
    models = [
        Model(
            name=name,
            manifest=file(f"manifests/registry.ollama.ai/library/{name.replace(':', '/')}", MANIFEST, fact.days),
            digest=f"{number:064x}",
            size=sum(facts.blobs[blob] for blob in fact.blobs),
            layers=tuple(Layer(digests[blob], facts.blobs[blob], "weights") for blob in sorted(fact.blobs)),
            needs=tuple(digests[blob] for blob in sorted(fact.blobs)),
            details=Details(),
            is_pinned=fact.is_pinned,
            looks_created=fact.is_made_here,
        )
        for number, (name, fact) in enumerate(facts.models.items())
    ]
    return Inventory(
        store=Store(root="/nowhere", why="made up", owner="nobody", writable=False),
        scanned_at=NOW,
        models=tuple(models),
        blobs=tuple(blobs),
        problems=(),
        disk_total=10**15,
        disk_free=10**12,
    )


class Choice(NamedTuple):
    """What may go, as bits, and what a set of it frees and how much that is regretted, by the formula of the docs."""

    cells: list[tuple[int, int, float]]
    own: list[float]

    def of(self, chosen: int) -> tuple[int, float]:
        """Bytes freed and bytes of regret."""
        going = [(frees, regret) for needs, frees, regret in self.cells if not needs & ~chosen]
        bother = sum(regret for number, regret in enumerate(self.own) if chosen >> number & 1)
        return sum(frees for frees, _regret in going), bother + sum(regret for _frees, regret in going)


def choices(facts: Facts, eligible: set[str]) -> Choice:
    """All that may go: the ``eligible`` models, and the rubbish."""
    names = [name for name in facts.models if name in eligible]
    bit = {name: 1 << number for number, name in enumerate(names)}
    cells: list[tuple[int, int, float]] = [(bit[name], MANIFEST, 0.0) for name in names]
    for number, size in enumerate(facts.blobs):
        users = [name for name, fact in facts.models.items() if number in fact.blobs]
        if users and all(name in bit for name in users):
            latest = max(_recency(facts.models[name].days) for name in users)
            cells.append((sum(bit[name] for name in users), size, size * latest))
    own = [100.0 * MB] * len(names)
    for state, size, days in facts.rubbish:
        cells.append((1 << len(own), size, size * RUBBISH[state] * _recency(days) / MB))
        own.append(0.0)
    return Choice(cells, own)


def least_regret(choice: Choice, target: int) -> float:
    """The least regret of all sets that free the target: every one of them is tried."""
    reached = (choice.of(chosen) for chosen in range(1 << len(choice.own)))
    return min(regret for frees, regret in reached if frees >= target)


def _without(removal: Removal, key: str) -> Removal:
    parts = {part: tuple(k for k in getattr(removal, part) if k != key) for part in ("models", "blobs", "entries")}
    return replace(removal, **parts)


def check_proposal(inventory: Inventory, proposal: Proposal, now: float = NOW) -> None:
    """What every proposal keeps to: it is what its plan does, hits the target or is the most, and is minimal."""
    plan = make_plan(inventory, proposal.removal, now)
    assert plan.reclaims == proposal.reclaims == sum(item.frees for item in proposal.items)
    assert not plan.held_back
    goal = min(proposal.target, proposal.reachable)
    assert proposal.reclaims >= goal
    assert proposal.is_met == (proposal.target <= proposal.reachable)
    for item in proposal.items:
        assert item.reason.isprintable()
        assert make_plan(inventory, _without(proposal.removal, item.key), now).reclaims < goal, item


def _recency(days: int) -> float:
    return 30 / (30 + days)
