"""One Prunella at a time, also on NFS, and whatever lies where the lock file belongs."""

import errno
import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prunella_core.base.errors import Locked, Refused
from prunella_core.fs.disk import Disk, rename_new
from prunella_core.sample import StoreBuilder
from prunella_core.store.access import is_locked, lock, write_pins
from stores import SOLO, carry_out, open_store, plan_for


@pytest.fixture
def nfs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It locks what is opened for writing, and nothing else."""
    local = fcntl.flock

    def flock(descriptor: int, operation: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        local(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.usefixtures("nfs")
def test_on_nfs_a_file_is_locked_and_stays(builder: StoreBuilder) -> None:
    store = open_store(builder.root)
    assert not is_locked(store)
    assert carry_out(plan_for(builder.root, SOLO)).done
    file = os.stat(f"{builder.root}/.prunella/lock").st_ino
    with lock(store):
        assert is_locked(store)
        with pytest.raises(Locked, match="another Prunella"), lock(store):
            pass
    assert not is_locked(store)
    assert os.stat(f"{builder.root}/.prunella/lock").st_ino == file


@pytest.mark.usefixtures("nfs")
def test_on_nfs_a_lock_file_that_was_replaced_meanwhile_is_not_the_lock(
    builder: StoreBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, file = open_store(builder.root), Path(builder.root, ".prunella/lock")
    refusing, calls = fcntl.flock, []

    def flock(descriptor: int, operation: int) -> None:
        refusing(descriptor, operation)
        calls.append(os.fstat(descriptor).st_ino)
        if len(calls) == 1:
            file.unlink()
            file.touch()

    monkeypatch.setattr(fcntl, "flock", flock)
    with lock(store):
        assert calls == [calls[0], file.stat().st_ino]


@pytest.mark.usefixtures("nfs")
def test_on_nfs_a_file_that_cannot_be_locked_is_refused(builder: StoreBuilder) -> None:
    os.makedirs(f"{builder.root}/.prunella/lock")
    with pytest.raises(Refused, match="cannot lock"):
        carry_out(plan_for(builder.root, SOLO))


HELD = """
import sys
from stores import SOLO, carry_out, plan_for
assert carry_out(plan_for(sys.argv[1], SOLO)).done
"""


@pytest.mark.parametrize("is_read", [False, True])
def test_a_pipe_called_lock_holds_nothing_up(builder: StoreBuilder, is_read: bool) -> None:
    pipe = f"{builder.root}/.prunella/lock"
    os.mkdir(f"{builder.root}/.prunella")
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK) if is_read else None
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", HELD, builder.root]
    assert subprocess.run(command, env=environment, timeout=60).returncode == 0
    if reader is not None:
        os.close(reader)


def test_a_link_called_lock_is_not_written_through(builder: StoreBuilder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not ours")
    os.mkdir(f"{builder.root}/.prunella")
    os.symlink(tmp_path / "file", f"{builder.root}/.prunella/lock")
    assert carry_out(plan_for(builder.root, SOLO)).done
    assert (tmp_path / "file").read_text() == "not ours"


def test_pins_are_not_written_while_another_run_holds_the_store(builder: StoreBuilder) -> None:
    store = open_store(builder.root)
    with lock(store), pytest.raises(Locked):
        write_pins(store, ["base"])


# What NFS says of a request that it has done already


def test_a_link_that_nfs_made_at_the_first_try_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = os.link

    def link(source: str, target: str, **options: Any) -> None:
        make(source, target, **options)
        raise FileExistsError(errno.EEXIST, "retried", target)

    (tmp_path / "a").write_text("a")
    (tmp_path / "other").write_text("b")
    with pytest.raises(FileExistsError):
        Disk().link(f"{tmp_path}/a", f"{tmp_path}/other")
    monkeypatch.setattr(os, "link", link)
    Disk().link(f"{tmp_path}/a", f"{tmp_path}/b")
    assert (tmp_path / "a").samefile(tmp_path / "b")


def test_a_rename_that_nfs_did_at_the_first_try_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    move = os.rename

    def rename(source: str, target: str, **options: int) -> None:
        move(source, target, **options)
        raise FileNotFoundError(errno.ENOENT, "retried", source)

    monkeypatch.setattr("prunella_core.fs.disk._renameat2", lambda: None)
    folder = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        (tmp_path / "a").write_text("a")
        with pytest.raises(FileNotFoundError):
            rename_new((folder, "nowhere"), (folder, "b"))
        monkeypatch.setattr(os, "rename", rename)
        rename_new((folder, "a"), (folder, "b"))
        (tmp_path / "a").write_text("newer")
        with pytest.raises(FileExistsError):
            rename_new((folder, "a"), (folder, "b"))
    finally:
        os.close(folder)
    assert (tmp_path / "b").read_text() == "a"
    assert stat.S_ISREG((tmp_path / "a").stat().st_mode)
