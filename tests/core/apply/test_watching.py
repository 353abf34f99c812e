"""What will be unlinked is watched for a pull that found it there and has written nothing yet."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from prunella_core.apply import Step
from prunella_core.base.errors import Refused
from prunella_core.plan.records import Empty, Removal, Request
from prunella_core.sample import StoreBuilder
from stores import (
    BOTH,
    DAY,
    NOW,
    SOLO,
    FailingDisk,
    broken_models,
    carry_out,
    plan_for,
    prune,
    remove,
    to_trash,
    tree,
)

OLD = "nobody needs these" * 1_000
"""The content of a blob that no manifest names."""


class Waiting:
    """Time that passes only here; ``event`` happens at the ``at``-th wait."""

    def __init__(self, event: Callable[[], object] = lambda: None, at: int = 1) -> None:
        self.event = event
        self.at = at
        self.waits: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)
        if len(self.waits) == self.at:
            self.event()


def pull_that_reuses(builder: StoreBuilder) -> None:
    builder.model("new", builder.layer("weights", OLD))


@pytest.mark.parametrize("at", [1, 5, 12, 20])
def test_a_model_that_reuses_an_old_blob_keeps_it(builder: StoreBuilder, at: int) -> None:
    """Down to the last moment: manifests are read once more before anything is unlinked."""
    wait = Waiting(lambda: pull_that_reuses(builder), at)
    receipt = carry_out(plan_for(builder.root, prune()), settle=2.0, wait=wait)
    assert receipt.returned
    assert not receipt.done
    assert broken_models(builder.root) == {}


@pytest.mark.parametrize("at", [1, 5, 12, 20])
@pytest.mark.parametrize("request_", [prune(), SOLO])
def test_a_pull_that_begins_while_it_is_watched_puts_everything_back(
    builder: StoreBuilder, request_: Request, at: int
) -> None:
    before = tree(builder.root)
    wait = Waiting(lambda: builder.file(f"blobs/sha256-{'5e' * 32}-partial", "begun"), at)
    with pytest.raises(Refused, match="a pull may be running"):
        carry_out(plan_for(builder.root, request_), settle=2.0, wait=wait)
    os.unlink(f"{builder.root}/blobs/sha256-{'5e' * 32}-partial")
    assert tree(builder.root) == before


def test_it_is_watched_for_as_long_as_wished_with_progress(builder: StoreBuilder) -> None:
    wait, steps = Waiting(), list[Step]()
    assert carry_out(plan_for(builder.root, SOLO), settle=3.0, wait=wait, report=steps.append).done
    assert sum(wait.waits) == pytest.approx(3.0)
    watching = [step.what for step in steps if step.what != "removing"]
    assert watching == [f"watching for a pull ({seconds} s)" for seconds in (3, 2, 1)]
    assert steps[-1].done == steps[-1].total


def test_cancelled_while_it_is_watched_everything_is_put_back(builder: StoreBuilder) -> None:
    before, wait = tree(builder.root), Waiting()
    receipt = carry_out(plan_for(builder.root, BOTH), settle=60.0, wait=wait, cancelled=lambda: len(wait.waits) >= 7)
    assert receipt.cancelled
    assert len(wait.waits) == 7
    assert tree(builder.root) == before


def test_interrupted_while_it_is_watched_everything_is_put_back(builder: StoreBuilder) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    before = tree(builder.root)
    with pytest.raises(KeyboardInterrupt):
        carry_out(plan_for(builder.root, BOTH), settle=60.0, wait=Waiting(interrupt))
    assert tree(builder.root) == before


@pytest.mark.parametrize("options", [{"settle": 0.0}, {"settle": 5.0, "is_quiet": lambda: True}])
def test_nothing_is_watched_where_it_is_turned_off_or_no_ollama_can_run(
    builder: StoreBuilder, options: dict[str, object]
) -> None:
    wait = Waiting()
    assert carry_out(plan_for(builder.root, SOLO), wait=wait, **options).done
    assert wait.waits == []


def test_the_trash_never_waits(builder: StoreBuilder) -> None:
    wait = Waiting()
    assert carry_out(plan_for(builder.root, to_trash(*SOLO.models)), settle=5.0, wait=wait).done
    assert carry_out(plan_for(builder.root, Empty(), NOW + 60), settle=5.0, wait=wait).done
    assert wait.waits == []


def test_in_place_it_does_not_wait_and_says_so(builder: StoreBuilder) -> None:
    wait = Waiting()
    full = FailingDisk("write", code=errno.ENOSPC)
    receipt = carry_out(plan_for(builder.root, SOLO), settle=5.0, wait=wait, disk=full)
    assert receipt.done
    assert wait.waits == []
    assert "without watching" in receipt.notes[0]


# The second look, in every way


def sign(builder: StoreBuilder) -> str:
    builder.partial("another", size=10_000, done=5_000)
    return "another"


class Beginning(FailingDisk):
    """A pull begins before the first file is set aside, or unlinked."""

    def __init__(self, builder: StoreBuilder, name: str = "link", code: int | None = None) -> None:
        super().__init__("write" if code else "", code=code or 0)
        self.builder = builder
        self.trigger = name
        self.begun = False

    def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
        if name == self.trigger and "/.prunella/" not in path and not self.begun:
            self.begun = True
            sign(self.builder)
        super().watch(name, path, change)


WAYS = [
    prune(),
    Removal(models=SOLO.models, to_trash=False),
    to_trash(*SOLO.models),
    to_trash(blobs=("blobs/COPY123",)),
]


@pytest.mark.parametrize("request_", WAYS)
def test_a_pull_that_begins_meanwhile_puts_everything_back(builder: StoreBuilder, request_: Request) -> None:
    before = tree(builder.root)
    with pytest.raises(Refused, match="a pull may be running; everything was put back"):
        carry_out(plan_for(builder.root, request_), disk=Beginning(builder))
    assert before.items() <= tree(builder.root).items()


@pytest.mark.parametrize("request_", WAYS[:2])
def test_in_place_a_pull_that_begins_keeps_the_rest(builder: StoreBuilder, request_: Request) -> None:
    plan = plan_for(builder.root, request_)
    disk = Beginning(builder, "unlink", errno.ENOSPC)
    receipt = carry_out(plan, disk=disk)
    assert not receipt.done
    assert len(receipt.removed) == 1, "the one that was being unlinked as it began"
    assert "a pull may be running" in receipt.errors[0].message
    rest = {item.file.path for item in plan.files} - set(receipt.removed)
    assert rest <= set(tree(builder.root))


def test_in_place_what_a_new_manifest_needs_stays_whenever_it_comes(builder: StoreBuilder) -> None:
    others = [builder.layer("weights", f"{number} is not needed either", age=DAY) for number in range(3)]
    unlinked: list[str] = []

    class Full(FailingDisk):
        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            super().watch(name, path, change)
            if name == "unlink" and "/blobs/sha256-" in path:
                unlinked.append(path)
                if len(unlinked) == 1:
                    left = [other for other in others if os.path.exists(builder.blob_path(other.digest))]
                    builder.model("new", *left, config=left[0], age=DAY)

    receipt = carry_out(plan_for(builder.root, prune()), disk=Full("write", code=errno.ENOSPC))
    assert len(receipt.returned) >= 2
    assert broken_models(builder.root) == {}


def test_in_place_a_blob_that_became_another_file_stays(builder: StoreBuilder) -> None:
    weights = max(plan_for(builder.root, SOLO).blobs, key=lambda item: item.file.size).file.path

    class Full(FailingDisk):
        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            super().watch(name, path, change)
            if name == "unlink" and path.endswith("solo/v1"):
                Path(f"{builder.root}/newer").write_text("newer")
                os.utime(f"{builder.root}/newer", (0, 0))  # no sign of a pull
                os.rename(f"{builder.root}/newer", f"{builder.root}/{weights}")

    receipt = carry_out(plan_for(builder.root, SOLO), disk=Full("write", code=errno.ENOSPC))
    assert [error.path for error in receipt.errors] == [weights]
    assert Path(builder.root, weights).read_text() == "newer"


def test_a_pull_that_was_running_before_does_not_keep_a_model_that_is_named(builder: StoreBuilder) -> None:
    builder.partial("running", size=10_000, done=5_000)
    assert carry_out(plan_for(builder.root, Removal(models=SOLO.models, to_trash=False))).done


def test_a_pull_does_not_keep_the_trash_from_being_emptied(builder: StoreBuilder) -> None:
    remove(builder.root, *SOLO.models)
    assert carry_out(plan_for(builder.root, Empty()), disk=Beginning(builder, "move")).done
