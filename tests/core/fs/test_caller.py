"""The helper that keeps the caller's rights: it does what it is asked, and nothing else."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from prunella_core.fs import caller
from prunella_core.fs.caller import for_caller, leave_helper
from prunella_core.fs.files import write_file


@for_caller
def whoami(prefix: str) -> list[object]:
    """Who answers, in words that JSON can hold."""
    if prefix == "\udcff":
        raise FileNotFoundError(2, "nowhere", prefix)
    return [prefix, os.getpid()]


@pytest.fixture
def helper() -> Iterator[None]:
    leave_helper()
    try:
        yield
    finally:
        caller._helper.pop().close()
        os.wait()


def test_without_a_helper_it_is_done_here() -> None:
    assert whoami("x") == ["x", os.getpid()]


@pytest.mark.usefixtures("helper")
def test_a_helper_answers_as_often_as_it_is_asked() -> None:
    first, second = whoami("x\n"), whoami("ü")
    assert (first[0], second[0]) == ("x\n", "ü")
    assert first[1] == second[1] != os.getpid()


@pytest.mark.usefixtures("helper")
def test_an_error_comes_back_with_its_path() -> None:
    with pytest.raises(FileNotFoundError) as raised:
        whoami("\udcff")
    assert raised.value.filename == "\udcff"


@pytest.mark.usefixtures("helper")
def test_it_writes_outside_the_store_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "store"
    store.mkdir()
    write_file(str(tmp_path / "there"), bytes(range(256)), str(store))
    assert (tmp_path / "there").read_bytes() == bytes(range(256))
    with pytest.raises(FileExistsError):
        write_file(str(tmp_path / "there"), b"", str(store))
    asked: list[str] = []
    monkeypatch.setattr(caller, "_ask", lambda name, _given: asked.append(name))
    write_file(str(store / "here"), b"x", str(store))
    assert (store / "here").read_bytes() == b"x"
    assert asked == []


def test_a_helper_that_has_ended_is_an_error() -> None:
    leave_helper()
    os.kill(int(str(whoami("")[1])), 9)
    os.wait()
    with pytest.raises(OSError, match="helper has ended"):
        whoami("x")
    caller._helper.pop().close()


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_file(str(tmp_path / "nowhere" / "file"), b"x", str(tmp_path / "store"))


def test_a_file_is_closed_before_it_takes_the_place_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On NFS only closing says that the disk is full."""
    path = tmp_path / "metrics.prom"
    path.write_text("old")
    replace, still_open = os.replace, []

    def noting(source: str, target: str) -> None:
        status = os.stat(source)
        for descriptor in map(int, os.listdir("/proc/self/fd")):
            with suppress(OSError):  # that of the listing
                still_open.extend([descriptor] if os.path.samestat(os.fstat(descriptor), status) else [])
        replace(source, target)

    monkeypatch.setattr(os, "replace", noting)
    write_file(str(path), b"new", "/store", over=True)
    assert path.read_text() == "new"
    assert still_open == []
