"""While an operation runs, what is still there frees what it did before: our own second names count for nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from prunella_core.inventory.records import Inventory, State
from prunella_core.plan.records import Removal, Request
from prunella_core.space import Holder, space_of
from stores import WatchedDisk, carry_out, look, plan_for, prune, small_store


def frees(inventory: Inventory) -> dict[str, int]:
    """What each model frees, and each row of one file that no model needs."""
    space = space_of(inventory)
    rows = [blob.key for blob in inventory.others if len(blob.files) == 1 and blob.state is not State.TRASHED]
    found = {name: usage.frees for name, usage in space.models.items()}
    return {**found, **{key: space.usage(Holder("blob", key)).frees for key in rows}}


class Looking(WatchedDisk):
    """Looks at the store before every change."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.seen: list[dict[str, int]] = []

    def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
        now = look(self.root)
        partly = {model.name for model in now.models for blob in now.blobs_of(model) if not blob.files}
        self.seen.append({key: count for key, count in frees(now).items() if key not in partly})
        change()


@pytest.mark.parametrize(
    "request_",
    [Removal(models=("team/solo:v1",)), Removal(models=("team/solo:v1",), to_trash=False), prune()],
    ids=["trash", "now", "prune"],
)
def test_the_numbers_are_the_same_at_every_step(tmp_path: Path, request_: Request) -> None:
    builder = small_store(tmp_path / "store")
    before = frees(look(builder.root))
    disk = Looking(builder.root)
    assert carry_out(plan_for(builder.root, request_), disk=disk).done
    assert len(disk.seen) > 10
    for step in disk.seen:
        known = step.keys() & before.keys()  # of a download that goes file by file the rest is another row
        assert {key: step[key] for key in known} == {key: before[key] for key in known}
        assert {"base:latest", "derived:latest"} <= known
