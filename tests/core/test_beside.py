"""A second process that looks at a large ``blobs/``: whatever it does, a scan finds what it finds alone."""

import os
import signal
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from prunella_core.inventory.records import Inventory, State
from prunella_core.inventory.rows import BlobRows
from prunella_core.sample import StoreBuilder
from prunella_core.scan import Progress, beside, blobs, entries, scan
from prunella_core.scan.beside import Beside, Piece
from prunella_core.space.totals import totals
from recipes import Recipe, built, recipes
from stores import NOW, look, open_store, small_store


@pytest.fixture
def helped(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let every scan have a second process; its number is noted here."""
    started: list[int] = []
    spawn = os.posix_spawn

    def noted(*arguments: object, **options: object) -> int:
        started.append(spawn(*arguments, **options))  # type: ignore[arg-type]
        return started[-1]

    monkeypatch.setattr(os, "posix_spawn", noted)
    monkeypatch.setattr(beside, "WORTHWHILE", 0)
    monkeypatch.setattr(beside, "_processors", lambda: 2)
    return started


def alone(root: str) -> Inventory:
    """What a scan without a second process finds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beside, "WORTHWHILE", 1 << 62)
        return look(root)


def same(inventory: Inventory) -> Inventory:
    """Without what another process on this machine may change, and in one order of rows."""
    rows = BlobRows.of(sorted(inventory.blobs, key=lambda blob: blob.key))
    return replace(inventory, disk_free=0, rows=rows)


def is_over(process: int) -> bool:
    """Whether a process has ended and was waited for."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """The small store with all that a name in it can be."""
    builder = small_store(tmp_path / "store")
    folder = f"{builder.root}/blobs"
    first = next(name for name in os.listdir(folder) if len(name) == 71)
    os.link(f"{folder}/{first}", f"{folder}/sha256-{'ab' * 32}")
    os.link(f"{folder}/{first}", f"{folder}/{first.replace('-', ':')}")
    os.symlink(first, f"{folder}/sha256-{'cd' * 32}")
    os.mkdir(f"{folder}/sha256-{'ef' * 32}")
    for name in ("x" * 71, "sha256-" + "A" * 64, "sha256-" + "g" * 64, f"sha256-{'0' * 40}\nsha256-{'0' * 16}"):
        builder.file(f"blobs/{name}", "odd")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff" + b"y" * 70)).write_text("no UTF-8")
    Path(f"{folder}/{'ü' * 71}").write_text("two bytes each")
    return builder


def test_it_changes_nothing_of_what_is_found(builder: StoreBuilder, helped: list[int]) -> None:
    found = look(builder.root)
    assert len(helped) == 1
    assert same(found) == same(alone(builder.root))
    assert {blob.state for blob in found.blobs} >= {State.REFERENCED, State.UNREFERENCED, State.PARTIAL, State.STRAY}
    assert is_over(helped[0])


def test_a_folder_of_thousands_comes_in_several_pieces(tmp_path: Path, helped: list[int]) -> None:
    builder = small_store(tmp_path / "store")
    for number in range(9_000):
        Path(f"{builder.root}/blobs/sha256-{number:064x}").touch()
    steps: list[Progress] = []
    found = scan(open_store(builder.root), NOW, steps.append)
    assert len(helped) == 1
    assert same(found) == same(alone(builder.root))
    assert sorted({step.blobs for step in steps})[-1] == len(os.listdir(f"{builder.root}/blobs"))


class Earlier:
    """A second process that was quick: all it tells, it saw before anything else happened."""

    def __init__(self, folder: str) -> None:
        other = Beside(folder)
        self.told = list(other.pieces(to_the_end=True))
        other.close()

    def pieces(self, *, to_the_end: bool) -> Iterator[Piece]:
        yield from self.told if to_the_end else ()

    def close(self) -> None:
        """Nothing to end."""


def test_only_what_the_scan_itself_has_listed_counts(builder: StoreBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Earlier(f"{builder.root}/blobs")
    monkeypatch.setattr(blobs, "beside", lambda _folder: seen)
    gone = next(blob for blob in alone(builder.root).blobs if blob.state is State.UNREFERENCED and blob.size > 1_000)
    os.unlink(f"{builder.root}/{gone.files[0].path}")
    came = builder.layer("weights", "came since", age=90_000)
    found = look(builder.root)
    assert same(found) == same(alone(builder.root))
    assert gone.key not in found.blob_by_key
    assert found.blob_by_key[came.digest].state is State.UNREFERENCED


def _killed_at_once(patch: pytest.MonkeyPatch) -> None:
    class Killed(Beside):
        def __init__(self, folder: str) -> None:
            super().__init__(folder)
            os.kill(self._process, signal.SIGKILL)

    patch.setattr(beside, "Beside", Killed)


def _cut_off(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Earlier, "pieces", lambda self, to_the_end: iter(self.told[: len(self.told) // 2]))
    patch.setattr(blobs, "beside", Earlier)


def _no_python(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sys, "executable", "/bin/false")


def _nothing_to_start(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sys, "executable", "/nowhere/python")


@pytest.mark.parametrize("mishap", [_killed_at_once, _cut_off, _no_python, _nothing_to_start])
def test_a_process_that_fails_is_done_without(
    builder: StoreBuilder, helped: list[int], monkeypatch: pytest.MonkeyPatch, mishap: object
) -> None:
    assert callable(mishap)
    mishap(monkeypatch)
    assert same(look(builder.root)) == same(alone(builder.root))
    assert all(map(is_over, helped))


def test_a_scan_that_is_ended_leaves_no_process(builder: StoreBuilder, helped: list[int]) -> None:
    def stop(_step: Progress) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        scan(open_store(builder.root), NOW, stop, models_first=True)
    assert len(helped) == 1
    assert is_over(helped[0])


def test_a_small_folder_is_not_worth_a_process(builder: StoreBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "Beside", None)  # would fail if it were started
    assert look(builder.root).models


def test_numbers_beyond_all_bounds_are_kept(builder: StoreBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = 2**64 - 1

    def with_huge_inode(path: str) -> os.stat_result:
        status = os.lstat(path)
        return os.stat_result((status[0], huge, *status[2:]), {"st_blocks": 8, "st_mtime_ns": 5, "st_rdev": 0})

    monkeypatch.setattr(blobs, "lstat", with_huge_inode)
    found = alone(builder.root)
    assert {file.inode for blob in found.blobs for file in blob.files if blob.state is State.REFERENCED} == {huge}


@settings(max_examples=60, deadline=None)
@given(recipes())
def test_what_is_reckoned_without_rows_is_what_the_rows_say(recipe: Recipe) -> None:
    with built(recipe) as (builder, _top):
        lazy = look(builder.root)
        made = replace(lazy, rows=BlobRows.of(look(builder.root).blobs))
        assert lazy.usage == made.usage
        assert totals(lazy) == totals(made)
        assert (lazy.rows.users, lazy.rows.shared) == (made.rows.users, made.rows.shared)
        assert lazy.rows.digests == made.rows.digests
        assert lazy.rows == made.rows


def test_an_entry_is_plain_only_under_the_name_that_the_server_writes() -> None:
    plain = f"sha256-{'0f' * 32}"
    odd = [f"sha256:{'0f' * 32}", f"sha256-{'0F' * 32}", f"sha256-{'0g' * 32}", f"-sha256{'0f' * 32}", "x" * 71]
    numbers = [5, 8, 7, 0o100644, 1, 2, 1]
    for others in ([], odd):
        names = [*others, plain, *others]
        files = entries.Entries()
        told = files.add_all("".join(f"{name}/" for name in names), array("q", numbers * len(names)))
        assert told == [*others, *others]
        assert set(files) == {plain.replace("-", ":")}
        ((file,),) = files.values()
        assert (file.path, file.size, file.allocated, file.mtime_ns, file.mode) == (
            f"blobs/{plain}",
            5,
            4096,
            7,
            0o100644,
        )


def test_where_nobody_waits_for_processes_none_is_started(builder: StoreBuilder, helped: list[int]) -> None:
    """A service manager may have told so: then the number of one that ended could be somebody else's."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert same(look(builder.root)) == same(alone(builder.root))
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert helped == []


def test_a_scan_that_cannot_begin_leaves_no_process(builder: StoreBuilder, helped: list[int]) -> None:
    os.makedirs(f"{builder.root}/.prunella/pins")
    with pytest.raises(OSError, match=r"pins|not a regular file"):
        look(builder.root)
    assert all(map(is_over, helped))


@pytest.mark.parametrize("mishap", [_killed_at_once, _nothing_to_start])
def test_no_descriptor_stays_open(
    builder: StoreBuilder, helped: list[int], monkeypatch: pytest.MonkeyPatch, mishap: object
) -> None:
    assert callable(mishap)
    mishap(monkeypatch)
    before = len(os.listdir("/dev/fd"))
    look(builder.root)
    assert len(os.listdir("/dev/fd")) == before
