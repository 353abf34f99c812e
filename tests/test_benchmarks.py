"""What the benchmarks stand on: stores that hold what their makers say, and figures in the units that they bear."""

import hashlib
import json
import subprocess
import time
from pathlib import Path

import pytest

from generate import Truth, build_big, build_orphans, build_shared, build_small, build_whole
from keys import Presses, line_of
from prunella_core.inventory.records import State
from report import Line
from setting import PRUNELLA, PYTHON
from stores import look
from terminal import Terminal
from timing import run


def _found(root: Path) -> Truth:
    inventory = look(root)
    states = [blob.state for blob in inventory.blobs]
    whole = states.count(State.REFERENCED) + states.count(State.UNREFERENCED)
    assert not inventory.problems
    assert len(states) == whole + states.count(State.PARTIAL)
    return Truth(len(inventory.models), whole, states.count(State.UNREFERENCED), states.count(State.PARTIAL))


def test_a_big_store_holds_what_was_written(tmp_path: Path) -> None:
    truth = build_big(str(tmp_path), 2_000)
    assert _found(tmp_path) == truth
    assert truth.models == 2 + 155
    assert (truth.unreferenced, truth.partials) == (53, 1)


def test_tensor_models_share_a_third_of_their_layers(tmp_path: Path) -> None:
    build_big(str(tmp_path), 2_000)
    models = [model for model in look(tmp_path).models if "tensors" in model.name]
    first, second = ({layer.digest for layer in model.layers} for model in models)
    assert len(first) == len(second) == 1_172
    assert len(first & second) == 390


def test_a_shared_store_holds_what_was_written(tmp_path: Path) -> None:
    truth = build_shared(str(tmp_path), 400)
    assert _found(tmp_path) == truth
    assert (truth.models, truth.unreferenced, truth.partials) == (400, 10, 1)


@pytest.mark.parametrize("what", ["ls", "blobs"])
def test_the_yardstick_prints_the_rows_that_the_program_prints(what: str, tmp_path: Path) -> None:
    """So that the ratio compares like with like."""
    build_shared(str(tmp_path), 40, now=time.time())
    plain = subprocess.run([PYTHON, "benchmarks/floor.py", what, str(tmp_path)], capture_output=True, check=True)
    ours = subprocess.run([PRUNELLA, "--store", str(tmp_path), what, "--json"], capture_output=True, check=True)
    rows = json.loads(plain.stdout)["rows"]
    key = "models" if what == "ls" else "blobs"
    by_name = {row.get("name") or row["files"][0]: row for row in json.loads(ours.stdout)[key]}
    for row in rows:
        name = row.get("name") or row["files"][0]
        same = set(row) - {"comes_back", "age_seconds", "last_used", "age_from", "shared_with", "likely"}
        if row.get("state") != "partial":
            assert {field: row[field] for field in same} == {field: by_name[name][field] for field in same}


def test_a_small_store_holds_what_was_written(tmp_path: Path) -> None:
    truth = build_small(str(tmp_path))
    assert _found(tmp_path) == truth
    assert (truth.models, truth.unreferenced, truth.partials) == (60, 12, 3)


def test_orphans_are_what_nothing_needs(tmp_path: Path) -> None:
    paths = build_orphans(str(tmp_path), 7)
    unneeded = [blob for blob in look(tmp_path).blobs if blob.state is State.UNREFERENCED]
    assert {str(tmp_path / blob.files[0].path) for blob in unneeded} == set(paths)
    assert len(paths) == 7


def test_whole_blobs_have_all_their_bytes(tmp_path: Path) -> None:
    assert build_whole(str(tmp_path), 3, 100_000) == 300_000
    (model,) = look(tmp_path).models
    files = [tmp_path / "blobs" / layer.digest.replace(":", "-") for layer in model.layers]
    assert [hashlib.sha256(file.read_bytes()).hexdigest() for file in files] == [file.name[7:] for file in files]


def test_a_press_of_a_fiftieth_of_a_second_is_20_milliseconds() -> None:
    presses = Presses("Models", "move", [0.02] * 19 + [0.5])
    assert line_of(presses).cells == ["Models: move, 95 of 100 presses", "20 ms", "≤ 33 ms", "met"]
    assert not line_of(Presses("Models", "move", [0.04] * 20)).is_met
    assert line_of(Presses("Models", "sort", [0.04] * 20)).is_met


def test_what_must_not_be_less_is_missed_when_it_is() -> None:
    assert Line("rate", 0.9, "×", 0.9, at_least=True).is_met
    assert not Line("rate", 0.89, "×", 0.9, at_least=True).is_met
    assert not Line("time", 2.01, "×", 2.0).is_met


def test_a_press_that_draws_nothing_has_no_time() -> None:
    with Terminal(["sh", "-c", "stty -echo; echo ready"]) as terminal:
        terminal.until("ready")
        with pytest.raises(TimeoutError):
            terminal.press("j")


def test_a_run_has_its_time_and_its_memory() -> None:
    done = run(["sh", "-c", "exit 0"])
    assert done.seconds > 0
    assert done.peak > 0
