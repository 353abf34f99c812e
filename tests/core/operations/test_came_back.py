"""Where the freed space is when the file system does not have it back: who is named, and what that costs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from prunella_core.apply import Step, World
from prunella_core.fs.mounts import Mount
from prunella_core.ledger.log import read_log
from prunella_core.ledger.memory import scan_store
from prunella_core.operations import came_back
from prunella_core.operations.carry_out import carry_out
from prunella_core.plan.records import Empty, Receipt, Removal
from prunella_core.sample import StoreBuilder
from stores import NOW, for_good, look, open_store, plan_for, prune, remove, small_store

SOLO = "team/solo:v1"
BIG = 150_000_000
"""Bytes: enough to be asked for."""


class Disk:
    """A file system with a given free space: what comes back of the freed, after so many seconds."""

    def __init__(self, share: float = 1.0, after: float = 0.0) -> None:
        self.share, self.after = share, after
        self.seconds = 0.0
        self.asked: list[str] = []
        self.steps: list[Step] = []

    def free(self, path: str) -> int:
        self.asked.append(path)
        is_back = len(self.asked) > 1 and self.seconds >= self.after
        return 10**12 + (int(BIG * self.share) if is_back else 0)

    def wait(self, seconds: float) -> None:
        self.seconds += seconds

    def world(self, **more: object) -> World:
        known = World(now=lambda: NOW, settle=0, free=self.free, wait=self.wait, report=self.steps.append)
        return replace(known, **more)


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """A store with a model ``big``, of which the file takes its space without being written."""
    builder = small_store(tmp_path / "store")
    weights = builder.layer("weights", "big", age=86_400)
    builder.model("big", weights, age=86_400)
    with open(builder.blob_path(weights.digest), "r+b") as file:
        os.posix_fallocate(file.fileno(), 0, BIG)
    os.utime(builder.blob_path(weights.digest), (NOW - 86_400, NOW - 86_400))
    scan_store(open_store(builder.root), NOW)
    return builder


@pytest.fixture(autouse=True)
def _on_plain_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the tests run."""
    on(monkeypatch, kind="ext4")


def on(monkeypatch: pytest.MonkeyPatch, *, kind: str, release: str = "6.1.0-generic", platform: str = "linux") -> None:
    monkeypatch.setattr(came_back, "mount_of", lambda _path: Mount("/data", kind, frozenset()))
    monkeypatch.setattr("os.uname", lambda: SimpleNamespace(release=release))
    monkeypatch.setattr("sys.platform", platform)


def delete(builder: StoreBuilder, disk: Disk, **more: object) -> Receipt:
    receipt = carry_out(plan_for(builder.root, for_good(models=("big:latest",))), disk.world(**more))
    assert receipt.done
    assert receipt.freed >= BIG
    return receipt


@contextmanager
def another_process_holds(path: str, how: str) -> Iterator[int]:
    code = f"import mmap, sys; file = open(sys.argv[1], 'rb'); {how}; print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        try:
            yield child.pid
        finally:
            child.communicate()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
@pytest.mark.parametrize("how", ["pass", "view = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ); file.close()"])
def test_a_process_that_has_the_file_open_is_named(builder: StoreBuilder, how: str) -> None:
    big = next(blob for blob in scan_store(open_store(builder.root), NOW).blobs if blob.models == ("big:latest",))
    with another_process_holds(f"{builder.root}/{big.files[0].path}", how) as pid:
        receipt = delete(builder, Disk(share=0))
    (note,) = receipt.notes
    assert f"(pid {pid}) still has a deleted file open" in note
    assert "the space returns when it closes the file" in note
    assert note.endswith(f"kill {pid}")
    (line,) = read_log(open_store(builder.root))
    assert line.note == note


def test_when_enough_came_back_nothing_waits(builder: StoreBuilder) -> None:
    disk = Disk(share=0.96)
    assert delete(builder, disk).notes == ()
    assert (disk.seconds, len(disk.asked)) == (0, 2)


def test_what_comes_back_within_five_seconds_is_waited_for(builder: StoreBuilder) -> None:
    disk = Disk(after=3)
    assert delete(builder, disk).notes == ()
    assert disk.seconds == 3
    assert disk.steps[-1].what == "waiting for the space to come back"


def test_what_does_not_is_a_note_after_five_seconds(builder: StoreBuilder) -> None:
    disk = Disk(share=0.2)
    (note,) = delete(builder, disk).notes
    assert disk.seconds == 5
    assert note.startswith("80% of the freed space is not available yet, likely because another program")


def test_small_amounts_are_not_looked_for(builder: StoreBuilder) -> None:
    disk = Disk(share=0)
    assert carry_out(plan_for(builder.root, for_good(models=(SOLO,))), disk.world()).notes == ()
    assert (disk.seconds, len(disk.asked)) == (0, 1)


def test_who_cancels_the_wait_is_told_nothing(builder: StoreBuilder) -> None:
    disk = Disk(share=0)
    receipt = delete(builder, disk, cancelled=lambda: disk.seconds > 1)
    assert (receipt.notes, receipt.cancelled) == ((), False)
    assert disk.seconds == 1.25


def test_what_goes_wrong_is_in_the_receipt(builder: StoreBuilder) -> None:
    disk = Disk(share=0)

    def fail(_seconds: float) -> None:
        raise OSError("no such clock")

    assert delete(builder, disk, wait=fail).notes == ("The free space could not be compared: no such clock",)


def test_emptying_is_compared_too(builder: StoreBuilder) -> None:
    remove(builder.root, "big:latest")
    receipt = carry_out(plan_for(builder.root, Empty()), Disk(share=0).world())
    assert [line.note for line in read_log(open_store(builder.root))] == ["", *receipt.notes]


def test_what_expires_is_compared_too(builder: StoreBuilder) -> None:
    remove(builder.root, "big:latest")
    nothing = plan_for(builder.root, Removal())
    receipt = carry_out(nothing, Disk(share=0).world(now=lambda: NOW + 100, retention=50))
    assert [line.note for line in read_log(open_store(builder.root))] == ["", *receipt.notes]


def test_a_prune_is_compared_too(builder: StoreBuilder) -> None:
    os.unlink(f"{builder.root}/{look(builder.root).model_by_name['big:latest'].manifest.path}")
    receipt = carry_out(plan_for(builder.root, prune()), Disk(share=0).world())
    assert [line.note for line in read_log(open_store(builder.root))] == list(receipt.notes)


@pytest.mark.parametrize(
    ("kind", "release", "platform", "helps"),
    [
        ("btrfs", "6.1.0", "linux", "sudo btrfs subvolume list -s /data"),
        ("zfs", "6.1.0", "linux", "zfs list -t snapshot"),
        ("", "24.1.0", "darwin", "sudo tmutil thinlocalsnapshots"),
        ("ext4", "6.6.87-linuxkit", "linux", "docker/desktop-reclaim-space"),
        ("ext4", "6.1.0", "linux", "sudo lsof +L1"),
    ],
)
def test_what_likely_keeps_it_is_named_with_what_helps(
    builder: StoreBuilder, monkeypatch: pytest.MonkeyPatch, kind: str, release: str, platform: str, helps: str
) -> None:
    on(monkeypatch, kind=kind, release=release, platform=platform)
    (note,) = delete(builder, Disk(share=0)).notes
    assert helps in note
    assert "likely" in note


def test_under_wsl_the_drive_of_windows_has_to_gain_too(
    builder: StoreBuilder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    on(monkeypatch, kind="ext4", release="6.6.87.2-microsoft-standard-WSL2")
    monkeypatch.setattr(came_back, "_WINDOWS", str(tmp_path))
    disk = Disk()
    full = disk.free
    (note,) = delete(builder, disk, free=lambda path: 0 if path == str(tmp_path) else full(path)).notes
    assert note.startswith("100% of the freed space")
    assert "Optimize-VHD" in note
