"""Why something stays: links, what may be loaded, pins and a trash that cannot be read, names with a flipped digit."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from prunella_core.base.errors import StalePlan
from prunella_core.inventory.problems import problem
from prunella_core.inventory.records import Inventory
from prunella_core.plan.build import make_plan, refuse_if_stale
from prunella_core.plan.records import Empty, Plan, PruneClass, Removal
from prunella_core.sample import Layer, StoreBuilder
from stores import (
    DAY,
    HOUR,
    NOW,
    bring_back,
    broken_models,
    carry_out,
    facts,
    look,
    of_ollama,
    plan_for,
    planned,
    prune,
    remove,
    to_trash,
)

MODEL = PruneClass.MODEL


def reasons(plan: Plan) -> set[str]:
    return {held.reason for held in plan.held_back}


def name_of(builder: StoreBuilder, layer: Layer) -> str:
    return os.path.basename(builder.blob_path(layer.digest))


# Links


def link(builder: StoreBuilder, to: str, seed: str, age: float = DAY) -> Layer:
    """A blob whose only file is a link."""
    layer = builder.layer("weights", seed)
    path = builder.blob_path(layer.digest)
    os.unlink(path)
    os.symlink(to, path)
    os.utime(path, (NOW - age, NOW - age), follow_symlinks=False)
    return layer


def test_what_a_link_leads_to_stays_while_the_link_stays(builder: StoreBuilder) -> None:
    target = builder.layer("weights", "the target", age=DAY)
    leading = link(builder, name_of(builder, target), "a link")
    plan = plan_for(builder.root, Removal(blobs=(target.digest,)))
    assert plan.files == ()
    assert [kept.reason for kept in plan.kept] == [f"{leading.digest} links to it"]
    both = plan_for(builder.root, Removal(blobs=(target.digest, leading.digest)))
    assert {item.digest for item in both.files} == {target.digest, leading.digest}


def test_a_link_that_is_younger_than_the_age_keeps_an_older_target(builder: StoreBuilder) -> None:
    target = builder.layer("weights", "the target", age=9 * DAY)
    leading = link(builder, name_of(builder, target), "a link", age=HOUR)
    plan = plan_for(builder.root, prune(7 * DAY))
    assert planned(plan) == set()
    assert {held.path for held in plan.younger} >= {f"blobs/{name_of(builder, leading)}"}
    assert len(plan_for(builder.root, prune(HOUR, PruneClass.UNREFERENCED)).files) == 3


@pytest.mark.parametrize("between", ["blobs/mine", f"blobs/sha256-{'c' * 64}"])
def test_a_prune_keeps_what_a_model_needs_behind_two_links(builder: StoreBuilder, between: str) -> None:
    target = builder.layer("weights", "the target", age=DAY)
    builder.link(between, name_of(builder, target))
    os.utime(f"{builder.root}/{between}", (NOW - DAY, NOW - DAY), follow_symlinks=False)
    leading = link(builder, os.path.basename(between), "a link")
    builder.model("linked", leading, config=builder.config(model_type="9B", age=DAY), age=DAY)
    plan = plan_for(builder.root, prune(force=True))
    going = planned(plan)
    assert going
    assert not going & {f"blobs/{name_of(builder, target)}", f"blobs/{name_of(builder, leading)}", between}


def test_a_model_goes_whose_link_leads_to_a_fresh_blob(builder: StoreBuilder) -> None:
    target = builder.layer("weights", "just written")
    leading = link(builder, name_of(builder, target), "a link")
    builder.model("linked", leading, config=builder.config(model_type="9B", age=DAY), age=DAY)
    plan = plan_for(builder.root, Removal(models=("linked",), to_trash=False))
    assert [kept.digest for kept in plan.kept] == [target.digest]
    assert carry_out(plan).done
    assert os.path.exists(builder.blob_path(target.digest))
    assert not os.path.lexists(builder.blob_path(leading.digest))


# Loaded, pinned, unreadable


def test_a_model_that_may_be_loaded_stays_unless_forced(builder: StoreBuilder) -> None:
    unknown = replace(prune(0, MODEL), loaded=None)
    plan = plan_for(builder.root, unknown)
    assert plan.models == ()
    assert {reason.partition(" ")[2] for reason in reasons(plan)} == {"may be loaded: the server does not answer"}
    forced = plan_for(builder.root, replace(unknown, force=True))
    assert len(forced.models) == len(forced.overridden) == 3
    assert plan_for(builder.root, Removal(models=("base",), loaded=None)).models == ("base:latest",)


def test_a_loaded_model_stays_even_when_forced(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, replace(prune(0, MODEL, force=True), loaded=frozenset({"base:latest"})))
    assert set(plan.models) == {"derived:latest", "team/solo:v1"}
    assert reasons(plan) == {"base:latest is loaded in the server"}


def with_problem(builder: StoreBuilder, path: str, kind: str) -> Inventory:
    inventory = look(builder.root)
    return replace(inventory, problems=(*inventory.problems, problem(path, kind, "cannot be read")))


def test_while_pins_cannot_be_read_every_model_counts_as_pinned(builder: StoreBuilder) -> None:
    inventory = with_problem(builder, ".prunella/pins", "pins-unreadable")
    plan = make_plan(inventory, prune(0, MODEL, force=True), NOW)
    assert plan.models == ()
    assert all("pins cannot be read" in reason for reason in reasons(plan))
    assert make_plan(inventory, Removal(models=("base",)), NOW).models == ("base:latest",)


def test_while_the_trash_cannot_be_read_nothing_in_it_is_deleted(builder: StoreBuilder) -> None:
    remove(builder.root, "base:latest")
    inventory = with_problem(builder, ".prunella/trash/x", "trash-unreadable")
    for request in (Empty(), Empty(force=True), prune(0, PruneClass.TRASH, force=True)):
        plan = make_plan(inventory, request, NOW)
        assert plan.files == ()
        assert len(plan.held_back) == 1


def test_a_download_that_a_process_has_open_stays(builder: StoreBuilder) -> None:
    inventory = look(builder.root)
    (partial,) = (blob for blob in inventory.blobs if blob.state == "partial")
    plan = make_plan(replace(inventory, held_open=frozenset({partial.key})), prune(), NOW)
    assert not {file.path for file in partial.files} & planned(plan)
    assert "a process has it open: a pull is running" in reasons(plan)


# Clocks


def test_the_age_of_an_entry_is_counted_from_its_removal(builder: StoreBuilder) -> None:
    remove(builder.root, "base:latest", now=NOW)
    seven_days = prune(7 * DAY, PruneClass.TRASH)
    assert plan_for(builder.root, seven_days, NOW + 7 * DAY - 1).files == ()
    assert plan_for(builder.root, seven_days, NOW + 7 * DAY).files
    assert plan_for(builder.root, seven_days, NOW - 5 * 365 * DAY).files == ()


def test_what_was_reviewed_is_what_runs_however_late_it_is_confirmed(builder: StoreBuilder) -> None:
    builder.file("blobs/COPY9", "settling", age=300)
    reviewed = plan_for(builder.root, prune(), NOW)
    assert {held.path for held in reviewed.held_back} >= {"blobs/COPY9"}
    later = look(builder.root, NOW + 601)
    assert planned(make_plan(later, prune(), NOW + 601)) > planned(reviewed)
    refuse_if_stale(reviewed, later)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: os.unlink(path),
        lambda path: os.utime(path, (NOW - HOUR, NOW - HOUR)),
        lambda path: Path(path).write_text("other"),
        lambda path: os.link(path, f"{path}-partial-7"),
    ],
)
def test_a_file_that_is_not_the_reviewed_one_is_refused(builder: StoreBuilder, change: Callable[[str], None]) -> None:
    plan = plan_for(builder.root, Removal(models=("team/solo:v1",)))
    change(f"{builder.root}/{plan.blobs[0].file.path}")
    with pytest.raises(StalePlan):
        refuse_if_stale(plan, look(builder.root))


# Spellings


def test_two_spellings_of_a_digest_leave_and_come_back_whole(builder: StoreBuilder) -> None:
    solo = look(builder.root).model_by_name["team/solo:v1"].needs[-1]
    path = builder.blob_path(solo)
    Path(path.replace("sha256-", "sha256:")).write_bytes(Path(path).read_bytes())
    before = facts(builder.root)
    entry = remove(builder.root, "team/solo:v1")
    assert not [path for path in of_ollama(builder.root) if solo[7:] in path]
    bring_back(builder.root, entry)
    assert of_ollama(builder.root) == before


def test_names_that_differ_only_in_case_leave_and_come_back_whole(builder: StoreBuilder) -> None:
    template = builder.layer("template", "of a twin", age=DAY)
    for name, size in (("Twin", "4B"), ("twin", "5B")):
        builder.model(name, template, config=builder.config(model_type=size, age=DAY), age=DAY)
    before = facts(builder.root)
    plan = plan_for(builder.root, to_trash("twin:latest"))
    assert plan.models == ("twin:latest",)
    entry = remove(builder.root, "Twin:latest", "twin:latest")
    assert {model.name for model in entry.models} == {"Twin:latest", "twin:latest"}
    bring_back(builder.root, entry)
    assert of_ollama(builder.root) == before
    assert broken_models(builder.root) == {}


@pytest.mark.parametrize(("digits", "stays"), [(1, True), (2, True), (3, False)])
def test_a_blob_whose_name_has_a_flipped_digit_stays(builder: StoreBuilder, digits: int, stays: bool) -> None:
    layer = builder.layer("weights", "of a model", age=DAY)
    builder.model("hit", layer, config=builder.config(model_type="9B", age=DAY), age=DAY)
    path = builder.blob_path(layer.digest)
    other = path[: -digits * 8] + "".join(
        ("0" if letter != "0" else "1") if at % 8 == 0 else letter for at, letter in enumerate(path[-digits * 8 :])
    )
    os.rename(path, other)
    for request in (prune(), prune(force=True)):
        plan = plan_for(builder.root, request)
        assert (f"blobs/{os.path.basename(other)}" not in planned(plan)) is stays
        assert any("is missing: see doctor" in reason for reason in reasons(plan)) is stays


def test_deleted_by_the_server_a_problem_keeps_nothing(builder: StoreBuilder) -> None:
    builder.manifest("half", "", age=DAY)
    plan = plan_for(builder.root, Removal(models=("team/solo:v1",), by_server=True))
    assert (plan.mode, plan.blocked, plan.kept) == ("server", (), ())
    assert len(plan.blobs) == 2


def test_deleted_by_the_server_what_the_guard_or_the_trash_keeps_frees_nothing(builder: StoreBuilder) -> None:
    solo = Removal(models=("team/solo:v1",), by_server=True)
    manifest, *blobs = plan_for(builder.root, solo).files
    assert manifest.reclaims
    assert all(item.reclaims for item in blobs)
    for item, folder in zip(blobs, (".prunella/guard", ".prunella/trash/20260101T000000-abc"), strict=True):
        held = Path(builder.root, folder, item.file.path)
        held.parent.mkdir(parents=True)
        held.hardlink_to(f"{builder.root}/{item.file.path}")
    plan = plan_for(builder.root, solo)
    assert planned(plan) == {manifest.file.path, *(item.file.path for item in blobs)}
    assert plan.reclaims == manifest.reclaims
    by_us = plan_for(builder.root, Removal(models=("team/solo:v1",), to_trash=False))
    assert by_us.reclaims == manifest.reclaims + blobs[0].reclaims
