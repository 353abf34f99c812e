"""What begins between the plan and the decision: the last look has to see it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from prunella_core.advice.free import propose
from prunella_core.base.errors import Refused
from prunella_core.inventory.records import Inventory, State
from prunella_core.plan.records import PruneClass, Removal, Request
from prunella_core.sample import StoreBuilder
from stores import NOW, FailingDisk, carry_out, for_good, look, of_ollama, plan_for, prune, small_store


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """The small store."""
    return small_store(tmp_path / "store")


def unneeded(inventory: Inventory) -> tuple[str, ...]:
    return tuple(blob.key for blob in inventory.blobs if blob.state is State.UNREFERENCED)


WAYS: dict[str, Callable[[Inventory], Request]] = {
    "prune": lambda _inventory: prune(),
    "prune --all": lambda _inventory: prune(0, *PruneClass),
    "free": lambda inventory: propose(inventory, 10**12, NOW).removal,
    "by name": lambda inventory: for_good(blobs=unneeded(inventory)),
    "into the trash": lambda inventory: Removal(blobs=unneeded(inventory)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "sign", [f"blobs/sha256-{'5e' * 32}-partial", "blobs/sha256-123456", f"blobs/sha256-{'5f' * 32}"]
)
def test_a_pull_that_begins_meanwhile_keeps_what_nothing_references(builder: StoreBuilder, sign: str, way: str) -> None:
    class Pull(FailingDisk):
        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            if name == "move" and "/blobs/" in path and not os.path.exists(f"{builder.root}/{sign}"):
                builder.file(sign, "begun")
            change()

    plan = plan_for(builder.root, WAYS[way](look(builder.root)))
    assert set(unneeded(look(builder.root))) <= {item.digest for item in plan.blobs}
    before = of_ollama(builder.root)
    with pytest.raises(Refused, match="a pull may be running"):
        carry_out(plan, disk=Pull(""))
    os.unlink(f"{builder.root}/{sign}")
    assert of_ollama(builder.root) == before


def test_force_does_not_look_for_a_pull(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, prune(force=True))
    builder.partial("begun", size=10_000, done=5_000)
    assert carry_out(plan_for(builder.root, prune(force=True))).done
    assert plan.blobs
