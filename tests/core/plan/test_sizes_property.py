"""Whatever lies in a store, and whatever is chosen: what a plan promises leaves the disk, and nothing else goes."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from prunella_core.export.portable import dump, load
from prunella_core.inventory.records import Inventory
from prunella_core.plan.build import make_plan
from prunella_core.plan.policy import Marked
from prunella_core.plan.records import Plan, PruneClass, PrunePolicy, Removal, Request
from prunella_core.scan.system import other_files
from prunella_core.space import space_of
from prunella_core.space.totals import totals
from recipes import Recipe, built, recipes
from stores import NOW, carry_out, disk_use, entries, for_good, look, planned, tree


def digests_needed(root: str) -> set[str]:
    """The digests that the manifests on the disk name, read without the program."""
    digests: set[str] = set()
    for path, status in entries(f"{root}/manifests"):
        file = Path(root, "manifests", path)
        if file.is_file() and status.st_size:
            document: dict[str, Any] = json.loads(file.read_text())
            digests |= {entry["digest"] for entry in (document["config"], *document["layers"])}
    return digests


def blob_files(root: str) -> dict[str, tuple[int, ...]]:
    """Every file in ``blobs/``, and what would show that it was touched."""
    return {
        path: (status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode)
        for path, status in entries(f"{root}/blobs")
        if "/" not in path
    }


def check(plan: Plan, top: Path) -> None:
    """Apply ``plan`` to the store in ``top`` and compare everything with what was there before."""
    root = plan.store.root
    files, use, blobs = tree(top), disk_use(top), blob_files(root)
    receipt = carry_out(plan)

    assert receipt.done
    assert use - disk_use(top) == plan.reclaims == receipt.freed
    gone = {f"store/{path}" for path in planned(plan)}
    after = tree(top)
    assert {path: what for path, what in files.items() if path not in after and what != "/"}.keys() == gone
    assert {path: what for path, what in files.items() if path in after} == after
    surviving = digests_needed(root)
    needed = {path: seen for path, seen in blobs.items() if path.replace("-", ":") in surviving}
    assert needed.items() <= blob_files(root).items()


def selections(inventory: Inventory) -> st.SearchStrategy[Removal]:
    def some(names: list[str]) -> st.SearchStrategy[tuple[str, ...]]:
        return st.lists(st.sampled_from(names), unique=True).map(tuple) if names else st.just(())

    return st.builds(
        Removal,
        models=some([model.name for model in inventory.models]),
        blobs=some([blob.key for blob in inventory.blobs]),
        manifests=some(list(inventory.broken_by_path)),
        force=st.booleans(),
        to_trash=st.just(False),
    )


@settings(max_examples=150, deadline=None)
@given(recipes(), st.data())
def test_the_status_line_says_of_every_set_of_marks_what_its_plan_says(recipe: Recipe, data: st.DataObject) -> None:
    with built(recipe) as (builder, _top):
        inventory = look(builder.root)
        if data.draw(st.booleans(), label="as an export"):  # where blobs with the same users only look the same
            inventory = load(dump(inventory, "here"))
        marked = Marked(inventory, NOW)
        for _change in range(3):
            chosen = data.draw(selections(inventory))
            taken_along = {name for key in chosen.blobs for name in inventory.blob_by_key[key].models}
            models = {*chosen.models, *taken_along}
            marked.mark(frozenset(chosen.models), frozenset(chosen.blobs), frozenset(chosen.manifests))
            request = replace(chosen, models=tuple(models), force=False, to_trash=True)
            plan = make_plan(inventory, request, NOW)
            assert marked.frees == plan.reclaims
            kept = {kept.digest for kept in plan.kept}
            stays = [blob for blob in inventory.blobs if blob.key in kept]
            assert marked.keeps == sum({f.inode: f.allocated for b in stays for f in b.files}.values())
            assert marked.held_back == len(plan.held_back)
            assert marked.implied == taken_along
            assert set(marked.users_of_kept()) == {name for kept in plan.kept for name in kept.used_by}
            going = {item.file.path for item in plan.blobs}
            for blob in inventory.blobs:
                assert marked.leaves(blob.key) == (bool(blob.files) and {file.path for file in blob.files} <= going)


policies = st.builds(
    PrunePolicy,
    age=st.sampled_from([0, 3_600, 86_400]),
    classes=st.frozensets(st.sampled_from(list(PruneClass)), min_size=1),
    force=st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(recipes(), st.data())
def test_any_selection_frees_what_its_plan_says(recipe: Recipe, data: st.DataObject) -> None:
    with built(recipe) as (builder, top):
        inventory = look(builder.root)
        check(make_plan(inventory, data.draw(selections(inventory)), NOW), top)


@settings(max_examples=150, deadline=None)
@given(recipes(), policies)
def test_any_prune_frees_what_its_plan_says(recipe: Recipe, policy: PrunePolicy) -> None:
    with built(recipe) as (builder, top):
        check(make_plan(look(builder.root), policy, NOW), top)


@settings(max_examples=40, deadline=None)
@given(recipes())
def test_what_one_model_reclaims_is_what_its_own_removal_frees(recipe: Recipe) -> None:
    with built(recipe._replace(is_broken=False)) as (builder, _top):
        inventory = look(builder.root)
        for model in inventory.models:
            plan = make_plan(inventory, for_good(models=(model.name,)), NOW)
            assert plan.reclaims == space_of(inventory).models[model.name].frees


@settings(max_examples=40, deadline=None)
@given(recipes())
def test_the_shares_of_a_store_add_up_to_what_is_on_the_disk(recipe: Recipe) -> None:
    with built(recipe) as (builder, _top):
        inventory = look(builder.root)
        assert totals(inventory).allocated + other_files(inventory).allocated == disk_use(builder.root)


@settings(max_examples=40, deadline=None)
@given(recipes(), policies)
def test_a_prune_done_once_has_nothing_left_to_do(recipe: Recipe, policy: PrunePolicy) -> None:
    if PruneClass.MODEL in policy.classes:  # what a link led to stays until the next prune: no model asked for it
        recipe = recipe._replace(
            blobs=[blob._replace(form=blob.form.replace("inside", "outside")) for blob in recipe.blobs]
        )
    with built(recipe) as (builder, _top):
        carry_out(make_plan(look(builder.root), policy, NOW))
        again: Request = policy
        assert not planned(make_plan(look(builder.root), again, NOW))


@settings(max_examples=40, deadline=None)
@given(recipes())
def test_everything_can_go(recipe: Recipe) -> None:
    with built(recipe) as (builder, _top):
        inventory = look(builder.root)
        everything = for_good(
            models=tuple(inventory.model_by_name),
            blobs=tuple(inventory.blob_by_key),
            manifests=tuple(inventory.broken_by_path),
            force=True,
        )
        carry_out(make_plan(inventory, everything, NOW))
        left = {path for path, what in tree(builder.root).items() if what != "/"}
        assert {path for path in left if not path.startswith("mine/")} == {
            file.path for blob in inventory.blobs for file in blob.files if "/file" in file.path
        }
