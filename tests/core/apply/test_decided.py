"""What is decided ends with a receipt, and spares what a manifest needs by then."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from prunella_core.apply import Step, has_unfinished
from prunella_core.plan.records import Removal
from prunella_core.sample import StoreBuilder
from stores import (
    BOTH,
    DAY,
    SOLO,
    FailingDisk,
    Killed,
    MeanwhileDisk,
    WatchedDisk,
    broken_models,
    carry_out,
    disk_use,
    look,
    open_store,
    plan_for,
    planned,
    recover,
    set_aside,
    to_trash,
    tree,
)


class Decided(WatchedDisk):
    """Does ``event`` right after the decision."""

    def __init__(self, event: Callable[[], object]) -> None:
        self.event = event

    def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
        change()
        if name == "move" and os.path.dirname(path).endswith("/.prunella/staging"):
            self.event()


def kill() -> None:
    raise Killed


@pytest.mark.parametrize("error", [ValueError("closed file"), BrokenPipeError(32, "Broken pipe"), KeyboardInterrupt()])
def test_a_report_that_fails_after_the_decision_stops_nothing(builder: StoreBuilder, error: BaseException) -> None:
    plan = plan_for(builder.root, BOTH)
    disk = Decided(lambda: None)

    def report(step: Step) -> None:
        if not os.path.isdir(f"{builder.root}/.prunella/staging") or not os.listdir(
            f"{builder.root}/.prunella/staging"
        ):
            raise error

    receipt = carry_out(plan, disk=disk, report=report)
    assert receipt.done
    assert receipt.freed == plan.reclaims
    assert "progress could not be shown" in receipt.notes[0]


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), RuntimeError("odd"), KeyboardInterrupt()])
@pytest.mark.parametrize("request_", [BOTH, to_trash(*BOTH.models)])
def test_whatever_fails_after_the_decision_there_is_a_receipt(
    builder: StoreBuilder, error: BaseException, request_: Removal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr("prunella_core.apply.folder.Folder.finish", fail)
    monkeypatch.setattr("prunella_core.apply.removal.reclaimed", fail)
    receipt = carry_out(plan_for(builder.root, request_))
    assert not receipt.done
    assert "not finished" in receipt.errors[-1].message
    monkeypatch.undo()
    recover(builder.root)
    assert set_aside(builder.root) == set()
    assert not planned(receipt.plan) & set(tree(builder.root))


def test_killed_after_the_decision_a_blob_that_a_new_model_needs_comes_back(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, SOLO)
    with pytest.raises(Killed):
        carry_out(plan, disk=Decided(kill))
    aside = next(Path(builder.root).glob(".prunella/removing/*/manifests/registry.ollama.ai/team/solo/v1"))
    builder.manifest("new", aside.read_bytes(), age=DAY)
    assert broken_models(builder.root) != {}
    recover(builder.root)
    assert broken_models(builder.root) == {}
    assert "team/solo:v1" not in look(builder.root).model_by_name
    assert set_aside(builder.root) == set()


def test_killed_after_the_decision_a_blob_that_was_pulled_again_keeps_its_name(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, SOLO)
    use = disk_use(builder.root)
    with pytest.raises(Killed):
        carry_out(plan, disk=Decided(kill))
    weights = builder.layer("weights", "solo weights" * 2_000)
    builder.model("team/solo:v1", weights, config=builder.config(model_type="3B"))
    recover(builder.root)
    assert broken_models(builder.root) == {}
    assert disk_use(builder.root) == use
    assert set_aside(builder.root) == set()


def test_in_the_same_run_too(builder: StoreBuilder) -> None:
    manifest = Path(builder.root, "manifests/registry.ollama.ai/team/solo/v1").read_bytes()
    receipt = carry_out(plan_for(builder.root, SOLO), disk=Decided(lambda: builder.manifest("new", manifest)))
    assert len(receipt.returned) == 2
    assert not receipt.done
    assert receipt.freed == sum(item.reclaims for item in receipt.plan.manifests)
    assert broken_models(builder.root) == {}


def test_blobs_wait_while_a_manifest_cannot_be_read(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, SOLO)
    with pytest.raises(Killed):
        carry_out(plan, disk=Decided(kill))
    builder.manifest("half", "")
    notes = recover(builder.root).notes
    assert any("half/latest" in note and "wait" in note for note in notes)
    assert has_unfinished(open_store(builder.root))
    os.unlink(f"{builder.root}/{builder.manifest_path('half')}")
    recover(builder.root)
    assert set_aside(builder.root) == set()
    assert not planned(plan) & set(tree(builder.root))


def test_what_cannot_be_put_back_is_in_a_receipt(builder: StoreBuilder) -> None:
    class Broken(FailingDisk):
        undoing = False

        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            if name == "settle" or self.undoing:
                self.undoing = True
                raise OSError(5, "Input/output error", path)
            change()

    before = tree(builder.root)
    receipt = carry_out(plan_for(builder.root, BOTH), disk=Broken(""))
    assert not receipt.done
    assert not receipt.removed
    assert "cannot be put back" in receipt.errors[0].message
    recover(builder.root)
    assert tree(builder.root) == before


def test_a_file_that_is_gone_by_itself_is_no_error(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, SOLO)

    def gone() -> None:
        for path in Path(builder.root).glob(".prunella/removing/*/blobs/*"):
            path.unlink()

    receipt = carry_out(plan, disk=MeanwhileDisk("/removing/", gone, "unlink", before=True))
    assert set_aside(builder.root) == set()
    assert broken_models(builder.root) == {}
    assert len(receipt.errors) <= 1
