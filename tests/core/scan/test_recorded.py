"""Stores of a real Ollama server: what we see and plan is what it listed and did, except where it destroys data."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from prunella_core.inventory.records import Inventory, State
from prunella_core.ollama.names import match_name, parse_name
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Plan, PruneClass, Restore
from prunella_core.scan import scan
from recordings import RECORDED, Recorded
from stores import HOUR, carry_out, disk_use, facts, for_good, planned, prune, remove, tree

Unpack = Callable[..., Recorded]

SCENARIOS = sorted(folder.name for folder in RECORDED.iterdir())
UNREADABLE = ["bad-manifest-empty", "bad-manifest-name", "bad-manifest-truncated"]
REMOVALS = ["rm-shared", "rm-alias", "rm-case", "missing-weights", "meta-pull", "v2-rm-shared"]


def look(recording: Recorded) -> Inventory:
    return scan(recording.store, recording.now)


def plan_the_recorded_rm(recording: Recorded) -> Plan:
    """What ``ollama rm`` was asked for, planned."""
    inventory = look(recording)
    removals = [action["argv"] for action in recording.scenario["actions"] if action["argv"][1] == "rm"]
    arguments = [argument for removal in removals for argument in removal[2:]]
    names = [match_name(parse_name(argument), inventory.model_by_name) for argument in arguments]
    return make_plan(inventory, for_good(models=tuple(name or "" for name in names)), recording.now)


def test_scenarios_are_there() -> None:
    assert len(SCENARIOS) == 20


@pytest.mark.parametrize("name", SCENARIOS)
def test_lists_what_the_server_lists(recorded: Unpack, name: str) -> None:
    recording = recorded(name)
    expected = {(tag["name"], tag["size"], tag["digest"]) for tag in recording.scenario["tags_before"]}
    assert {(model.name, model.size, model.digest) for model in look(recording).models} == expected


@pytest.mark.parametrize("name", ["cp-over", "create-from-gguf", "v2-cp", "v2-list", "v2-rm-shared", "meta-pull"])
def test_lists_what_the_server_lists_afterwards(recorded: Unpack, name: str) -> None:
    recording = recorded(name, "after")
    expected = {(tag["name"], tag["size"], tag["digest"]) for tag in recording.scenario["tags_after"]}
    assert {(model.name, model.size, model.digest) for model in look(recording).models} == expected


@pytest.mark.parametrize("name", SCENARIOS)
def test_describes_every_file_of_blobs(recorded: Unpack, name: str) -> None:
    recording = recorded(name)
    seen = {
        file.path: (file.size, file.allocated, "link" if file.target else "file")
        for blob in look(recording).blobs
        for file in blob.files
    }
    assert seen == {
        path: (entry["size"], entry["allocated"], entry["type"])
        for path, entry in recording.scenario["before"].items()
        if path.startswith(("blobs/", "metadata/"))
    }


@pytest.mark.parametrize("name", REMOVALS)
def test_rm_plans_and_removes_what_the_server_removed(recorded: Unpack, name: str) -> None:
    recording = recorded(name)
    plan = plan_the_recorded_rm(recording)
    assert planned(plan) == set(recording.scenario["removed"])
    assert not plan.blocked

    used = disk_use(recording.store.root)
    receipt = carry_out(plan)

    assert tree(recording.store.root) == tree(recorded(name, "after").store.root)
    assert receipt.done
    assert used - disk_use(recording.store.root) == plan.reclaims == receipt.freed


def test_rm_says_who_still_uses_what_stays(recorded: Unpack) -> None:
    recording = recorded("rm-shared")
    kept = {item.digest: item.used_by for item in plan_the_recorded_rm(recording).kept}
    weights = next(
        layer.digest for layer in look(recording).model_by_name["b:latest"].layers if layer.kind == "weights"
    )
    assert "ns/tuned:v1" in kept[weights]
    assert not {"b:latest", "hf.co/someone/b-GGUF:Q4_K_M"} & {name for names in kept.values() for name in names}


def test_missing_weights_are_told(recorded: Unpack) -> None:
    inventory = look(recorded("missing-weights"))
    missing = [blob for blob in inventory.blobs if blob.state is State.MISSING]
    assert [blob.kind for blob in missing] == ["weights"]
    assert {problem.model for problem in inventory.problems} == set(missing[0].models)
    assert {problem.kind for problem in inventory.problems} == {"missing-blob"}


def test_prune_takes_what_the_server_takes_but_nobodys_own_files(recorded: Unpack) -> None:
    recording = recorded("startup-prune")
    plan = make_plan(look(recording), prune(HOUR, force=True), recording.now)
    strays = {"blobs/.hidden", "blobs/README.txt"}
    assert planned(plan) == set(recording.scenario["removed"]) - strays
    carry_out(plan)
    assert set(tree(recording.store.root)) & set(recording.scenario["removed"]) == strays
    assert Path(recording.store.root, "blobs/subdir/file").exists()
    assert Path(recording.store.root, "../target").exists()


def test_prune_holds_the_unreferenced_back_while_a_pull_may_run(recorded: Unpack) -> None:
    recording = recorded("startup-prune")
    inventory = look(recording)
    plan = make_plan(inventory, prune(HOUR), recording.now)
    forced = make_plan(inventory, prune(HOUR, force=True), recording.now)
    unreferenced = {blob.files[0].path for blob in inventory.blobs if blob.state is State.UNREFERENCED}
    held = {item.path for item in plan.held_back}
    assert held == planned(forced) & unreferenced
    assert planned(plan) == planned(forced) - unreferenced
    assert {item.path for item in forced.overridden} == held


def test_noprune_left_a_store_that_can_be_pruned(recorded: Unpack) -> None:
    recording = recorded("startup-noprune")
    plan = make_plan(look(recording), prune(HOUR, PruneClass.LEFTOVER), recording.now)
    assert planned(plan) == {"blobs/COPY12345", "blobs/sha256-123456789"}


@pytest.mark.parametrize("name", [*UNREADABLE, "bad-manifest-braces"])
def test_a_bad_manifest_blocks_the_prune(recorded: Unpack, name: str) -> None:
    recording = recorded(name)
    before = tree(recording.store.root)
    plan = make_plan(look(recording), prune(force=True), recording.now)
    assert plan.blocked
    assert {problem.path for problem in plan.blocked} <= set(recording.scenario["before"])
    assert planned(plan) == set()
    assert f"sha256:{'1' * 64}" in {kept.digest for kept in plan.kept}
    carry_out(plan)
    assert tree(recording.store.root) == before


@pytest.mark.parametrize("name", [*UNREADABLE, "bad-manifest-braces"])
def test_rm_beside_a_bad_manifest_drops_the_name_and_keeps_the_blobs(recorded: Unpack, name: str) -> None:
    recording = recorded(name)
    inventory = look(recording)
    sound = [model for model in inventory.models if not inventory.problems_by_model[model.name]]
    plan = make_plan(inventory, for_good(models=tuple(model.name for model in sound), force=True), recording.now)
    assert planned(plan) == {model.manifest.path for model in sound}
    assert plan.blocked
    assert {kept.digest for kept in plan.kept} == {digest for model in sound for digest in model.needs}


def test_what_only_a_damaged_manifest_needed_is_never_taken(recorded: Unpack) -> None:
    recording = recorded("bad-manifest-braces")
    lost_to_the_server = set(recording.scenario["removed"])
    inventory = look(recording)
    every_blob = for_good(blobs=tuple(blob.key for blob in inventory.blobs), force=True)
    assert len(lost_to_the_server) == 5
    for request in (prune(force=True), every_blob):
        assert not planned(make_plan(inventory, request, recording.now)) & lost_to_the_server


def test_an_interrupted_pull_is_one_row_and_its_hole_takes_nothing(recorded: Unpack) -> None:
    partials = [blob for blob in look(recorded("pull-interrupted")).blobs if blob.state is State.PARTIAL]
    assert [len(blob.files) for blob in partials] == [3]
    assert partials[0].size == 120_032_672
    assert partials[0].allocated == 528_384 + 2 * 4_096


def test_a_pull_that_ended_just_now_is_held_back(recorded: Unpack) -> None:
    recording = recorded("pull-interrupted")
    plan = make_plan(look(recording), prune(), recording.now)
    assert planned(plan) == set()
    partial = next(item for item in plan.held_back if item.path.endswith("-partial"))
    assert "10 minutes" in partial.reason


def test_aged_partials_go(recorded: Unpack) -> None:
    recording = recorded("pull-partials-aged")
    plan = make_plan(look(recording), prune(HOUR), recording.now)
    assert planned(plan) == set(recording.scenario["removed"])
    receipt = carry_out(plan)
    assert receipt.freed == plan.reclaims == 528_384 + 2 * 4_096


def test_cp_over_a_name_leaves_its_old_layers_unreferenced(recorded: Unpack) -> None:
    before, after = recorded("cp-over"), recorded("cp-over", "after")
    old = look(before)
    lost = {blob.digest for blob in old.blobs if set(blob.models) == {"other:1b", "other:latest"}}
    unreferenced = {blob.digest for blob in look(after).blobs if blob.state is State.UNREFERENCED}
    assert lost
    assert lost == unreferenced - {blob.digest for blob in old.blobs if blob.state is State.UNREFERENCED}


def test_create_from_a_gguf_takes_twice_the_space(recorded: Unpack) -> None:
    inventory = look(recorded("create-from-gguf", "after"))
    uploaded = [blob for blob in inventory.blobs if blob.state is State.UNREFERENCED]
    weights = [blob for blob in inventory.blobs if blob.kind == "weights"]
    assert [blob.size for blob in uploaded] == pytest.approx([weights[0].size], abs=100)


def test_the_data_is_what_the_scenarios_say() -> None:
    for name in SCENARIOS:
        scenario = json.loads((RECORDED / name / "scenario.json").read_text())
        assert scenario["name"] == name


@pytest.mark.parametrize("name", SCENARIOS)
def test_whatever_is_removed_comes_back_as_it_was(recorded: Unpack, name: str) -> None:
    recording = recorded(name)
    root, now = recording.store.root, recording.now
    before = facts(root)
    for model in look(recording).models:
        entry = remove(root, model.name, now=now)
        assert facts(root) != before
        carry_out(make_plan(look(recording), Restore(entry=entry.id), now))
        assert facts(root) == before
