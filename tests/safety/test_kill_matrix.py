"""A sample of the kill matrix; ``make kill`` goes through all of it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from safety.kill_cases import Case, cases
from safety.kill_matrix import what_is_lost, what_is_wrong
from safety.killing import die, shoot
from stores import facts, recover

MATRIX = Path(__file__).parent / "kill_matrix.py"


def test_a_sample_of_the_matrix_loses_nothing() -> None:
    run = subprocess.run(
        [
            sys.executable,
            MATRIX,
            "--every",
            "11",
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert "LOSS" not in run.stdout
    points = re.search(r"points ([0-9]+), losses 0", run.stdout)
    assert points, run.stderr
    assert int(points[1]) > 200
    assert run.returncode == 0


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return next(cases(tmp_path))


def test_the_matrix_finds_what_is_wrong(case: Case) -> None:
    """A matrix that never complains would be worth nothing."""
    assert what_is_wrong(case, case.store) == ""
    assert what_is_lost(case, case.store) == ""
    blob = next(path for path in sorted(case.before.all) if path.startswith("blobs/sha256-") and path in case.after.all)
    (case.store / blob).unlink()
    assert blob in what_is_wrong(case, case.store)
    assert "files are lost" in what_is_lost(case, case.store)


def test_a_kill_is_one_and_a_run_that_ends_is_none(case: Case) -> None:
    assert die(case.store, case.request, 10, after=False)
    assert facts(case.store) != case.before.all, "a killed run leaves something for the next one"
    recover(case.store)
    assert not die(case.store, case.request, 10_000, after=False)


def test_a_shot_stops_the_process_in_mid_way(case: Case) -> None:
    assert shoot(case.store, case.request, 12)
    assert facts(case.store) not in (case.before.all, case.after.all)
    assert what_is_wrong(case, case.store) == ""
    assert facts(case.store) == case.before.all
