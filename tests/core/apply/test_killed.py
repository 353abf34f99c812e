"""Killed anywhere: the next run ends with the store as it was, or with everything done."""

import json
import os
import shutil
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from prunella_core.apply import has_unfinished
from prunella_core.plan.records import Request
from prunella_core.sample import StoreBuilder
from stores import (
    BOTH,
    REQUESTS,
    SOLO,
    carry_out,
    for_good,
    kill,
    look,
    open_store,
    outcome,
    plan_for,
    recover,
    small_store,
    tree,
)


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_step_the_next_run_ends_before_or_after(tmp_path: Path, request_: Request, after: bool) -> None:
    original = small_store(tmp_path / "original").root
    before, finished = tree(original), outcome(original, request_, tmp_path / "scratch")
    ends = set()
    for at in count(1):
        root = small_store(tmp_path / f"killed at {at}").root
        if not kill(plan_for(root, request_), at, after):
            break
        assert {problem.kind for problem in look(root).problems} == set(), "what a server that starts now would see"
        recover(root)
        assert tree(root) in (before, finished), f"killed at change {at}"
        ends.add(tree(root) == finished)
        shutil.rmtree(root)
    assert at > 2 * len(plan_for(original, request_).files)
    assert ends == {True, False}, "some ended before, some after"


@pytest.mark.parametrize("first", range(4, 40, 3))
def test_killed_again_while_recovering_the_one_after_ends_it(tmp_path: Path, first: int) -> None:
    original = small_store(tmp_path / "original").root
    before, finished = tree(original), outcome(original, BOTH, tmp_path / "scratch")
    for at in count(1):
        root = small_store(tmp_path / f"{at}").root
        kill(plan_for(root, BOTH), first, after=True)
        staged = f"{root}/.prunella/staging"
        decided = not (os.path.isdir(staged) and os.listdir(staged))
        if not kill(plan_for(root, for_good()), at, after=False):
            break
        assert {problem.kind for problem in look(root).problems} == set()
        recover(root)
        assert tree(root) == (finished if decided else before), f"killed at change {first}, then at {at}"


def test_a_kill_is_undone_before_a_new_plan_is_looked_at(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, BOTH)
    assert kill(plan, 14, after=False)
    assert has_unfinished(open_store(builder.root))
    assert carry_out(plan_for(builder.root, SOLO)).done
    assert not has_unfinished(open_store(builder.root))
    assert carry_out(plan_for(builder.root, BOTH)).done, "its models are back"


REAL_KILL = """
import os, sys
from stores import carry_out, for_good, plan_for
from prunella_core.apply import Disk

class Shot(Disk):
    def move(self, source, target):
        if source.endswith(sys.argv[2]):
            os.kill(os.getpid(), 9)
        super().move(source, target)

carry_out(plan_for(sys.argv[1], for_good(models=("base:latest", "derived:latest"))), disk=Shot())
"""


def test_a_process_that_is_really_killed_leaves_nothing_that_stays(builder: StoreBuilder) -> None:
    before = tree(builder.root)
    victim = plan_for(builder.root, BOTH).blobs[1].file.path
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    shot = subprocess.run(
        [sys.executable, "-c", REAL_KILL, builder.root, victim], env=environment, check=False, capture_output=True
    )
    assert shot.returncode == -9
    record = next(Path(builder.root, ".prunella/staging").glob("*/record.json"))
    assert victim in json.loads(record.read_text())["files"]
    recover(builder.root)
    assert tree(builder.root) == before
