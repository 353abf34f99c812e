"""Trash and restore: what was removed comes back as it was, and nothing that something needs is ever deleted."""

import os
from collections.abc import Callable
from contextlib import suppress
from itertools import permutations
from pathlib import Path

import pytest

from prunella_core.apply import Disk
from prunella_core.base.errors import InvalidInput, NotFound, Refused
from prunella_core.inventory.records import State
from prunella_core.plan.build import make_plan, trash_reclaims
from prunella_core.plan.records import Empty, PruneClass, Receipt, Request, Restore
from prunella_core.sample import StoreBuilder
from prunella_core.scan import scan
from recordings import RECORDED, Recorded
from stores import (
    DAY,
    NOW,
    RUBBISH,
    FailingDisk,
    bring_back,
    broken_models,
    carry_out,
    disk_use,
    expire,
    facts,
    for_good,
    in_trash,
    look,
    of_ollama,
    plan_for,
    planned,
    prune,
    refusal,
    remove,
    set_aside,
    to_trash,
    tree,
)

Unpack = Callable[..., Recorded]

BASE, DERIVED, SOLO = "base:latest", "derived:latest", "team/solo:v1"
LIBRARY = "manifests/registry.ollama.ai/library"
SCENARIOS = sorted(folder.name for folder in RECORDED.iterdir())


def needs(root: str, name: str) -> set[str]:
    return set(look(root).model_by_name[name].needs)


def empty(root: str, *ids: str, now: float = NOW) -> Receipt:
    plan = plan_for(root, Empty(entries=ids or None), now)
    use = disk_use(root)
    receipt = carry_out(plan)
    assert receipt.freed == plan.reclaims == use - disk_use(root)
    return receipt


def pull_solo(builder: StoreBuilder) -> None:
    """Let the server write again what ``team/solo:v1`` is."""
    builder.model(SOLO, builder.layer("weights", "solo weights" * 2_000), config=builder.config(model_type="3B"))


# There and back


@pytest.mark.parametrize("names", [(BASE,), (DERIVED,), (SOLO,), (BASE, DERIVED), (BASE, DERIVED, SOLO)])
def test_removed_and_restored_is_the_same(builder: StoreBuilder, names: tuple[str, ...]) -> None:
    os.chmod(f"{builder.root}/{LIBRARY}/base/latest", 0o640)
    os.chmod(f"{builder.root}/{plan_for(builder.root, to_trash(SOLO)).blobs[0].file.path}", 0o600)
    before = facts(builder.root)
    plan = plan_for(builder.root, to_trash(*names))
    use = disk_use(f"{builder.root}/blobs", f"{builder.root}/manifests")

    entry = remove(builder.root, *names)
    assert use - disk_use(f"{builder.root}/blobs", f"{builder.root}/manifests") == plan.reclaims
    assert {model.name for model in entry.models} == set(names)
    assert set(look(builder.root).model_by_name) == {BASE, DERIVED, SOLO} - set(names)
    assert broken_models(builder.root) == {}

    assert bring_back(builder.root, entry).done
    assert facts(builder.root) == before


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_recorded_store_is_the_same_afterwards(recorded: Unpack, name: str) -> None:
    recording = recorded(name)
    root, now = recording.store.root, recording.now
    before = facts(root)
    models = tuple(look(root).model_by_name)
    choices = {models, *((model,) for model in models)} - {()}
    for names in sorted(choices):
        entry = remove(root, *names, now=now)
        assert not set(names) & set(scan(recording.store, now).model_by_name)
        plan = plan_for(root, Restore(entry=entry.id), now)
        assert not plan.blocked
        assert carry_out(plan).done
        assert facts(root) == before


def test_the_trash_is_for_us_alone(builder: StoreBuilder) -> None:
    before = of_ollama(builder.root)
    plan = plan_for(builder.root, to_trash(BASE, DERIVED))
    remove(builder.root, BASE, DERIVED)
    gone = before.keys() - of_ollama(builder.root).keys()
    assert {path for path in gone if before[path][0] != "/"} == planned(plan)
    assert set_aside(builder.root) == set()


def test_one_model_out_of_several_comes_back_alone(builder: StoreBuilder) -> None:
    before = of_ollama(builder.root)
    entry = remove(builder.root, BASE, DERIVED, SOLO)
    bring_back(builder.root, entry, DERIVED)
    assert set(look(builder.root).model_by_name) == {DERIVED}
    assert broken_models(builder.root) == {}
    bring_back(builder.root, entry, SOLO)
    bring_back(builder.root, entry, BASE)
    assert of_ollama(builder.root) == before
    assert look(builder.root).trash == ()


def test_another_name_has_the_same_id(builder: StoreBuilder) -> None:
    digest = look(builder.root).model_by_name[SOLO].digest
    entry = remove(builder.root, SOLO)
    pull_solo(builder)
    bring_back(builder.root, entry, SOLO, under="hf.co/me/back:v2")
    assert look(builder.root).model_by_name["hf.co/me/back:v2"].digest == digest
    assert broken_models(builder.root) == {}


@pytest.mark.parametrize("under", ["../../etc/passwd", "a b", "", "x/../y", "/"])
def test_another_name_must_be_a_name(builder: StoreBuilder, under: str) -> None:
    entry = remove(builder.root, SOLO)
    before = facts(builder.root)
    try:
        plan = plan_for(builder.root, Restore(entry=entry.id, model=SOLO, under=under))
    except InvalidInput:
        pass
    else:
        targets = [item.target or "" for item in plan.files]
        assert all(".." not in target.split("/") for target in targets)
    assert facts(builder.root) == before


def test_what_has_no_model_comes_back_too(builder: StoreBuilder) -> None:
    builder.manifest("half", '{"schemaVersion": 2, "lay', age=DAY)
    before = facts(builder.root)
    loose = [
        blob.key for blob in look(builder.root).blobs if blob.state in (State.PARTIAL, State.LEFTOVER, State.STRAY)
    ]
    entry = remove(builder.root, blobs=tuple(loose), manifests=(f"{LIBRARY}/half/latest",))
    assert len(entry.files) == 7, "a download of three files, a leftover, a README, a manifest, the record"
    assert entry.models == ()
    bring_back(builder.root, entry)
    assert facts(builder.root) == before


def test_an_unreferenced_blob_comes_back(builder: StoreBuilder) -> None:
    before = facts(builder.root)
    unreferenced = next(blob.key for blob in look(builder.root).blobs if blob.state is State.UNREFERENCED)
    entry = remove(builder.root, SOLO, blobs=(unreferenced,))
    assert unreferenced in in_trash(builder.root)
    bring_back(builder.root, entry)
    assert facts(builder.root) == before


# What is there again


def test_a_name_that_is_there_again_is_not_overwritten(builder: StoreBuilder) -> None:
    entry = remove(builder.root, SOLO)
    builder.model(SOLO, builder.layer("weights", "a newer one"))
    before = facts(builder.root)
    plan = plan_for(builder.root, Restore(entry=entry.id))
    assert [problem.model for problem in plan.blocked] == [SOLO]
    assert plan.files == ()
    carry_out(plan)
    assert facts(builder.root) == before


def test_a_name_in_another_case_is_the_same_name(builder: StoreBuilder) -> None:
    entry = remove(builder.root, SOLO)
    builder.model("Team/SOLO:v1", builder.layer("weights", "a newer one"))
    assert plan_for(builder.root, Restore(entry=entry.id)).blocked


@pytest.mark.parametrize("came", ["model", "damaged"])
def test_a_damaged_manifest_does_not_replace_what_came_in_its_place(builder: StoreBuilder, came: str) -> None:
    builder.manifest("half", "", age=DAY)
    entry = remove(builder.root, manifests=(f"{LIBRARY}/half/latest",))
    if came == "model":
        builder.model("half", builder.layer("weights", "the whole of it"))
    else:
        builder.manifest("half", "{")
    before = facts(builder.root)
    plan = plan_for(builder.root, Restore(entry=entry.id))
    assert plan.blocked
    carry_out(plan)
    assert facts(builder.root) == before


@pytest.mark.parametrize("path", ["blobs/README.txt", "blobs/COPY123"])
def test_a_file_that_is_there_again_is_not_overwritten(builder: StoreBuilder, path: str) -> None:
    entry = remove(builder.root, blobs=(path,))
    builder.file(path, "newer")
    before = facts(builder.root)
    plan = plan_for(builder.root, Restore(entry=entry.id))
    assert [problem.path for problem in plan.blocked] == [path]
    carry_out(plan)
    assert facts(builder.root) == before


def test_a_name_that_comes_back_right_after_the_last_look_is_not_overwritten(builder: StoreBuilder) -> None:
    entry = remove(builder.root, SOLO)

    class Pull(FailingDisk):
        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            if name == "move" and path.endswith("solo/v1"):
                builder.model(SOLO, builder.layer("weights", "a newer one"))
            change()

    plan = plan_for(builder.root, Restore(entry=entry.id))
    with pytest.raises(Refused):
        carry_out(plan, disk=Pull(""))
    newer = builder.layer("weights", "a newer one")
    assert newer.digest in look(builder.root).model_by_name[SOLO].needs
    assert [item.id for item in look(builder.root).trash] == [entry.id]


def test_pulled_again_it_is_restored_under_another_name_without_its_blobs(builder: StoreBuilder) -> None:
    entry = remove(builder.root, SOLO)
    pull_solo(builder)
    plan = plan_for(builder.root, Restore(entry=entry.id, model=SOLO, under="old"))
    assert [item.target for item in plan.files] == [f"{LIBRARY}/old/latest"]
    carry_out(plan)
    assert set(look(builder.root).model_by_name) == {BASE, DERIVED, SOLO, "old:latest"}
    assert broken_models(builder.root) == {}


def test_pulled_again_the_store_and_the_trash_have_a_copy_each(builder: StoreBuilder) -> None:
    entry = remove(builder.root, SOLO, now=NOW)
    pull_solo(builder)
    carry_out(plan_for(builder.root, for_good(models=(SOLO,))))
    assert in_trash(builder.root) == entry.needs
    bring_back(builder.root, entry)
    assert broken_models(builder.root) == {}


# Shared weights


@pytest.mark.parametrize("removed", permutations([BASE, DERIVED]))
@pytest.mark.parametrize("restored", permutations([BASE, DERIVED]))
def test_removed_one_by_one_restored_in_any_order(
    builder: StoreBuilder, removed: tuple[str, ...], restored: tuple[str, ...]
) -> None:
    before = facts(builder.root)
    entries = {name: remove(builder.root, name, now=NOW + number) for number, name in enumerate(removed)}
    for name in restored:
        bring_back(builder.root, entries[name])
        assert name in look(builder.root).model_by_name
        assert broken_models(builder.root) == {}
    assert facts(builder.root) == before


@pytest.mark.parametrize("removed", permutations([BASE, DERIVED]))
@pytest.mark.parametrize("emptied", permutations([BASE, DERIVED]))
def test_emptied_one_the_other_comes_back(
    builder: StoreBuilder, removed: tuple[str, ...], emptied: tuple[str, ...]
) -> None:
    entries = {name: remove(builder.root, name, now=NOW + number) for number, name in enumerate(removed)}
    first, second = emptied
    empty(builder.root, entries[first].id)
    assert first not in {model.name for entry in look(builder.root).trash for model in entry.models}
    bring_back(builder.root, entries[second])
    assert set(look(builder.root).model_by_name) == {second, SOLO}
    assert broken_models(builder.root) == {}


@pytest.mark.parametrize("emptied", permutations([BASE, DERIVED]))
def test_emptied_one_after_the_other_nothing_stays(builder: StoreBuilder, emptied: tuple[str, ...]) -> None:
    use = disk_use(builder.root)
    both = plan_for(builder.root, for_good(models=(BASE, DERIVED))).reclaims
    entries = {name: remove(builder.root, name, now=NOW + number) for number, name in enumerate((BASE, DERIVED))}
    empty(builder.root, entries[emptied[0]].id)
    empty(builder.root, entries[emptied[1]].id)
    assert look(builder.root).trash == ()
    assert not os.path.exists(f"{builder.root}/.prunella")
    assert disk_use(builder.root) == use - both


def test_of_a_model_that_shared_everything_no_folder_stays(builder: StoreBuilder) -> None:
    base = Path(builder.root, builder.manifest_path(BASE))
    builder.manifest("copy", base.read_bytes(), age=DAY)
    empty(builder.root, remove(builder.root, "copy:latest").id)
    assert not os.path.exists(f"{builder.root}/.prunella")


def test_an_emptied_entry_keeps_what_another_needs_until_that_one_goes(builder: StoreBuilder) -> None:
    shared = needs(builder.root, BASE) & needs(builder.root, DERIVED)
    base = remove(builder.root, BASE, now=NOW)
    derived = remove(builder.root, DERIVED, now=NOW + 1)
    kept = {item.digest for item in plan_for(builder.root, Empty(entries=(derived.id,))).kept}
    assert kept == shared
    empty(builder.root, derived.id)
    spent = next(entry for entry in look(builder.root).trash if entry.id == derived.id)
    assert spent.is_spent
    assert in_trash(builder.root) == needs_in_trash(builder.root)
    assert trash_reclaims(look(builder.root), base) >= 4_096 * len(shared)
    empty(builder.root, base.id)
    assert look(builder.root).trash == ()


def needs_in_trash(root: str) -> set[str]:
    """What the models in the trash need and the store has not."""
    inventory = look(root)
    wanted = {digest for entry in inventory.trash for digest in entry.needs}
    return {digest for digest in wanted if digest not in inventory.blob_by_key}


def test_the_same_name_removed_twice_is_there_twice(builder: StoreBuilder) -> None:
    before = of_ollama(builder.root)
    older = remove(builder.root, SOLO, now=NOW)
    builder.model(SOLO, builder.layer("weights", "a newer one"))
    newer = remove(builder.root, SOLO, now=NOW + DAY)
    assert older.models[0].digest != newer.models[0].digest
    bring_back(builder.root, newer)
    assert plan_for(builder.root, Restore(entry=older.id)).blocked
    assert [entry.id for entry in look(builder.root).trash] == [older.id]
    carry_out(plan_for(builder.root, for_good(models=(SOLO,))))
    bring_back(builder.root, older)
    assert of_ollama(builder.root) == before


def test_the_same_model_removed_twice_keeps_its_blobs_once(builder: StoreBuilder) -> None:
    older = remove(builder.root, SOLO, now=NOW)
    pull_solo(builder)
    newer = remove(builder.root, SOLO, now=NOW + 1)
    empty(builder.root, newer.id)
    paths = [path for path in tree(builder.root) if path.startswith(".prunella/trash/") and "/blobs/sha256-" in path]
    assert len(paths) == len({os.path.basename(path) for path in paths})
    bring_back(builder.root, older)
    assert broken_models(builder.root) == {}


def test_the_same_removal_in_the_same_second_has_another_id(builder: StoreBuilder) -> None:
    first = remove(builder.root, SOLO)
    pull_solo(builder)
    assert remove(builder.root, SOLO).id != first.id
    assert len(look(builder.root).trash) == 2


# The trash and the store need each other


def test_a_blob_that_only_the_trash_needs_is_not_pruned(builder: StoreBuilder) -> None:
    entry = remove(builder.root, BASE)
    shared = needs(builder.root, DERIVED)
    os.unlink(f"{builder.root}/{LIBRARY}/derived/latest")  # by the server, which prunes nothing for now
    plan = plan_for(builder.root, prune())
    kept = {item.digest: item.reason for item in plan.kept}
    assert entry.needs & shared <= kept.keys()
    assert all("base:latest in the trash needs it" in reason for reason in kept.values())
    carry_out(plan)
    bring_back(builder.root, entry)
    assert broken_models(builder.root) == {}


def test_a_blob_that_only_the_trash_needed_goes_with_it(builder: StoreBuilder) -> None:
    remove(builder.root, BASE)
    os.unlink(f"{builder.root}/{LIBRARY}/derived/latest")
    carry_out(plan_for(builder.root, prune(0, *PruneClass)))
    assert os.listdir(f"{builder.root}/blobs") == ["README.txt"]


def test_removing_for_good_keeps_what_the_trash_needs(builder: StoreBuilder) -> None:
    entry = remove(builder.root, BASE)
    plan = plan_for(builder.root, for_good(models=(DERIVED,)))
    assert {item.digest for item in plan.kept} == entry.needs & needs(builder.root, DERIVED)
    carry_out(plan)
    bring_back(builder.root, entry)
    assert broken_models(builder.root) == {}


def test_what_a_model_of_the_store_misses_is_not_emptied(builder: StoreBuilder) -> None:
    entry = remove(builder.root, SOLO)
    builder.manifest("alias", Path(builder.root, entry.models[0].manifest.path).read_bytes())  # a copy that came late
    assert set(broken_models(builder.root)) == {"registry.ollama.ai/library/alias/latest"}
    plan = plan_for(builder.root, Empty())
    assert {item.digest for item in plan.kept} == entry.needs
    carry_out(plan)
    assert in_trash(builder.root) == entry.needs
    again = plan_for(builder.root, prune(0, *RUBBISH, PruneClass.TRASH))
    assert not {item.digest for item in again.files} & entry.needs


def test_children_of_a_manifest_list_that_lie_in_another_entry_stay(tmp_path: Path) -> None:
    builder = StoreBuilder(str(tmp_path / "store"), NOW)
    weights = builder.layer("weights", "of the child", age=DAY)
    manifest = Path(builder.root, builder.manifest_path("child"))
    builder.model("child", weights)
    child = builder.layer("manifest", manifest.read_bytes(), age=DAY)
    manifest.unlink()
    manifest.parent.rmdir()
    index = "application/vnd.oci.image.index.v1+json"
    for name in ("one", "two"):
        listed = f'{{"digest": "{child.digest}", "size": {child.size}}}'
        builder.manifest(name, f'{{"schemaVersion": 2, "mediaType": "{index}", "manifests": [{listed}]}}', age=DAY)
    before = facts(builder.root)
    one = remove(builder.root, "one:latest", now=NOW)
    two = remove(builder.root, "two:latest", now=NOW + 1)
    empty(builder.root, two.id)
    assert weights.digest in in_trash(builder.root)
    bring_back(builder.root, one)
    expected = {path: fact for path, fact in before.items() if "/library/two" not in path}
    assert facts(builder.root) == expected


# Retention


def test_what_is_over_its_retention_is_collected(builder: StoreBuilder) -> None:
    old = remove(builder.root, SOLO, now=NOW)
    young = remove(builder.root, BASE, now=NOW + 3 * DAY)
    assert expire(builder.root, 7 * DAY, NOW + 7 * DAY - 1) is None
    use = disk_use(builder.root)
    receipt = expire(builder.root, 7 * DAY, NOW + 7 * DAY)
    assert receipt is not None
    assert receipt.freed == receipt.plan.reclaims == use - disk_use(builder.root) > 0
    assert [entry.id for entry in look(builder.root).trash] == [young.id]
    assert old.id not in {entry.id for entry in look(builder.root).trash}
    bring_back(builder.root, young)
    assert broken_models(builder.root) == {}


def test_collecting_spares_everything_else(builder: StoreBuilder) -> None:
    before = of_ollama(builder.root)
    remove(builder.root, SOLO)
    left = of_ollama(builder.root)
    expire(builder.root, 0, NOW)
    assert of_ollama(builder.root) == left
    assert left.items() <= before.items()
    assert not os.path.exists(f"{builder.root}/.prunella")


def test_an_entry_that_expires_keeps_what_a_younger_one_needs(builder: StoreBuilder) -> None:
    base = remove(builder.root, BASE, now=NOW)
    derived = remove(builder.root, DERIVED, now=NOW + 3 * DAY)
    expire(builder.root, 7 * DAY, NOW + 7 * DAY)
    assert base.id not in {entry.id for entry in look(builder.root).trash}
    bring_back(builder.root, derived)
    assert broken_models(builder.root) == {}
    assert look(builder.root).trash == ()


def test_the_shared_weights_of_an_expired_entry_wait_for_the_younger(builder: StoreBuilder) -> None:
    derived = remove(builder.root, DERIVED, now=NOW)  # without the weights: base still has them
    base = remove(builder.root, BASE, now=NOW + DAY)
    empty(builder.root, base.id)
    assert expire(builder.root, 7 * DAY, NOW + 7 * DAY - 1) is None
    assert expire(builder.root, 7 * DAY, NOW + 7 * DAY) is not None
    assert derived.id not in {entry.id for entry in look(builder.root).trash}
    assert in_trash(builder.root) == set()


# Entries that Prunella did not write


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder outside the store that looks like an entry."""
    folder = tmp_path / "victim"
    for path in ("blobs/sha256-" + "a" * 64, "record.json", f"{LIBRARY}/evil/latest", "trash/x/record.json"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("{}")
    return folder


def do_everything(root: str) -> None:
    """Empty, prune, restore and remove, as far as each is possible."""
    requests: list[Request] = [
        *(Restore(entry=entry.id) for entry in look(root).trash),
        Empty(),
        prune(0, *PruneClass),
        to_trash(SOLO),
        for_good(models=(BASE,)),
        Empty(),
    ]
    for request in requests:
        try:
            carry_out(plan_for(root, request, NOW + 30 * DAY))
        except (Refused, NotFound):
            continue


LINKS = [
    ".prunella",
    ".prunella/trash",
    ".prunella/staging",
    ".prunella/removing",
    ".prunella/trash/20260101T000000-abc",
    ".prunella/trash/20260101T000000-abc/blobs",
    ".prunella/trash/20260101T000000-abc/manifests",
    ".prunella/trash/20260101T000000-abc/manifests/registry.ollama.ai",
    ".prunella/staging/20260101T000000-abc",
    ".prunella/removing/20260101T000000-abc/blobs",
]


@pytest.mark.parametrize("place", LINKS)
def test_a_folder_of_ours_that_is_a_link_leads_nowhere(builder: StoreBuilder, victim: Path, place: str) -> None:
    builder.link(place, str(victim))
    before = facts(victim)
    do_everything(builder.root)
    assert facts(victim) == before


FILES = [
    ".prunella/lock",
    ".prunella/pins",
    ".prunella/restoring.json",
    ".prunella/restoring.json.new",
    ".prunella/ledger.sqlite",
    ".prunella/trash/20260101T000000-abc/record.json",
]


@pytest.mark.parametrize("place", FILES)
def test_a_file_of_ours_that_is_a_link_leads_nowhere(builder: StoreBuilder, victim: Path, place: str) -> None:
    entry = remove(builder.root, SOLO)
    builder.link(place, str(victim / "record.json"))
    before = facts(victim)
    try:
        bring_back(builder.root, entry)
    except Refused:
        assert [item.id for item in look(builder.root).trash if item.models] == [entry.id]
    do_everything(builder.root)
    assert facts(victim) == before
    assert broken_models(builder.root) == {}


HOSTILE_NOTES = [
    "",
    "{}",
    "[",
    "null",
    '[["zz", "zz"]]',
    '[["2e2e2f76696374696d", "2e2e2f6d6f766564"]]',  # ../victim, ../moved
    '[["626c6f6273", "2e2e2f6d6f766564"]]',  # blobs, ../moved
    '[["2e7072756e656c6c612f74726173682f782f626c6f6273", "2e2e2f6d6f766564"]]',  # .prunella/trash/x/blobs, ../moved
    "[" * 100_000,
]


@pytest.mark.parametrize("note", HOSTILE_NOTES, ids=range(len(HOSTILE_NOTES)))
def test_a_note_of_a_restore_that_is_not_ours_moves_nothing(builder: StoreBuilder, victim: Path, note: str) -> None:
    (victim / "record.json").write_text("{}")
    builder.file(".prunella/restoring.json", note).file(".prunella/trash/x/blobs/file")
    before = {**facts(victim), **of_ollama(builder.root)}
    said = refusal(plan_for(builder.root, for_good()))
    assert said is None or "restoring.json" in said
    assert {**facts(victim), **of_ollama(builder.root)} == before
    assert not (victim.parent / "moved").exists()


@pytest.mark.parametrize("record", ["missing", "empty", "garbage", "folder", "link to nothing"])
def test_the_record_of_an_entry_is_not_needed_to_restore_it(builder: StoreBuilder, record: str) -> None:
    before = of_ollama(builder.root)
    entry = remove(builder.root, SOLO)
    path = Path(builder.root, ".prunella/trash", entry.id, "record.json")
    path.unlink()
    if record == "empty":
        path.write_bytes(b"")
    elif record == "garbage":
        path.write_bytes(b"\xff\x00{")
    elif record == "folder":
        path.mkdir()
    elif record == "link to nothing":
        path.symlink_to("/nowhere")
    bring_back(builder.root, entry)
    assert of_ollama(builder.root) == before


IDS = ["x", "..x", "20269999T999999-abc", "\udcff\n\x1b[2J", "20260101T000000", "a" * 200, "-rf", "[bold]"]


@pytest.mark.parametrize("identity", IDS, ids=range(len(IDS)))
def test_an_entry_of_any_name_is_an_entry(builder: StoreBuilder, identity: str) -> None:
    before = of_ollama(builder.root)
    entry = remove(builder.root, SOLO)
    trash = Path(builder.root, ".prunella/trash")
    os.rename(trash / entry.id, trash / identity)
    os.utime(trash / identity, (NOW - DAY, NOW - DAY))
    renamed = look(builder.root).trash[0]
    assert renamed.id == identity
    bring_back(builder.root, renamed)
    assert of_ollama(builder.root) == before
    again = remove(builder.root, SOLO)
    os.rename(trash / again.id, trash / identity)
    empty(builder.root, identity)
    assert look(builder.root).trash == ()


@pytest.mark.parametrize("place", [".prunella", ".prunella/trash", ".prunella/staging", ".prunella/trash/file"])
def test_a_file_where_a_folder_of_ours_belongs_is_in_nobodys_way(builder: StoreBuilder, place: str) -> None:
    builder.file(place, "in the way")
    before = of_ollama(builder.root)
    assert set(look(builder.root).model_by_name) == {BASE, DERIVED, SOLO}
    try:
        entry = remove(builder.root, SOLO)
    except Refused:
        pass
    else:
        bring_back(builder.root, entry)
    assert of_ollama(builder.root) == before
    assert Path(builder.root, place).read_text() == "in the way"


def test_a_damaged_manifest_in_the_trash_hides_nothing_of_the_others(builder: StoreBuilder) -> None:
    remove(builder.root, BASE, DERIVED)
    entry = look(builder.root).trash[0]
    damaged = next(model for model in entry.models if model.name == DERIVED)
    Path(builder.root, damaged.manifest.path).write_text("{")
    bring_back(builder.root, entry, BASE)
    assert broken_models(builder.root) == {}


# What cannot be done


def test_nothing_that_did_not_go_makes_an_entry(builder: StoreBuilder) -> None:
    before = of_ollama(builder.root)

    class Stuck(FailingDisk):
        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            if name == "move" and path.startswith((f"{builder.root}/blobs", f"{builder.root}/manifests")):
                raise PermissionError(13, "Permission denied", path)
            change()

    with suppress(Refused):
        carry_out(plan_for(builder.root, to_trash(SOLO)), disk=Stuck(""))
    assert of_ollama(builder.root) == before
    assert look(builder.root).trash == ()


@pytest.mark.parametrize("name", ["make_folder", "move", "write", "unlink", "remove_folder", "settle"])
def test_a_restore_that_fails_says_so_and_the_next_run_ends_it(builder: StoreBuilder, name: str) -> None:
    before = of_ollama(builder.root)
    entry = remove(builder.root, SOLO)
    removed = of_ollama(builder.root)
    with_receipt = False
    try:
        carry_out(plan_for(builder.root, Restore(entry=entry.id)), disk=FailingDisk(name))
        with_receipt = True
    except Refused:
        pass
    carry_out(plan_for(builder.root, for_good()), disk=Disk())
    assert of_ollama(builder.root) in ((before,) if with_receipt else (before, removed))
    assert set_aside(builder.root) == set()
    if of_ollama(builder.root) == removed:
        bring_back(builder.root, entry)
        assert of_ollama(builder.root) == before


def test_a_plan_whose_entry_is_gone_restores_nothing(builder: StoreBuilder) -> None:
    entry = remove(builder.root, SOLO)
    plan = plan_for(builder.root, Restore(entry=entry.id))
    empty(builder.root, entry.id)
    before = facts(builder.root)
    with pytest.raises(Refused):
        carry_out(plan)
    assert facts(builder.root) == before


def test_plans_of_the_trash_are_pure(builder: StoreBuilder) -> None:
    remove(builder.root, BASE)
    before = facts(builder.root)
    inventory = look(builder.root)
    for request in (Empty(), Restore(entry=inventory.trash[0].id), prune(0, *PruneClass)):
        assert make_plan(inventory, request, NOW) == make_plan(look(builder.root), request, NOW)
    assert facts(builder.root) == before
