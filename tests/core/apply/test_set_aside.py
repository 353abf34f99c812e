"""What is set aside is what was planned, and nothing is moved through a link."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from prunella_core.apply import Disk
from prunella_core.base.errors import Refused
from prunella_core.plan.records import Empty, Removal, Restore
from prunella_core.sample import StoreBuilder
from stores import (
    BOTH,
    DAY,
    NOW,
    SOLO,
    FailingDisk,
    MeanwhileDisk,
    WatchedDisk,
    broken_models,
    carry_out,
    in_trash,
    plan_for,
    prune,
    recover,
    remove,
    set_aside,
    to_trash,
    tree,
)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    (folder / "sub").mkdir(parents=True)
    (folder / "file").write_text("not ours")
    return folder


def largest(builder: StoreBuilder) -> str:
    """The path of the largest blob of the model that is alone."""
    return max(plan_for(builder.root, SOLO).blobs, key=lambda item: item.file.size).file.path


def replaced(path: Path) -> None:
    """Another file comes in the place of one, as a rename does it."""
    other = path.with_name("other")
    other.write_text("newer")
    os.rename(other, path)


def written_to(path: Path) -> None:
    with open(path, "ab") as file:
        file.write(b"more")


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("somebody's")


@pytest.mark.parametrize("change", [replaced, written_to, made_a_folder])
@pytest.mark.parametrize(("name", "before"), [("link", True), ("link", False), ("move", True)])
@pytest.mark.parametrize("has_links", [True, False])
def test_a_blob_that_became_another_file_goes_back(
    builder: StoreBuilder, change: Callable[[Path], None], name: str, before: bool, has_links: bool
) -> None:
    path = Path(builder.root, largest(builder))

    class Swapping(MeanwhileDisk):
        def link(self, source: str, target: str) -> None:
            if not has_links:
                self.watch("link", source, lambda: None)
                raise OSError(errno.EPERM, "no links here", source)
            super().link(source, target)

    disk = Swapping(path.name, lambda: change(path), name, before=before)
    receipt = carry_out(plan_for(builder.root, SOLO), disk=disk)
    assert not receipt.done
    assert any("changed meanwhile" in error.message for error in receipt.errors)
    assert path.is_dir() if change is made_a_folder else path.exists()
    if change is made_a_folder:
        assert os.listdir(path) == ["inside"]
    elif change is replaced:
        assert path.read_text() == "newer"
    assert set_aside(builder.root) == set()


def test_a_manifest_that_was_rewritten_stays_with_its_blobs(builder: StoreBuilder) -> None:
    manifest = Path(builder.root, "manifests/registry.ollama.ai/team/solo/v1")
    disk = MeanwhileDisk("solo/v1", lambda: manifest.write_bytes(manifest.read_bytes()), before=True)
    with pytest.raises(Refused, match="changed meanwhile"):
        carry_out(plan_for(builder.root, SOLO), disk=disk)
    assert broken_models(builder.root) == {}


def test_a_manifest_that_is_being_written_as_it_leaves_puts_everything_back(builder: StoreBuilder) -> None:
    """A pull that has it open goes on writing into the file that was set aside."""
    manifest = Path(builder.root, "manifests/registry.ollama.ai/team/solo/v1")
    data = manifest.read_bytes()
    with open(manifest, "r+b") as pull:

        def write() -> None:
            pull.write(data + b"\n")
            pull.flush()

        with pytest.raises(Refused, match="is being written"):
            carry_out(plan_for(builder.root, SOLO), disk=MeanwhileDisk(largest(builder), write))
    assert manifest.read_bytes() == data + b"\n"
    assert broken_models(builder.root) == {}


def test_a_folder_that_waits_to_be_compared_comes_back_whole(builder: StoreBuilder) -> None:
    """Killed between the two renames."""
    name = os.path.basename(largest(builder))
    taken = Path(builder.root, ".prunella/staging/20260922T141320-9d5504/taken/blobs", name)
    taken.mkdir(parents=True)
    (taken / "inside").write_text("somebody's")
    (taken / "empty").mkdir()
    os.unlink(f"{builder.root}/blobs/{name}")
    recover(builder.root)
    assert sorted(os.listdir(f"{builder.root}/blobs/{name}")) == ["empty", "inside"]
    assert set_aside(builder.root) == set()


def test_blobs_that_are_another_folder_meanwhile_are_refused(builder: StoreBuilder) -> None:
    """A link leads to the same files, and is refused all the same."""

    def swap() -> None:
        os.rename(f"{builder.root}/blobs", f"{builder.root}/away")
        os.symlink("away", f"{builder.root}/blobs")

    with pytest.raises(Refused, match="replaced by another folder"):
        carry_out(plan_for(builder.root, SOLO), disk=MeanwhileDisk("/solo/v1", swap))
    assert broken_models(builder.root) == {}


def test_blobs_that_were_moved_away_meanwhile_keep_their_files(builder: StoreBuilder) -> None:
    def swap() -> None:
        os.rename(f"{builder.root}/blobs", f"{builder.root}/away")
        os.mkdir(f"{builder.root}/blobs")

    before = os.listdir(f"{builder.root}/blobs")
    receipt = carry_out(plan_for(builder.root, SOLO), disk=MeanwhileDisk("/solo/v1", swap))
    assert "team/solo:v1 misses blobs" in receipt.errors[0].message
    assert sorted(os.listdir(f"{builder.root}/away")) == sorted(before)


# Links


@pytest.mark.parametrize("linked", ["blobs", "manifests"])
@pytest.mark.parametrize("place", ["staging/x", "removing/x"])
def test_nothing_is_put_back_through_a_linked_folder(
    builder: StoreBuilder, outside: Path, linked: str, place: str
) -> None:
    planted = Path(builder.root, ".prunella", place, linked, "sub", "planted")
    planted.parent.mkdir(parents=True)
    planted.write_text("evil")
    os.rename(f"{builder.root}/{linked}", f"{builder.root}/away")
    os.symlink(outside, f"{builder.root}/{linked}")
    before = tree(outside)
    with pytest.raises(Refused, match="is a link"):
        carry_out(plan_for(builder.root, Removal()))
    assert tree(outside) == before


def test_nothing_is_put_back_through_a_link_on_the_way(builder: StoreBuilder, outside: Path) -> None:
    planted = Path(builder.root, ".prunella/staging/x/manifests/host/sub/planted")
    planted.parent.mkdir(parents=True)
    planted.write_text("evil")
    os.symlink(outside, f"{builder.root}/manifests/host")
    before = tree(outside)
    with pytest.raises(Refused, match="interrupted removal"):
        carry_out(plan_for(builder.root, Removal()))
    assert tree(outside) == before


def test_a_removal_through_linked_blobs_goes_to_no_trash(builder: StoreBuilder) -> None:
    os.rename(f"{builder.root}/blobs", f"{builder.root}/away")
    os.symlink("away", f"{builder.root}/blobs")
    before = tree(builder.root)
    with pytest.raises(Refused, match=r"is a link.*--now"):
        carry_out(plan_for(builder.root, to_trash(*SOLO.models)))
    assert tree(builder.root) == before
    assert carry_out(plan_for(builder.root, SOLO)).done


@pytest.mark.parametrize("request_", [BOTH, prune()])
@pytest.mark.parametrize("folder", ["removing", "removing/*", "removing/*/blobs"])
def test_names_that_are_swapped_while_it_is_emptied_lead_nowhere(
    builder: StoreBuilder, outside: Path, request_: Removal, folder: str
) -> None:
    plan = plan_for(builder.root, request_)
    for item in plan.blobs:
        for below in ("", "blobs"):
            (outside / below).mkdir(exist_ok=True)
            (outside / below / os.path.basename(item.file.path)).write_text("not ours")
    before = tree(outside)

    class Swapping(WatchedDisk):
        done = False

        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            if name == "unlink" and "/removing/" in path and not self.done:
                self.done = True
                (place,) = Path(builder.root, ".prunella").glob(folder)
                os.rename(place, f"{builder.root}/away")
                os.symlink(outside, place)
            change()

    receipt = carry_out(plan, disk=Swapping())
    assert tree(outside) == before
    assert not receipt.done or not os.path.exists(f"{builder.root}/away/blobs")


@pytest.mark.skipif(os.geteuid() != 0, reason="only an administrator gives files away")
def test_giving_a_folder_to_the_owner_follows_no_link(
    tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    os.chown(store, 65534, 65534)
    make = os.mkdir

    def swapped(path: str, *arguments: int, dir_fd: int) -> None:
        make(path, *arguments, dir_fd=dir_fd)
        os.rmdir(path, dir_fd=dir_fd)
        os.symlink(outside, path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", swapped)
    with pytest.raises(NotADirectoryError):
        Disk().make_folder(f"{store}/made")
    assert outside.stat().st_uid == 0


# The trash


def test_a_blob_in_the_trash_that_a_new_model_needs_is_put_back(builder: StoreBuilder) -> None:
    """The model came while its last copy was being emptied."""
    entry = remove(builder.root, *SOLO.models)
    manifest = Path(builder.root, ".prunella/trash", entry.id, "manifests/registry.ollama.ai/team/solo/v1")
    data = manifest.read_bytes()
    disk = MeanwhileDisk("/trash/", lambda: builder.manifest("new", data, age=DAY))
    receipt = carry_out(plan_for(builder.root, Empty()), disk=disk)
    assert {path.split("/")[-2] for path in receipt.returned} == {"blobs"}
    assert len(receipt.returned) == len(in_trash(builder.root)) == 2


def test_a_link_that_is_put_back_comes_with_what_it_leads_to(builder: StoreBuilder) -> None:
    weights = builder.layer("weights", "behind two links", age=DAY)
    first, second = (f"sha256-{digit * 64}" for digit in "12")
    builder.link(f"blobs/{first}", second, age=DAY) if False else os.symlink(second, f"{builder.root}/blobs/{first}")
    os.symlink(os.path.basename(builder.blob_path(weights.digest)), f"{builder.root}/blobs/{second}")
    for name in (first, second):
        os.utime(f"{builder.root}/blobs/{name}", (NOW - DAY, NOW - DAY), follow_symlinks=False)
    entry = '{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:' + "1" * 64 + '", "size": 1}'
    document = '{"schemaVersion": 2, "config": ' + entry + ', "layers": []}'
    disk = MeanwhileDisk("/blobs/", lambda: builder.manifest("new", document, age=DAY))
    receipt = carry_out(plan_for(builder.root, prune()), disk=disk)
    paths = {f"blobs/{first}", f"blobs/{second}", f"blobs/{weights.digest.replace(':', '-')}"}
    assert paths <= set(receipt.returned)
    assert Path(builder.root, "blobs", first).read_text() == "behind two links"


# What must not stay, and must be written down


@pytest.mark.parametrize("name", ["pins", "restoring.json"])
def test_a_half_written_file_of_a_killed_run_does_not_stay(builder: StoreBuilder, name: str) -> None:
    Path(builder.root, ".prunella").mkdir()
    Path(builder.root, f".prunella/{name}.new").write_text("half")
    recover(builder.root)
    assert not os.path.exists(f"{builder.root}/.prunella/{name}.new")


def test_a_file_that_cannot_be_written_whole_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no room"):
        Disk().write(f"{tmp_path}/pins", b"a")
    assert os.listdir(tmp_path) == []


def test_what_says_how_far_it_came_is_flushed_before_anything_moves(
    builder: StoreBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record and the note before the first file, and the folder before the decision."""
    events: list[str] = []
    flush = os.fsync

    def fsync(descriptor: int) -> None:
        events.append("flush")
        flush(descriptor)

    class Listening(WatchedDisk):
        def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
            if name in ("link", "move"):
                events.append("decide" if os.path.dirname(path).endswith("/staging") else "move")
            change()

    monkeypatch.setattr(os, "fsync", fsync)
    entry = carry_out(plan_for(builder.root, to_trash(*SOLO.models)), disk=Listening()).id
    assert events[0] == "flush"
    assert events[-2:] == ["flush", "decide"]
    events.clear()
    carry_out(plan_for(builder.root, Restore(entry=entry)), disk=Listening())
    assert events[0] == "flush"
    assert "flush" not in events[1:]


def test_two_spellings_of_one_digest_both_move(builder: StoreBuilder) -> None:
    weights = builder.layer("weights", "spelled twice", age=DAY)
    name = os.path.basename(builder.blob_path(weights.digest))
    for other in (name.upper().replace("SHA256", "sha256"), name.replace("-", ":")):
        Path(builder.root, "blobs", other).write_text("spelled twice")
        os.utime(f"{builder.root}/blobs/{other}", (NOW - DAY, NOW - DAY))
    before = tree(builder.root)
    receipt = carry_out(plan_for(builder.root, to_trash(blobs=(weights.digest,))))
    assert receipt.done
    assert len(receipt.removed) == 3
    carry_out(plan_for(builder.root, Restore(entry=receipt.id)))
    assert tree(builder.root) == before


def test_names_that_differ_only_in_case_come_back_as_they_were(builder: StoreBuilder) -> None:
    data = Path(builder.root, "manifests/registry.ollama.ai/team/solo/v1").read_bytes()
    builder.file("manifests/registry.ollama.ai/team/SOLO/v1", data, age=DAY)
    before = tree(builder.root)
    manifests = ("manifests/registry.ollama.ai/team/SOLO/v1", "manifests/registry.ollama.ai/team/solo/v1")
    receipt = carry_out(plan_for(builder.root, to_trash("team/solo:v1", "team/SOLO:v1")))
    assert set(manifests) <= set(receipt.removed)
    carry_out(plan_for(builder.root, Restore(entry=receipt.id)))
    assert tree(builder.root) == before


def test_a_disk_that_refuses_every_unlink_says_what_stays(builder: StoreBuilder) -> None:
    receipt = carry_out(plan_for(builder.root, SOLO), disk=FailingDisk("unlink"))
    assert not receipt.done
    recover(builder.root)
    assert broken_models(builder.root) == {}
    assert set_aside(builder.root) == set()
