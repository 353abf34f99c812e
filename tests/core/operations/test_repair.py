"""Repairs: the damaged blob leaves for the trash, the server pulls it again, and whatever happens, nothing is lost."""

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ollama_rules import Ollama
from prunella_core.apply import Disk, World
from prunella_core.base.errors import Refused, StalePlan
from prunella_core.guard.status import Settings
from prunella_core.guard.sync import sync, turn_on
from prunella_core.ledger.memory import scan_store
from prunella_core.ollama.server import Server, connect
from prunella_core.operations.carry_out import make_ready, plan_to_make_room, swap
from prunella_core.operations.repair import plan_repairs, repair
from prunella_core.plan.records import RepairPlan, RepairReceipt, Restore
from prunella_core.store.access import lock
from prunella_core.verify import verify_blobs, whole_blobs
from pulled import OFFERS, ONE, TWO, blob, flip, newer_in, store_at, success, truncate
from servers import Stub, ollama_on
from stores import (
    DAY,
    FailingDisk,
    Killed,
    KilledDisk,
    MeanwhileDisk,
    broken_models,
    look,
    open_store,
    set_aside,
    tree,
)


def server_of(stub: Stub) -> Server:
    server = connect(stub.environ)
    assert server
    return server


def planned(root: str, stub: Stub) -> RepairPlan:
    return plan_repairs(scan_store(open_store(root), time.time()), server_of(stub), time.time())


def world(stub: Stub, **more: Any) -> World:
    return World(server=server_of(stub), settle=0, **more)


def repaired(root: str, stub: Stub, **more: Any) -> RepairReceipt:
    return repair(planned(root, stub), world(stub, **more))


def asked_to_pull(stub: Stub) -> list[str]:
    return [given["model"] for question, given in stub.asked if question == "POST /api/pull"]


def bytes_in(root: str) -> set[str]:
    """The hashes of all files, wherever they are."""
    return set(tree(root).values())


@pytest.mark.parametrize("harm", [truncate, flip])
def test_a_damaged_blob_is_replaced_and_kept(root: str, stub: Stub, harm: Callable[[str], bytes]) -> None:
    before = tree(root)
    data = harm(root)
    plan = planned(root, stub)
    assert [each.models for each in plan.plans] == [("one:latest",)]
    assert plan.size == len(ONE[0])
    done = repair(plan, world(stub))
    [one] = done.repaired
    assert (done.done, one.is_whole, one.is_newer, one.why_not) == (True, True, False, "")
    assert asked_to_pull(stub) == ["one:latest"]
    assert {path: what for path, what in tree(root).items() if not path.startswith(".prunella")} == before
    assert hashlib.sha256(data).hexdigest() in bytes_in(root)
    assert [entry.id for entry in look(root).trash] == [one.entry]
    assert not planned(root, stub).plans


def test_what_is_missing_is_pulled_and_leaves_nothing_in_the_trash(root: str, stub: Stub) -> None:
    before = tree(root)
    blob(root, ONE[0]).unlink()
    done = repaired(root, stub)
    assert done.done
    assert done.repaired[0].entry == ""
    assert tree(root) == before


def test_a_newer_version_can_be_swapped_for_the_one_before(root: str, stub: Stub) -> None:
    truncate(root)
    before = tree(root)
    stub.answers["POST /api/pull"] = newer_in(root)
    [one] = repaired(root, stub).repaired
    assert (one.is_whole, one.is_newer) == (True, True)
    assert broken_models(root) == {}
    request = Restore(entry=one.entry, model="one:latest")
    room = plan_to_make_room(look(root, time.time()), request, time.time())
    assert room
    assert swap(request, room, world(stub)).done
    assert {path: what for path, what in tree(root).items() if not path.startswith(".prunella")} == before


def test_when_the_pull_fails_the_store_is_as_it_was(root: str, stub: Stub) -> None:
    truncate(root)
    before = tree(root)
    stub.answers["POST /api/pull"] = (500, b'{"error":"no route to host"}')
    done = repaired(root, stub)
    [one] = done.repaired
    assert not done.done
    assert "no route to host" in one.why_not
    assert one.entry == ""
    assert tree(root) == before


def test_what_arrives_damaged_is_no_repair(root: str, stub: Stub) -> None:
    data = flip(root)
    stub.answers["POST /api/pull"] = lambda _given: (blob(root, ONE[0]).write_bytes(b"x" * len(data)), success())[1]
    [one] = repaired(root, stub).repaired
    assert not one.is_whole
    assert one.entry, "what was there can still be had"
    assert hashlib.sha256(data).hexdigest() in bytes_in(root)


def test_a_success_that_brings_nothing_is_no_repair(root: str, stub: Stub) -> None:
    truncate(root)
    before = tree(root)
    stub.answers["POST /api/pull"] = success()
    [one] = repaired(root, stub).repaired
    assert (one.is_whole, one.entry) == (False, "")
    assert "still missing or damaged" in one.why_not
    assert tree(root) == before


def test_another_model_gets_back_what_a_newer_version_does_not_bring(root: str, stub: Stub) -> None:
    Ollama(root).create("own:latest", "one:latest", "You are mine.")
    own = Path(Ollama(root).manifest("own:latest"))
    own.write_bytes(own.read_bytes() + b"\n")
    data = truncate(root)
    plan = planned(root, stub)
    assert (plan.along, plan.refused) == (("own:latest",), {})
    stub.answers["POST /api/pull"] = newer_in(root)
    done = repair(plan, world(stub))
    assert [each.is_whole for each in done.repaired] == [True, False]
    assert blob(root, ONE[0]).read_bytes() == data


def test_what_cannot_be_pulled_says_why(root: str, stub: Stub) -> None:
    Ollama(root).create("own:latest", "two:latest", "You are mine.")
    own = Path(Ollama(root).manifest("own:latest"))
    own.write_bytes(own.read_bytes() + b"\n")
    truncate(root, "You are mine.")
    refused = planned(root, stub).refused
    assert [*refused] == ["own:latest"]
    assert "created here" in refused["own:latest"]
    inventory = look(root)
    assert "no server answers" in plan_repairs(inventory, None, time.time()).refused["own:latest"]
    away = replace(inventory, store=replace(inventory.store, exported_from="elsewhere"))
    assert "read-only" in plan_repairs(away, server_of(stub), time.time()).refused["own:latest"]


def test_a_server_of_another_store_is_not_asked(root: str, stub: Stub, tmp_path: Path) -> None:
    truncate(root)
    other = store_at(tmp_path / "other")
    shutil.rmtree(f"{other}/manifests/registry.ollama.ai/library/two")
    before = tree(root)
    with ollama_on(other) as elsewhere:
        assert "another store" in next(iter(planned(root, elsewhere).refused.values()))
        with pytest.raises(Refused, match="another store"):
            repair(planned(root, stub), world(elsewhere))
    copied = store_at(tmp_path / "copied")
    with ollama_on(copied) as elsewhere:
        assert "another store" in next(iter(planned(root, elsewhere).refused.values()))
    assert tree(root) == before


def test_what_a_good_link_leads_to_is_not_repaired(root: str, stub: Stub) -> None:
    """Its name may be no hash of its bytes; what the model needs is sound."""
    path = blob(root, ONE[0])
    target = path.rename(path.with_name(f"sha256-{'ab' * 32}"))
    path.symlink_to(target.name)
    inventory = scan_store(open_store(root), time.time())
    assert [bad.path for bad in verify_blobs(inventory, whole_blobs(inventory)).bad] == [f"blobs/{target.name}"]
    assert planned(root, stub).plans == ()


def test_another_prunella_that_comes_by_is_waited_for(root: str, stub: Stub) -> None:
    truncate(root)
    before, other = tree(root), ExitStack()

    def pull(_given: Any) -> tuple[int, bytes]:
        other.enter_context(lock(open_store(root)))
        return 500, b'{"error":"no route to host"}'

    stub.answers["POST /api/pull"] = pull
    [one] = repaired(root, stub, wait=lambda _seconds: other.close()).repaired
    assert "no route" in one.why_not
    assert tree(root) == before


def test_one_that_stays_leaves_the_damaged_blob_in_the_trash(root: str, stub: Stub) -> None:
    data = truncate(root)
    with ExitStack() as other:

        def pull(_given: Any) -> tuple[int, bytes]:
            other.enter_context(lock(open_store(root)))
            return success()

        stub.answers["POST /api/pull"] = pull
        [one] = repaired(root, stub, wait=lambda _seconds: None).repaired
    assert one.entry
    assert "is in the trash" in one.why_not
    assert hashlib.sha256(data).hexdigest() in bytes_in(root)


def test_a_store_that_changed_is_looked_at_again(root: str, stub: Stub) -> None:
    truncate(root)
    plan = planned(root, stub)
    truncate(root, ONE[1])
    before = tree(root)
    with pytest.raises(StalePlan):
        repair(plan, world(stub))
    assert tree(root) == before


def test_cancelled_during_the_pull_it_is_as_before(root: str, stub: Stub) -> None:
    truncate(root)
    before = tree(root)
    cancelled: list[bool] = []

    def pull(_given: Any) -> tuple[int, bytes]:
        cancelled.append(True)
        return 200, b'{"status":"pulling manifest"}'

    stub.answers["POST /api/pull"] = pull
    done = repaired(root, stub, cancelled=lambda: bool(cancelled))
    assert done.cancelled
    assert not done.done
    assert tree(root) == before


def test_the_guard_takes_nothing_for_deleted(root: str, stub: Stub) -> None:
    turn_on(open_store(root), Settings(), time.time())
    truncate(root)
    done = repaired(root, stub)
    assert done.done
    assert [entry.cause for entry in look(root).trash] == ["removed"]
    found = sync(open_store(root), time.time() + DAY)
    assert found
    assert found.rescued == ()


def test_a_blob_that_is_replaced_meanwhile_stays(root: str, stub: Stub) -> None:
    truncate(root)
    path = blob(root, ONE[0])

    def pull() -> None:
        path.unlink()
        path.write_text(ONE[0])

    disk = MeanwhileDisk(path.name, pull, "link")
    with pytest.raises(Refused):
        repair(planned(root, stub), world(stub, disk=disk))
    assert path.read_text() == ONE[0]
    assert set_aside(root) == set()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("succeeds", [False, True])
def test_killed_anywhere_nothing_is_lost(tmp_path: Path, after: bool, succeeds: bool) -> None:
    """Every file is somewhere, also when Ollama starts meanwhile, and the next repair brings the model."""
    for at in count(1):
        root = store_at(tmp_path / f"{at}")
        truncate(root)
        before = {what for what in bytes_in(root) if what != "/"}
        with ollama_on(root, offers=OFFERS if succeeds else {}) as stub:
            disk: Disk = KilledDisk(at, after)
            try:
                repaired(root, stub, disk=disk)
            except Killed:
                pass
            else:
                break
        if after:
            Ollama(root).start()
        assert before <= bytes_in(root), f"killed at change {at}"
        assert set(look(root).model_by_name) == set(OFFERS)
        with ollama_on(root, offers=OFFERS) as stub:
            make_ready(open_store(root), world(stub))
            assert repaired(root, stub).plan.refused == {}
            assert broken_models(root) == {}, f"killed at change {at}"
        assert set_aside(root) == set()
        assert before <= bytes_in(root), f"killed at change {at}, then repaired"
        shutil.rmtree(root)
    assert at > 10


def test_cancelled_before_it_begins_nothing_is_pulled(root: str, stub: Stub) -> None:
    truncate(root)
    before = tree(root)
    assert repaired(root, stub, cancelled=lambda: True).cancelled
    assert asked_to_pull(stub) == []
    assert tree(root) == before


def test_cancelled_while_the_damaged_blob_leaves_it_comes_back(root: str, stub: Stub) -> None:
    truncate(root)
    before = tree(root)
    taken: list[bool] = []
    disk = MeanwhileDisk("", lambda: taken.append(True))
    [one] = repaired(root, stub, cancelled=lambda: bool(taken), disk=disk).repaired
    assert one.why_not == "cancelled; everything was put back"
    assert asked_to_pull(stub) == []
    assert tree(root) == before


def test_what_the_pull_of_another_model_brought_is_whole(root: str, stub: Stub) -> None:
    truncate(root, ONE[1])
    assert ONE[1] == TWO[1]
    done = repaired(root, stub)
    assert done.done
    assert len(asked_to_pull(stub)) == 1
    assert [each.model for each in done.repaired] == ["one:latest", "two:latest"]


def test_of_a_model_that_changes_meanwhile_nothing_more_is_taken(root: str, stub: Stub) -> None:
    truncate(root)
    truncate(root, TWO[0])

    def pull(_given: Any) -> tuple[int, bytes]:
        Ollama(root).pull("one:latest", ONE)
        truncate(root, TWO[2])
        return success()

    stub.answers["POST /api/pull"] = pull
    one, two = repaired(root, stub).repaired
    assert (one.is_whole, two.is_whole) == (True, False)
    assert "was changed since this was planned" in two.why_not
    assert blob(root, TWO[0]).exists()


def test_a_model_that_vanishes_during_its_pull_is_in_the_trash(root: str, stub: Stub) -> None:
    truncate(root)

    def pull(_given: Any) -> tuple[int, bytes]:
        Ollama(root).rm("one:latest")
        return success()

    stub.answers["POST /api/pull"] = pull
    [one] = repaired(root, stub).repaired
    assert "has no model of that name any more" in one.why_not
    assert [entry.id for entry in look(root).trash] == [one.entry]


def test_where_nothing_can_be_linked_nothing_is_repaired(root: str, stub: Stub) -> None:
    truncate(root)
    before = tree(root)
    with pytest.raises(Refused, match="nothing was changed"):
        repaired(root, stub, disk=FailingDisk("link", code=errno.ENOSPC))
    assert tree(root) == before


def test_a_manifest_that_is_written_meanwhile_stops_it(root: str, stub: Stub) -> None:
    truncate(root)
    manifest = Path(Ollama(root).manifest("one:latest"))
    disk = MeanwhileDisk("blobs/", lambda: os.utime(manifest, (1, 1)), "link")
    with pytest.raises(Refused):
        repaired(root, stub, disk=disk)
    assert set_aside(root) == set()
    assert blob(root, ONE[0]).exists()


def test_a_manifest_that_is_a_link_is_kept_as_one(root: str, stub: Stub) -> None:
    """As servers to come store a tag: a link to its manifest among the blobs."""
    manifest = Path(Ollama(root).manifest("one:latest"))
    data = manifest.read_bytes()
    target = Path(root, "blobs", f"sha256-{hashlib.sha256(data).hexdigest()}")
    manifest.rename(target)
    tag = Path(root, "manifests-v2", manifest.relative_to(Path(root, "manifests")))
    tag.parent.mkdir(parents=True)
    tag.symlink_to(os.path.relpath(target, tag.parent))
    truncate(root)
    [one] = repaired(root, stub).repaired
    kept = Path(root, ".prunella/trash", one.entry, "manifests-v2", tag.relative_to(Path(root, "manifests-v2")))
    assert one.is_whole
    assert kept.is_symlink()
    assert kept.readlink() == tag.readlink()
