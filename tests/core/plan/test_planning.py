"""Plans: what goes, what stays and why, what is held back. Pure functions of an inventory, a request and a time."""

import pytest

from prunella_core.base.errors import NotFound
from prunella_core.inventory.records import State
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Empty, Plan, PruneClass, Removal
from prunella_core.sample import StoreBuilder
from stores import BOTH, DAY, HOUR, NOW, SOLO, for_good, look, plan_for, planned, prune

MODEL = PruneClass.MODEL
BASE_MANIFEST = "manifests/registry.ollama.ai/library/base/latest"


def in_state(builder: StoreBuilder, *states: State) -> set[str]:
    """The paths of all files whose row has one of ``states``."""
    return {file.path for blob in look(builder.root).blobs if blob.state in states for file in blob.files}


def reasons(plan: Plan) -> dict[str, str]:
    return {held.path: held.reason for held in plan.held_back}


def test_what_others_use_stays_and_they_are_named(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, for_good(models=("derived:latest",)))
    assert {kept.used_by for kept in plan.kept} == {("base:latest",)}
    assert len(plan.kept) == 2
    assert {item.reason for item in plan.blobs} == {"only used by derived:latest"}
    assert plan.models == ("derived:latest",)


def test_manifests_come_before_blobs(builder: StoreBuilder) -> None:
    plan = plan_for(builder.root, BOTH)
    assert plan.files == plan.manifests + plan.blobs
    assert len(plan.manifests) == 2
    assert not plan.kept


def test_a_model_that_is_named_is_not_held_back_however_young(builder: StoreBuilder) -> None:
    builder.model("young", builder.layer("weights", "young"), config=builder.config())
    builder.partial("a running pull", size=9_000, done=9)
    plan = plan_for(builder.root, for_good(models=("young:latest",)))
    assert len(plan.files) == 3
    assert plan.held_back == ()


def test_a_plain_prune_takes_all_rubbish_and_nothing_else(builder: StoreBuilder) -> None:
    rubbish = in_state(builder, State.UNREFERENCED, State.PARTIAL, State.LEFTOVER)
    assert planned(plan_for(builder.root, prune())) == rubbish
    assert len(rubbish) == 5


@pytest.mark.parametrize("chosen", [PruneClass.UNREFERENCED, PruneClass.PARTIAL, PruneClass.LEFTOVER])
def test_a_prune_takes_only_the_class_it_was_told(builder: StoreBuilder, chosen: PruneClass) -> None:
    gone = planned(plan_for(builder.root, prune(0, chosen)))
    assert gone == in_state(builder, State(chosen.value))
    assert gone


def test_a_row_goes_when_it_has_reached_the_age_to_the_second(builder: StoreBuilder) -> None:
    due, young = plan_for(builder.root, prune(DAY)), plan_for(builder.root, prune(DAY + 1))
    assert len(due.files) == 5
    assert due.younger == ()
    assert young.files == ()
    assert len(young.younger) == 3


def test_the_newest_file_of_a_partial_tells_its_age(builder: StoreBuilder) -> None:
    builder.partial("two", size=9_000, done=9, age=DAY)
    digest = builder.partial("three", size=9_000, done=9, age=DAY)
    builder.file(f"blobs/{digest.replace(':', '-')}-partial-7", "{}", age=HOUR)
    gone = planned(plan_for(builder.root, prune(DAY)))
    assert len([path for path in gone if "-partial" in path]) == 5
    assert not [path for path in gone if digest.replace(":", "-") in path]


@pytest.mark.parametrize("age", [0, 599, -100])
def test_what_was_just_written_is_held_back(builder: StoreBuilder, age: float) -> None:
    builder.file("blobs/COPY7", age=age)
    plan = plan_for(builder.root, prune())
    assert "10 minutes" in reasons(plan)["blobs/COPY7"]
    assert "blobs/COPY7" not in planned(plan)
    assert "blobs/COPY123" in planned(plan)


def test_what_was_written_ten_minutes_ago_goes(builder: StoreBuilder) -> None:
    builder.file("blobs/COPY7", age=600)
    assert "blobs/COPY7" in planned(plan_for(builder.root, prune()))


def test_while_a_pull_runs_the_unreferenced_are_held_back_and_the_rest_goes(builder: StoreBuilder) -> None:
    old = planned(plan_for(builder.root, prune()))
    builder.partial("running", size=9_000, done=9, age=100)
    plan = plan_for(builder.root, prune())
    unreferenced = in_state(builder, State.UNREFERENCED)
    assert planned(plan) == old - unreferenced
    assert unreferenced < set(reasons(plan))
    assert all("download" in reasons(plan)[path] for path in unreferenced)


def test_force_takes_what_would_be_held_back_and_says_so(builder: StoreBuilder) -> None:
    builder.partial("running", size=9_000, done=9, age=100)
    held = plan_for(builder.root, prune()).held_back
    plan = plan_for(builder.root, prune(force=True))
    assert plan.overridden == held
    assert plan.held_back == ()
    assert {row.path for row in held} < planned(plan)


def test_force_does_not_unblock(builder: StoreBuilder) -> None:
    builder.manifest("half", "")
    plan = plan_for(builder.root, prune(force=True))
    assert [problem.kind for problem in plan.blocked] == ["empty-manifest"]
    assert not planned(plan) & in_state(builder, State.UNREFERENCED)
    assert planned(plan) == in_state(builder, State.PARTIAL, State.LEFTOVER)


def test_old_models_go_with_what_only_they_need(builder: StoreBuilder) -> None:
    builder.model("young", builder.layer("template", "{{ .Prompt }}"), age=HOUR)
    plan = plan_for(builder.root, prune(DAY, MODEL))
    assert set(plan.models) == {"base:latest", "derived:latest", "team/solo:v1"}
    assert [kept.used_by for kept in plan.kept] == [("young:latest",)]
    assert not planned(plan) & in_state(builder, State.UNREFERENCED, State.PARTIAL, State.LEFTOVER)


def test_old_models_are_held_back_while_a_pull_may_build_on_them(builder: StoreBuilder) -> None:
    builder.partial("running", size=9_000, done=9)
    plan = plan_for(builder.root, prune(DAY, MODEL))
    assert plan.files == ()
    assert BASE_MANIFEST in reasons(plan)


def test_a_blob_that_was_chosen_goes_only_with_all_its_models(builder: StoreBuilder) -> None:
    shared = next(blob for blob in look(builder.root).blobs if len(blob.models) == 2 and blob.kind == "weights")
    assert plan_for(builder.root, for_good(blobs=(shared.key,))).files == ()
    one = plan_for(builder.root, for_good(models=("base:latest",), blobs=(shared.key,)))
    assert ("derived:latest",) in {kept.used_by for kept in one.kept}
    assert shared.files[0].path in planned(plan_for(builder.root, for_good(models=BOTH.models, blobs=(shared.key,))))


def test_a_stray_goes_only_by_name_and_a_folder_never(builder: StoreBuilder) -> None:
    builder.file("blobs/mine/file", age=DAY).link("blobs/link", "README.txt")
    keys = ("blobs/README.txt", "blobs/mine", "blobs/link")
    plan = plan_for(builder.root, for_good(blobs=keys))
    assert planned(plan) == {"blobs/README.txt", "blobs/link"}
    assert "folder" in reasons(plan)["blobs/mine"]


def test_a_damaged_manifest_goes_by_its_path_and_what_it_may_need_stays(builder: StoreBuilder) -> None:
    path = builder.manifest_path("half")
    builder.manifest("half", "{}{", age=DAY)
    plan = plan_for(builder.root, for_good(manifests=(path,)))
    assert planned(plan) == {path}
    assert plan.blocked == ()


def test_one_damaged_manifest_does_not_unblock_another(builder: StoreBuilder) -> None:
    builder.manifest("half", "", age=DAY).manifest("other", "", age=DAY)
    plan = plan_for(builder.root, for_good(models=SOLO.models, manifests=(builder.manifest_path("half"),)))
    assert all(path.startswith("manifests/") for path in planned(plan))
    assert [problem.path for problem in plan.blocked] == [builder.manifest_path("other")]


@pytest.mark.parametrize("path", [BASE_MANIFEST, "manifests/../../x", "blobs/README.txt", "/etc/passwd", "manifests"])
def test_only_a_damaged_manifest_goes_as_one(builder: StoreBuilder, path: str) -> None:
    with pytest.raises(NotFound, match="no damaged manifest"):
        plan_for(builder.root, Removal(manifests=(path,)))


def test_what_is_named_twice_goes_once(builder: StoreBuilder) -> None:
    path = builder.manifest_path("half")
    builder.manifest("half", "", age=DAY)
    once = for_good(models=SOLO.models, blobs=("blobs/README.txt",), manifests=(path,))
    twice = for_good(models=once.models * 2, blobs=once.blobs * 2, manifests=once.manifests * 2)
    assert plan_for(builder.root, twice).files == plan_for(builder.root, once).files


@pytest.mark.parametrize(
    "request_",
    [
        Removal(models=("nobody",)),
        Removal(models=("base:8b",)),
        Removal(blobs=("sha256:ff",)),
        Removal(blobs=("blobs/../x",)),
        Removal(entries=("gone",), to_trash=False),
        Empty(entries=("gone",)),
    ],
)
def test_what_is_not_there_is_not_found(builder: StoreBuilder, request_: Removal) -> None:
    with pytest.raises(NotFound):
        plan_for(builder.root, request_)


def test_a_name_is_taken_as_ollama_takes_it(builder: StoreBuilder) -> None:
    whole = plan_for(builder.root, Removal(models=("base:latest",)))
    for text in ("base", "BASE:Latest", "library/base", "registry.ollama.ai/library/base:latest"):
        plan = plan_for(builder.root, Removal(models=(text,)))
        assert (plan.models, plan.files) == (whole.models, whole.files)


def test_a_removal_goes_to_the_trash_unless_told_otherwise(builder: StoreBuilder) -> None:
    assert plan_for(builder.root, Removal(models=("base",))).mode == "trash"


def test_a_plan_is_a_pure_function(builder: StoreBuilder) -> None:
    inventory = look(builder.root)
    assert make_plan(inventory, prune(), NOW) == make_plan(inventory, prune(), NOW)
    assert make_plan(inventory, prune(HOUR), NOW - DAY).files == ()
