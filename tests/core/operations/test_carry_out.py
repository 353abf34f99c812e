"""Operations: what both front ends do with a plan, from "may it be done?" to the receipt."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from prunella_core.apply import World
from prunella_core.base.errors import Refused, StalePlan
from prunella_core.guard.status import SETTINGS, Settings
from prunella_core.guard.sync import turn_on
from prunella_core.inventory.records import Blob
from prunella_core.ollama.server import Loaded, Server, ServerError, address
from prunella_core.operations.carry_out import carry_out, make_ready
from prunella_core.operations.server import version_of
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Plan, Receipt, Removal
from prunella_core.sample import StoreBuilder
from stores import DAY, NOW, disk_use, for_good, look, open_store, remove, small_store, to_trash, tree

SOLO, BASE, DERIVED = "team/solo:v1", "base:latest", "derived:latest"


class FakeServer(Server):
    """A server that works on ``root`` as Ollama does: at once, and without asking."""

    def __init__(self, root: str, *, fails: Callable[[str], bool] = lambda _name: False) -> None:
        super().__init__(address({}))
        self.root = root
        self.seen_as = f"{root}/blobs"
        self.fails = fails
        self.asked: list[str] = []

    def version(self) -> str:
        return "0.33.0"

    def weights(self, name: str) -> str:
        return next((f"{self.seen_as}/{blob.key.replace(':', '-')}" for blob in self._blobs_of(name)), "")

    def _blobs_of(self, name: str) -> Iterator[Blob]:
        inventory = look(self.root)
        return (blob for blob in inventory.blobs_of(inventory.model_by_name[name]) if blob.kind == "weights")

    def loaded(self) -> list[Loaded]:
        return []

    def models(self) -> dict[str, str]:
        return {model.name: model.digest for model in look(self.root).models}

    def unload(self, name: str) -> None:
        self._note("unload", name)

    def delete(self, name: str) -> None:
        self._note("delete", name)
        plan = make_plan(look(self.root), for_good(models=(name,)), NOW)
        for item in plan.files:
            os.unlink(os.path.join(self.root, item.file.path))

    def _note(self, what: str, name: str) -> None:
        self.asked.append(f"{what} {name}")
        if self.fails(name):
            raise ServerError("the server says: no")


def server_plan(root: str, *models: str) -> Plan:
    return make_plan(look(root), Removal(models=models, by_server=True), NOW)


def world(**more: object) -> World:
    return replace(World(now=lambda: NOW, settle=0), **more)


def test_the_server_deletes_and_the_disk_is_measured(builder: StoreBuilder) -> None:
    server = FakeServer(builder.root)
    before = disk_use(builder.root)
    receipt = carry_out(server_plan(builder.root, BASE, SOLO), world(server=server))
    assert receipt.done
    assert receipt.freed == before - disk_use(builder.root) > 0
    assert server.asked == [f"delete {BASE}", f"delete {SOLO}"]
    assert receipt.trashed == 0
    assert not look(builder.root).trash


def test_a_failure_at_the_second_model_is_in_the_receipt(builder: StoreBuilder) -> None:
    server = FakeServer(builder.root, fails=lambda name: name == SOLO)
    before = disk_use(builder.root)
    receipt = carry_out(server_plan(builder.root, BASE, SOLO), world(server=server))
    assert not receipt.done
    assert [error.message for error in receipt.errors] == ["the server says: no"]
    assert receipt.freed == before - disk_use(builder.root) > 0
    assert "manifests/registry.ollama.ai/library/base/latest" in receipt.removed


def test_a_failure_at_the_first_model_changed_nothing(builder: StoreBuilder) -> None:
    server = FakeServer(builder.root, fails=lambda _name: True)
    before = tree(builder.root)
    with pytest.raises(ServerError):
        carry_out(server_plan(builder.root, BASE, SOLO), world(server=server))
    assert tree(builder.root) == before


def test_a_server_of_another_store_is_asked_to_delete_nothing(builder: StoreBuilder, tmp_path: Path) -> None:
    other = small_store(tmp_path / "other")
    other.model("more", other.layer("weights", "more"))
    server = FakeServer(other.root)
    with pytest.raises(Refused, match="works on another store"):
        carry_out(server_plan(builder.root, SOLO), world(server=server))
    assert server.asked == []


def test_a_server_of_a_copy_is_asked_to_delete_nothing(builder: StoreBuilder, tmp_path: Path) -> None:
    """It lists the same models with the same digests."""
    server = FakeServer(small_store(tmp_path / "copy").root)
    with pytest.raises(Refused, match="works on another store"):
        carry_out(server_plan(builder.root, SOLO), world(server=server))
    assert server.asked == []


def test_a_server_in_a_container_sees_other_paths(builder: StoreBuilder) -> None:
    server = FakeServer(builder.root)
    server.seen_as = "/nowhere/models/blobs"
    assert carry_out(server_plan(builder.root, SOLO), world(server=server)).done


def test_a_server_that_leaves_the_first_model_is_asked_no_further(builder: StoreBuilder, tmp_path: Path) -> None:
    """It works on a copy that looks the same, and runs where its paths say nothing."""
    server = FakeServer(small_store(tmp_path / "copy").root)
    server.seen_as = "/nowhere/models/blobs"
    before = tree(builder.root)
    receipt = carry_out(server_plan(builder.root, BASE, SOLO), world(server=server))
    assert (receipt.done, receipt.removed, receipt.freed) == (False, (), 0)
    assert server.asked == [f"delete {BASE}"]
    assert tree(builder.root) == before


def test_without_a_server_nothing_is_deleted_by_one(builder: StoreBuilder) -> None:
    with pytest.raises(Refused, match="no server answers"):
        carry_out(server_plan(builder.root, SOLO), world())


def test_a_plan_for_the_server_that_no_longer_matches_is_refused(builder: StoreBuilder) -> None:
    plan = server_plan(builder.root, SOLO)
    builder.model("again", builder.layer("weights", "solo weights"))
    server = FakeServer(builder.root)
    builder.model(SOLO, builder.layer("weights", "other weights"))
    with pytest.raises(StalePlan):
        carry_out(plan, world(server=server))
    assert server.asked == []


def test_single_blobs_are_not_for_the_server(builder: StoreBuilder) -> None:
    blob = builder.layer("weights", "nobody needs this")
    plan = make_plan(look(builder.root), Removal(blobs=(blob.digest,), by_server=True), NOW + DAY)
    with pytest.raises(Refused, match="only models"):
        carry_out(plan, world(server=FakeServer(builder.root)))


def test_a_cancelled_deletion_says_what_had_gone(builder: StoreBuilder) -> None:
    server = FakeServer(builder.root)
    receipt = carry_out(
        server_plan(builder.root, BASE, SOLO), world(server=server, cancelled=lambda: bool(server.asked))
    )
    assert receipt.cancelled
    assert receipt.freed > 0
    assert server.asked == [f"delete {BASE}"]


def test_what_cannot_be_unloaded_is_noted(builder: StoreBuilder) -> None:
    server = FakeServer(builder.root, fails=lambda _name: True)
    plan = make_plan(look(builder.root), to_trash(SOLO, loaded=frozenset({SOLO})), NOW)
    receipt = carry_out(plan, world(server=server))
    assert receipt.done
    assert server.asked == [f"unload {SOLO}"]
    assert receipt.notes[0].startswith(f"{SOLO} could not be unloaded")


def test_without_the_wish_nothing_is_unloaded(builder: StoreBuilder) -> None:
    plan = make_plan(look(builder.root), to_trash(SOLO, loaded=frozenset({SOLO})), NOW)
    assert not any("unload" in note for note in carry_out(plan, world()).notes)


def test_a_trash_that_cannot_be_emptied_is_a_note(builder: StoreBuilder) -> None:
    remove(builder.root, BASE, now=NOW - 8 * DAY)
    plan = make_plan(look(builder.root), to_trash(SOLO), NOW)
    with patch("prunella_core.operations.carry_out.rescan", side_effect=Refused("locked")):
        receipt = carry_out(plan, world(retention=7 * DAY))
    assert receipt.done
    assert receipt.expired is None
    assert "Expired trash was not emptied: locked" in receipt.notes


def test_a_guard_that_cannot_follow_is_a_note(builder: StoreBuilder) -> None:
    turn_on(open_store(builder.root), Settings(), NOW)
    Path(builder.root, SETTINGS).write_text("not JSON")
    receipt = carry_out(make_plan(look(builder.root), to_trash(SOLO), NOW), world())
    assert receipt.done
    assert receipt.notes[-1].startswith("The guard was not brought up to date: cannot read the guard's settings")


def test_expired_trash_is_emptied_afterwards(builder: StoreBuilder) -> None:
    old = remove(builder.root, BASE, now=NOW - 8 * DAY)
    receipt = carry_out(make_plan(look(builder.root), to_trash(SOLO), NOW), world(retention=7 * DAY))
    assert isinstance(receipt.expired, Receipt)
    assert receipt.expired.freed > 0
    assert [entry.id for entry in look(builder.root).trash] == [receipt.id] != [old.id]


@pytest.mark.parametrize("field", ["named", "writable"])
def test_a_store_that_may_not_be_changed_is_left_alone(builder: StoreBuilder, field: str) -> None:
    plan = make_plan(look(builder.root), to_trash(SOLO), NOW)
    before = tree(builder.root)
    store = replace(plan.store, **{field: False})
    with pytest.raises(Refused):
        carry_out(replace(plan, store=store), world())
    with pytest.raises(Refused):
        make_ready(store, world())
    assert tree(builder.root) == before


def test_a_linked_folder_of_ours_is_refused(builder: StoreBuilder, tmp_path: Path) -> None:
    os.symlink(tmp_path, f"{builder.root}/.prunella")
    assert "is a link" in (open_store(builder.root).refusal() or "")
    os.unlink(f"{builder.root}/.prunella")
    builder.file(".prunella/trash", "a file")
    assert "is a file" in (open_store(builder.root).refusal() or "")


def test_what_a_killed_run_left_is_repaired_first(builder: StoreBuilder) -> None:
    before = tree(builder.root)
    store = open_store(builder.root)
    assert not make_ready(store, world())
    aside = Path(builder.root, ".prunella/staging/20260101T000000-abcdef/manifests/registry.ollama.ai/library/base")
    aside.mkdir(parents=True)
    os.rename(Path(builder.root, "manifests/registry.ollama.ai/library/base/latest"), aside / "latest")
    assert make_ready(store, world())
    assert tree(builder.root) == before


def test_what_is_not_due_after_all_stays(builder: StoreBuilder) -> None:
    """Among the entries of the trash lies something that is no removal, and old."""
    entry = remove(builder.root, BASE, now=NOW)
    os.mkdir(f"{builder.root}/.prunella/trash/20200101T000000-abcdef")
    receipt = carry_out(make_plan(look(builder.root), to_trash(SOLO), NOW), world(retention=7 * DAY))
    assert receipt.expired is None
    assert entry.id in {entry.id for entry in look(builder.root).trash}


def test_models_without_weights_tell_nothing_of_the_server(tmp_path: Path) -> None:
    builder = StoreBuilder(str(tmp_path / "cloud"), NOW)
    builder.model("remote", builder.layer("template", "only this"))
    assert carry_out(server_plan(builder.root, "remote:latest"), world(server=FakeServer(builder.root))).done


def test_what_goes_for_good_is_watched_unless_nothing_can_run(builder: StoreBuilder) -> None:
    plan = make_plan(look(builder.root), Removal(models=(SOLO,), to_trash=False), NOW)
    steps: list[str] = []
    quiet = world(settle=60.0, is_quiet=lambda: True, report=lambda step: steps.append(step.what))
    assert carry_out(plan, quiet).done
    assert not any("watching" in what for what in steps)
    plan = make_plan(look(builder.root), Removal(models=(BASE, DERIVED), to_trash=False), NOW)
    busy = world(settle=60.0, is_quiet=lambda: False, cancelled=lambda: any("watching" in what for what in steps))
    before = tree(builder.root)
    receipt = carry_out(plan, replace(busy, report=lambda step: steps.append(step.what)))
    assert receipt.cancelled
    assert tree(builder.root) == before


def test_the_version_of_a_server_that_answers(builder: StoreBuilder) -> None:
    server = FakeServer(builder.root)
    assert version_of(server) == "0.33.0"
    with patch.object(server, "version", side_effect=ServerError("no answer")):
        assert version_of(server) is None
    assert version_of(None) is None
