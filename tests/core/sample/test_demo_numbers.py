"""The sample store agrees with itself: listed, on disk and freed are one number, and its bytes are what they say."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

from prunella_core.advice.identify import described
from prunella_core.inventory.records import Inventory, State
from prunella_core.sample import build_demo_store
from prunella_core.scan.system import SWEEP, weights_in
from prunella_core.space import space_of
from prunella_core.verify import verify_blobs
from stores import NOW, look

_BLOCK = 4_096


@pytest.fixture
def demo(tmp_path: Path) -> Inventory:
    build_demo_store(str(tmp_path), NOW, divisor=100_000)
    return look(tmp_path)


def test_a_model_that_shares_nothing_frees_what_is_listed(demo: Inventory) -> None:
    space = space_of(demo)
    alone = [
        model
        for model in demo.models
        if not space.shared_with(model.name).count and not demo.problems_by_model[model.name]
    ]
    assert len(alone) >= 3
    for model in alone:
        slack = _BLOCK * (len(model.needs) + 1)
        usage = space.models[model.name]
        assert usage.allocated == usage.frees
        assert model.size <= usage.frees <= model.size + slack


def test_only_the_damage_that_was_planted_is_there(demo: Inventory) -> None:
    assert {(problem.kind, problem.model, problem.blocks_prune) for problem in demo.problems} == {
        ("wrong-size", "starcoder2:3b", False)
    }
    result = verify_blobs(demo, [blob for blob in demo.blobs if blob.has_hash])
    assert {demo.blob_by_key[bad.digest].models for bad in result.bad} == {("starcoder2:3b",)}


def test_nameless_weights_say_what_they_are(demo: Inventory) -> None:
    nameless = [blob for blob in demo.blobs if blob.state is State.UNREFERENCED]
    assert "GGUF weights, llama 3.2B Q4_K_M, “llama 3.2 of last spring”" in {
        described(demo.store, blob) for blob in nameless
    }


def test_nothing_is_said_to_be_used_before_it_was_there(demo: Inventory) -> None:
    assert all(blob.written_at and blob.written_at <= NOW for blob in demo.blobs)
    assert all((model.weights_read_at or model.modified_at) >= model.modified_at for model in demo.models)


def test_no_two_models_were_used_at_once(demo: Inventory) -> None:
    """It would look like a backup that read both, and their idle time would be unknown."""
    weights = {weights.digest for model in demo.models if (weights := weights_in(model.layers))}
    files = [demo.store.path(demo.blob_by_key[digest].files[0].path) for digest in weights]
    times = sorted(os.stat(file).st_atime for file in files)
    assert all(later - earlier > SWEEP for earlier, later in pairwise(times))
