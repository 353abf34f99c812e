"""The library: the examples of its page run, and it says no where the command line does."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import prunella_core
from prunella_core import (
    Empty,
    InvalidInput,
    NotFound,
    PruneClass,
    PrunePolicy,
    Refused,
    Removal,
    Restore,
    carry_out,
    frees,
    make_plan,
    open_store,
    scan_store,
)
from prunella_core.sample import StoreBuilder, build_demo_store
from servers import ollama_on
from stores import disk_use, tree

PAGE = Path(__file__).parent.parent.parent / "docs/library.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(autouse=True)
def _on_this_machine_is_no_ollama(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OLLAMA_MODELS", "PRUNELLA_STORE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("prunella_core.library.is_quiet", lambda _environ: True)


def test_the_examples_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build_demo_store(str(tmp_path), time.time())
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    before, used = tree(tmp_path), disk_use(tmp_path)
    first, second = EXAMPLES
    exec(first, {})
    assert tree(tmp_path) == before
    *models, plan, moved, done = capsys.readouterr().out.splitlines()
    assert len(models) == len(scan_store(open_store()).models)
    reclaims = int(plan.split()[0])
    assert "manifests/registry.ollama.ai/library/code-reviewer/latest" in plan
    assert any(line.split() == ["code-reviewer:latest", f"{reclaims:,}", "bytes"] for line in models)
    assert moved.split()[0] == str(reclaims)
    assert done == "True"

    exec(second, {})
    planned, freed, errors = capsys.readouterr().out.splitlines()[-1].split()
    assert int(planned) == int(freed) == used - disk_use(tmp_path) > 0
    assert errors == "()"


def test_what_several_models_free_together(builder: StoreBuilder) -> None:
    inventory = scan_store(open_store(builder.root))
    alone = [frees(inventory, name) for name in ("base", "derived:latest")]
    assert frees(inventory, "base", "Derived") > sum(alone) + 20_000
    with pytest.raises(NotFound, match="other"):
        frees(inventory, "other")


def test_what_is_not_there_is_said(builder: StoreBuilder) -> None:
    inventory = scan_store(open_store(Path(builder.root)))
    for request in (
        Removal(models=("other",)),
        Removal(blobs=("sha256:" + "0" * 64,)),
        Empty(entries=("20260101T000000-abcdef",)),
        Restore(entry="20260101T000000-abcdef"),
    ):
        with pytest.raises(NotFound):
            make_plan(inventory, request)
    with pytest.raises(InvalidInput, match="invalid model name"):
        make_plan(inventory, Removal(models=("a b",)))


def test_one_model_of_an_entry_is_restored_by_its_name_without_a_tag(builder: StoreBuilder) -> None:
    store = open_store(builder.root)
    receipt = carry_out(make_plan(scan_store(store), Removal(models=("base", "derived"))))
    with pytest.raises(NotFound, match="team"):
        make_plan(scan_store(store), Restore(entry=receipt.id, model="team/solo:v1"))
    assert carry_out(make_plan(scan_store(store), Restore(entry=receipt.id, model="base"))).done
    assert [model.name for model in scan_store(store).models] == ["base:latest", "team/solo:v1"]


def test_a_prune_of_models_leaves_what_the_server_has_loaded(
    builder: StoreBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = scan_store(open_store(builder.root))
    with ollama_on(builder.root, "team/solo:v1") as server:
        monkeypatch.setenv("OLLAMA_HOST", server.environ["OLLAMA_HOST"])
        policy = PrunePolicy(age=0, classes=frozenset({PruneClass.MODEL}))
        assert make_plan(inventory, policy).models == ("base:latest", "derived:latest")
        assert make_plan(inventory, Removal(models=("team/solo:v1",))).loaded == ("team/solo:v1",)


def test_without_the_log_and_by_a_variable(builder: StoreBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRUNELLA_STORE", builder.root)
    monkeypatch.setattr("prunella_core.library.Follower", None)
    inventory = scan_store(open_store(), log_seconds=0)
    assert inventory.store.root == os.path.realpath(builder.root)
    assert len(inventory.models) == 3


def test_a_plan_that_no_longer_matches_is_refused(builder: StoreBuilder) -> None:
    plan = make_plan(scan_store(open_store(builder.root)), Removal(models=("team/solo:v1",)))
    builder.model("again", builder.layer("weights", "solo weights" * 2_000))
    with pytest.raises(Refused, match="changed"):
        carry_out(plan)


def test_its_import_brings_nothing_before_a_name_is_used() -> None:
    code = "import prunella_core, sys; print(*sorted(m for m in sys.modules if m.startswith('prunella')))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert found == ["prunella_core", "prunella_core.base"]


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    for name in set(prunella_core.__all__) - {"Request"}:
        assert getattr(prunella_core, name).__doc__, name
    functions = {name for name in prunella_core.__all__ if name.islower()}
    assert functions == set(re.findall(r"^\| `(\w+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    with pytest.raises(AttributeError, match="World"):
        prunella_core.World  # type: ignore[attr-defined]  # noqa: B018
