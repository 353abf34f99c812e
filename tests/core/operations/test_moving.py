"""What is deleted here after a copy: what arrived and was verified, and nothing else."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from prunella_core.apply import World
from prunella_core.base.errors import Refused
from prunella_core.copy.plan import look_at_target, plan_copy
from prunella_core.copy.run import CopyReceipt, copy_models
from prunella_core.operations.carry_out import delete_moved, plan_moved
from prunella_core.plan.records import Plan, Removal
from prunella_core.sample import StoreBuilder
from stores import NOW, broken_models, look, of_ollama

WORLD = World(now=lambda: NOW, settle=0)


def copied(builder: StoreBuilder, target: Path, verify: bool) -> tuple[CopyReceipt, Plan]:
    """Copy every model, and plan to delete all of them here."""
    inventory = look(builder.root)
    plan = plan_copy(inventory, look_at_target(inventory, str(target), NOW), inventory.models)
    removal = plan_moved(inventory, plan, Removal(to_trash=False), NOW)
    return copy_models(plan, verify=verify, now=lambda: NOW), removal


def test_what_was_not_verified_is_not_deleted(builder: StoreBuilder, tmp_path: Path) -> None:
    receipt, removal = copied(builder, tmp_path / "usb", verify=False)
    before = of_ollama(builder.root)
    for unfit in (receipt, replace(receipt, is_verified=True, cancelled=True)):
        with pytest.raises(Refused, match="not verified"):
            delete_moved(unfit, removal, WORLD)
    assert of_ollama(builder.root) == before


def test_only_what_arrived_is_deleted(builder: StoreBuilder, tmp_path: Path) -> None:
    receipt, removal = copied(builder, tmp_path / "usb", verify=True)
    assert removal.lost == ()
    some = replace(receipt, models=("derived:latest", "team/solo:v1"))
    done = delete_moved(some, removal, WORLD)
    assert done.done
    assert done.plan.models == some.models
    assert [model.name for model in look(builder.root).models] == ["base:latest"]
    assert broken_models(builder.root) == {}
    assert len(look(tmp_path / "usb").models) == 3


def test_what_is_planned_is_what_is_deleted(builder: StoreBuilder, tmp_path: Path) -> None:
    receipt, removal = copied(builder, tmp_path / "usb", verify=True)
    done = delete_moved(receipt, removal, WORLD)
    assert done.plan is removal
    assert done.freed == removal.reclaims
    assert look(builder.root).models == ()
