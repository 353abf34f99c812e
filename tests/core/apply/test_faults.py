"""Disks that fail: whatever call fails, and how, nothing is lost, and the next run leaves nothing behind."""

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from prunella_core.base.errors import PrunellaError, Refused
from prunella_core.plan.records import Empty, Receipt, Restore
from safety.kill_cases import Case, cases, copy, memory
from safety.kill_matrix import what_is_lost
from safety.killing import LATER
from stores import (
    BOTH,
    SOLO,
    FailingDisk,
    WatchedDisk,
    broken_models,
    carry_out,
    disk_use,
    facts,
    for_good,
    look,
    plan_for,
    recover,
    refusal,
    remove,
    set_aside,
    small_store,
    to_trash,
)

CALLS = ["make_folder", "move", "unlink", "remove_folder", "write", "settle"]
CODES = [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EXDEV, errno.EIO]


class OnceFailingDisk(WatchedDisk):
    """Fails once, at the ``at``-th change called ``name``, as a bad sector does."""

    def __init__(self, name: str, code: int, at: int) -> None:
        self.name = name
        self.code = code
        self.left = at

    def watch(self, name: str, path: str, change: Callable[[], None]) -> None:
        self.left -= name == self.name
        if name == self.name and self.left == 0:
            raise OSError(self.code, os.strerror(self.code), path)
        change()


@pytest.fixture(scope="module")
def all_cases() -> Iterator[list[Case]]:
    with tempfile.TemporaryDirectory(prefix="prunella-faults-", dir=memory()) as folder:
        yield list(cases(Path(folder)))


def disks(call: str, code: int) -> Iterator[tuple[str, WatchedDisk]]:
    """A disk on which ``call`` never works, one on which it soon stops to, and ones on which it fails once."""
    yield "always", FailingDisk(call, code=code)
    yield "from the 4th on", FailingDisk(call, code=code, start=4)
    for at in (1, 3):
        yield f"at the {at}.", OnceFailingDisk(call, code, at)


@pytest.mark.parametrize("code", CODES, ids=[errno.errorcode[code] for code in CODES])
@pytest.mark.parametrize("call", CALLS)
def test_nothing_is_lost_and_the_next_run_ends_it(all_cases: list[Case], call: str, code: int) -> None:
    wrong = []
    for case in all_cases:
        for when, disk in disks(call, code):
            root = copy(case.store, case.store.parent / "faulty")
            if what := what_goes_wrong(case, root, disk):
                wrong.append(f"{case.name}, {call} fails {when}: {what}")
    assert not wrong, "\n".join(wrong)


def what_goes_wrong(case: Case, root: Path, disk: WatchedDisk) -> str:
    """Carry out a case on a disk that fails; say what is not as it has to be."""
    before = facts(root)
    plan = plan_for(root, case.request, LATER)
    receipt: Receipt | None = None
    unsaid = ""
    try:
        receipt = carry_out(plan, disk=disk)
    except Refused:
        if files(facts(root)) != files(before):
            unsaid = "it was refused, and yet something was changed"
    except PrunellaError:
        pass
    except OSError as error:
        unsaid = f"it fails with {error!r}, neither a receipt nor a sentence"
    if receipt and receipt.done and files(facts(root)) != files(case.after.all) and not set_aside(root):
        unsaid = "the receipt says done, and it is not"
    recover(root)
    if lost := what_is_lost(case, root):
        return lost
    if aside := set_aside(root):
        return f"left aside: {sorted(aside)}"
    if not receipt and facts(root) not in (case.before.all, case.after.all):
        return "neither before nor after"
    return unsaid


def files(found: dict[str, tuple[str, int, int]]) -> dict[str, tuple[str, int, int]]:
    """Without the folders."""
    return {path: fact for path, fact in found.items() if fact[0] != "/"}


# Real ones


@contextmanager
def mounted(folder: Path, *command: str) -> Iterator[Path]:
    """A file system of its own at ``folder``; the test is skipped where none may be mounted."""
    folder.mkdir()
    made = subprocess.run(["mount", *command, str(folder)], check=False, capture_output=True)
    if made.returncode:
        pytest.skip(f"nothing can be mounted here: {made.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True, capture_output=True)


def image(path: Path) -> Path:
    """An empty ext4 in a file."""
    made = path.write_bytes(b"") == 0 and shutil.which("mkfs.ext4")
    if not made:
        pytest.skip("needs mkfs.ext4")
    os.truncate(path, 4 * 1024 * 1024)
    subprocess.run([made, "-q", "-m", "0", str(path)], check=True, capture_output=True)
    return path


@pytest.fixture(params=["tmpfs", "ext4"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("only an administrator can mount")
    if request.param == "tmpfs":
        with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=1m", "tmpfs") as disk:
            yield disk
    else:
        with mounted(tmp_path / "disk", "-o", "loop", str(image(tmp_path / "image"))) as disk:
            yield disk


def fill(disk: Path) -> None:
    """Write until not one more byte can be written, nor one more file."""
    with open(disk / "filler", "wb", buffering=0) as filler:
        for size in (65_536, 4_096, 512, 1):
            while can(lambda size=size: filler.write(b"x" * size)):  # type: ignore[misc]
                pass
    numbers = count()
    while can(lambda: (disk / f"filler {next(numbers)}").write_bytes(b"x")):
        pass


def can(write: Callable[[], object]) -> bool:
    """Whether there was room for it."""
    try:
        write()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


def delete_where_the_trash_may_refuse(root: Path) -> None:
    """A move to the trash is done or refused with a way out; a deletion is done to the byte."""
    before = facts(root)
    if said := refusal(plan_for(root, to_trash(*SOLO.models))):
        assert "--now" in said
        assert "\n" not in said
        assert facts(root) == before
    plan = plan_for(root, BOTH)
    use = disk_use(root)
    receipt = carry_out(plan)
    assert receipt.done
    assert receipt.freed == plan.reclaims == use - disk_use(root) > 0
    assert broken_models(root) == {}
    assert set_aside(root) == set()


def test_on_a_full_disk_everything_is_possible_or_said(small_disk: Path) -> None:
    root = small_disk / "store"
    small_store(root)
    fill(small_disk)
    delete_where_the_trash_may_refuse(root)
    (small_disk / "new").write_bytes(b"x" * 4_096)
    assert broken_models(root) == {}


def test_a_full_disk_can_empty_its_trash_and_restore_or_say_so(small_disk: Path) -> None:
    root = small_disk / "store"
    small_store(root)
    entry = remove(root, *SOLO.models)
    other = remove(root, *BOTH.models)
    fill(small_disk)
    before = facts(root)
    try:
        carry_out(plan_for(root, Restore(entry=entry.id)))
        assert broken_models(root) == {}
    except Refused:
        assert facts(root) == before
    plan = plan_for(root, Empty(entries=(other.id,)))
    receipt = carry_out(plan)
    assert receipt.done
    assert receipt.freed == plan.reclaims > 0
    if look(root).trash:
        carry_out(plan_for(root, Restore(entry=entry.id)))
    assert set(look(root).model_by_name) == set(SOLO.models)
    assert broken_models(root) == {}


def test_where_a_mount_lies_between_blobs_and_store_nothing_is_lost(tmp_path: Path) -> None:
    """A bind mount: the same device, and yet no rename leads across."""
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("only an administrator can mount")
    root = tmp_path / "store"
    small_store(root)
    os.rename(root / "blobs", tmp_path / "blobs")
    with mounted(root / "blobs", "--bind", str(tmp_path / "blobs")):
        delete_where_the_trash_may_refuse(root)
        recover(root)
        assert set_aside(root) == set()


def test_read_only_is_said_and_nothing_is_changed(tmp_path: Path) -> None:
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("only an administrator can mount")
    root = tmp_path / "store"
    small_store(tmp_path / "real")
    with mounted(root, "--bind", str(tmp_path / "real")):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(root)], check=True, capture_output=True)
        before = facts(root)
        assert set(look(root).model_by_name) == {*BOTH.models, *SOLO.models}
        for request in (to_trash(*SOLO.models), BOTH, for_good(models=SOLO.models)):
            with pytest.raises(Refused):
                carry_out(plan_for(root, request))
        assert facts(root) == before
