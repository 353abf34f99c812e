"""Verifying: what is bad is named, what is sound is not read twice, and nothing is changed by looking."""

import errno
import hashlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from msgspec.structs import replace

from prunella_core.inventory.problems import advice
from prunella_core.inventory.records import Blob, Inventory, Problem
from prunella_core.ledger.file import NAME
from prunella_core.ledger.memory import READ_BAD, rescan, scan_store
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import PruneClass
from prunella_core.sample import StoreBuilder
from prunella_core.verify import Bad, Reader, VerifyProgress, VerifyResult, verify_blobs, whole_blobs
from stores import DAY, NOW, Killed, facts, open_store, prune, remove, small_store

WEIGHTS = b"shared weights" * 3_000
HALF = len(WEIGHTS) // 2


class WatchedReader(Reader):
    """The real one; it notes what is opened, and ``watch`` is called before every piece that is read."""

    def __init__(self, watch: Callable[[str], None] = lambda _path: None) -> None:
        self.opened: list[str] = []
        self.watch = watch
        self._paths: dict[int, str] = {}

    def open(self, path: str) -> int:
        self.opened.append(path)
        descriptor = super().open(path)
        self._paths[descriptor] = path
        return descriptor

    def read(self, descriptor: int, buffer: memoryview) -> int:
        self.watch(self._paths[descriptor])
        return super().read(descriptor, buffer[:HALF])


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """``base`` and ``derived`` share weights; ``team/solo:v1`` is alone; one blob is unreferenced."""
    return small_store(tmp_path / "store")


def scanned(builder: StoreBuilder) -> Inventory:
    """The store as any run sees it."""
    return scan_store(open_store(builder.root), NOW)


def verified(builder: StoreBuilder, *keys: str, **options: Any) -> VerifyResult:
    """Verify the whole store, or the rows with these keys."""
    inventory = scanned(builder)
    blobs = [inventory.blob_by_key[key] for key in keys] if keys else whole_blobs(inventory)
    return verify_blobs(inventory, blobs, **options)


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def name(data: bytes) -> str:
    """The path of the blob that has these bytes."""
    return f"blobs/{digest(data).replace(':', '-')}"


def overwrite(builder: StoreBuilder, data: bytes, *, keep_time: bool = False) -> str:
    """Change one byte of the blob that has these bytes, and return the hash that it has now."""
    path = builder.blob_path(digest(data))
    before = os.stat(path)
    changed = b"X" + data[1:]
    Path(path).write_bytes(changed)
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return digest(changed)


def ledger(builder: StoreBuilder) -> Path:
    return Path(builder.root, ".prunella", NAME)


def remembered(builder: StoreBuilder) -> set[str]:
    """The files of which the ledger knows something."""
    with closing(sqlite3.connect(ledger(builder))) as database:
        return {path for (path,) in database.execute("SELECT path FROM verified")}


def found(builder: StoreBuilder, kind: str = "wrong-hash") -> list[Problem]:
    """The problems of one kind that every later look shows."""
    seen = [problem for problem in scanned(builder).problems if problem.kind == kind]
    again = rescan(open_store(builder.root), NOW).problems
    assert seen == [problem for problem in again if problem.kind == kind]
    return seen


# What is found


def test_a_sound_store_is_sound_and_all_of_it_was_read(builder: StoreBuilder) -> None:
    before = facts(builder.root)
    blobs = whole_blobs(scanned(builder))
    result = verified(builder)
    assert (result.checked, result.bytes) == (len(blobs), sum(blob.size for blob in blobs))
    assert (result.bad, result.changed, result.remembered, result.cancelled) == ((), (), 0, False)
    assert facts(builder.root) == before


def test_a_flipped_byte_is_named_with_the_models_that_it_breaks(builder: StoreBuilder) -> None:
    now = overwrite(builder, WEIGHTS)
    result = verified(builder)
    assert result.bad == (
        Bad(
            digest=digest(WEIGHTS),
            path=name(WEIGHTS),
            kind="wrong-hash",
            problem=f"hash is {now}",
            models=("base:latest", "derived:latest"),
        ),
    )
    assert result.checked == len(whole_blobs(scanned(builder)))


def test_a_truncated_blob_has_another_size_than_the_manifest_says(builder: StoreBuilder) -> None:
    os.truncate(builder.blob_path(digest(WEIGHTS)), 10)
    (bad,) = verified(builder).bad
    assert (bad.kind, bad.problem) == ("wrong-size", f"has 10 bytes, but its manifest says {len(WEIGHTS):,}")


def test_a_manifest_with_a_wrong_size_makes_no_sound_blob_bad(builder: StoreBuilder) -> None:
    builder.model("odd", builder.layer("weights", "sound", age=DAY)._replace(size=7), age=DAY)
    assert verified(builder, digest(b"sound")).bad == ()


def test_a_missing_blob_is_not_there(builder: StoreBuilder) -> None:
    os.unlink(builder.blob_path(digest(WEIGHTS)))
    (bad,) = verified(builder).bad
    assert (bad.path, bad.problem, bad.models) == (name(WEIGHTS), "not there", ("base:latest", "derived:latest"))


def test_one_that_somebody_takes_away_meanwhile_is_not_bad_unless_it_is_needed(builder: StoreBuilder) -> None:
    inventory = scanned(builder)
    solo, unused = b"solo weights" * 2_000, b"nobody needs these" * 1_000
    for data in (solo, unused):
        os.unlink(builder.blob_path(digest(data)))
    result = verify_blobs(inventory, whole_blobs(inventory))
    assert [(bad.digest, bad.problem) for bad in result.bad] == [(digest(solo), "not there")]
    assert [check.digest for check in result.changed] == [digest(unused)]


def test_an_unreferenced_blob_is_verified_and_nothing_that_is_no_whole_blob(builder: StoreBuilder) -> None:
    overwrite(builder, b"nobody needs these" * 1_000)
    reader = WatchedReader()
    (bad,) = verified(builder, reader=reader).bad
    assert (bad.digest, bad.models) == (digest(b"nobody needs these" * 1_000), ())
    assert all(len(os.path.basename(path)) == len("sha256-") + 64 for path in reader.opened)


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES])
def test_what_cannot_be_read_is_bad_and_the_reason_named(builder: StoreBuilder, code: int) -> None:
    def fail(path: str) -> None:
        if path.endswith(name(WEIGHTS)):
            raise OSError(code, os.strerror(code), path)

    (bad,) = verified(builder, reader=WatchedReader(fail)).bad
    assert (bad.kind, bad.problem) == ("unreadable-blob", f"cannot be read: {os.strerror(code)}")
    shown = found(builder, "unreadable-blob")
    assert bool(shown) == (code == errno.EIO), "a right that this user lacks says nothing of the blob"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_one_without_the_right_to_read_is_told(builder: StoreBuilder) -> None:
    os.chmod(builder.blob_path(digest(WEIGHTS)), 0)
    (bad,) = verified(builder).bad
    assert bad.problem == "cannot be read: Permission denied"


def test_a_disk_that_ends_a_file_too_early_is_told(builder: StoreBuilder) -> None:
    class Short(Reader):
        def read(self, descriptor: int, buffer: memoryview) -> int:
            return 0

    (bad,) = verified(builder, digest(WEIGHTS), reader=Short()).bad
    assert bad.problem == f"cannot be read: it ended after 0 of its {len(WEIGHTS)} bytes"


# Links, pipes, hard links, the trash


def test_a_link_is_read_through_and_remembered_as_its_target(builder: StoreBuilder, tmp_path: Path) -> None:
    path, outside = builder.blob_path(digest(WEIGHTS)), tmp_path / "elsewhere"
    os.rename(path, outside)
    os.symlink(outside, path)
    assert verified(builder).bad == ()
    assert verified(builder).checked == 0
    outside.write_bytes(b"X" + WEIGHTS[1:])
    (bad,) = verified(builder).bad
    assert (bad.path, bad.kind) == (name(WEIGHTS), "wrong-hash")
    assert {problem.model for problem in found(builder)} == {"base:latest", "derived:latest"}
    outside.write_bytes(b"short")
    (bad,) = verified(builder).bad
    assert bad.kind == "wrong-size"
    assert [problem.kind for problem in scanned(builder).problems] == ["wrong-size"] * 2
    outside.unlink()
    (bad,) = verified(builder).bad
    assert bad.problem == "not there"


@pytest.mark.parametrize("target", ["pipe", "/dev/zero", "folder"])
def test_what_is_no_file_is_never_waited_for(builder: StoreBuilder, tmp_path: Path, target: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    path = builder.blob_path(digest(WEIGHTS))
    os.unlink(path)
    os.symlink(tmp_path / target, path)
    (bad,) = verified(builder, digest(WEIGHTS)).bad
    assert bad.problem == "cannot be read: not a regular file"


def test_hard_links_to_one_file_are_read_once_and_judged_each_by_its_name(builder: StoreBuilder) -> None:
    other = digest(b"another")
    os.link(builder.blob_path(digest(WEIGHTS)), builder.blob_path(other))
    reader = WatchedReader()
    result = verified(builder, digest(WEIGHTS), other, reader=reader)
    assert (len(reader.opened), result.checked, result.bytes) == (1, 2, len(WEIGHTS))
    assert [(bad.digest, bad.problem) for bad in result.bad] == [(other, f"hash is {digest(WEIGHTS)}")]


def test_an_old_name_with_a_colon_is_verified_too(builder: StoreBuilder) -> None:
    path = builder.blob_path(digest(WEIGHTS))
    os.rename(path, path.replace("sha256-", "sha256:"))
    overwrite_path = path.replace("sha256-", "sha256:")
    assert verified(builder).bad == ()
    Path(overwrite_path).write_bytes(b"X" + WEIGHTS[1:])
    (bad,) = verified(builder).bad
    assert bad.path == f"blobs/{digest(WEIGHTS)}"


def test_the_trash_is_read_only_when_it_is_named(builder: StoreBuilder) -> None:
    remove(builder.root, "team/solo:v1")
    inventory = scanned(builder)
    solo = digest(b"solo weights" * 2_000)
    trashed = next(blob for blob in inventory.blobs if blob.digest == solo)
    Path(builder.root, trashed.files[0].path).write_bytes(b"damaged")
    assert verified(builder).bad == ()
    (bad,) = verified(builder, trashed.key).bad
    assert (bad.digest, bad.models) == (solo, ("team/solo:v1",))
    assert found(builder) == []
    assert all(path.startswith("blobs/") for path in remembered(builder))


def test_a_download_in_the_trash_has_no_hash_of_its_own(builder: StoreBuilder) -> None:
    partial = next(blob for blob in scanned(builder).blobs if blob.key.endswith("-partial"))
    remove(builder.root, blobs=(partial.key,))
    rows = [blob for blob in scanned(builder).blobs if blob.removed_at is not None and blob.digest == partial.digest]
    assert rows
    assert not any(blob.has_hash for blob in rows)


# While it is read


@pytest.mark.parametrize("how", ["touched", "longer", "shorter", "written"])
def test_a_file_that_changes_while_it_is_read_is_not_judged(builder: StoreBuilder, how: str) -> None:
    def meddle(path: str) -> None:
        if path.endswith(name(WEIGHTS)):
            if how == "touched":
                os.utime(path, (NOW, NOW))
            elif how == "longer":
                with open(path, "ab") as file:
                    file.write(b"more")
            elif how == "shorter":
                os.truncate(path, HALF)
            else:
                overwrite(builder, WEIGHTS)

    result = verified(builder, reader=WatchedReader(meddle))
    assert result.bad == ()
    assert [check.path for check in result.changed] == [name(WEIGHTS)]
    reader = WatchedReader()
    verified(builder, reader=reader)
    assert [path for path in reader.opened if path.endswith(name(WEIGHTS))], "nothing was remembered of it"


def test_one_that_is_replaced_before_it_is_opened_is_not_judged_by_its_links(builder: StoreBuilder) -> None:
    path, other = builder.blob_path(digest(WEIGHTS)), digest(b"another")
    os.link(path, builder.blob_path(other))

    class Replacing(Reader):
        def open(self, path: str) -> int:
            os.unlink(path)
            Path(path).write_bytes(b"another")
            return super().open(path)

    result = verified(builder, digest(WEIGHTS), other, reader=Replacing())
    assert result.bad == ()
    assert len(result.changed) == 2


@pytest.mark.usefixtures("atime")
def test_the_atime_stays_where_the_system_allows(builder: StoreBuilder) -> None:
    inventory = scanned(builder)
    paths = [builder.blob_path(blob.digest or "") for blob in whole_blobs(inventory)]
    for path in paths:
        os.utime(path, (NOW - DAY, NOW - DAY))
    probe = Path(builder.root, "blobs/README.txt")
    os.utime(probe, (NOW - DAY, NOW - DAY))
    probe.read_bytes()
    if not hasattr(os, "O_NOATIME") or os.stat(probe).st_atime == NOW - DAY:
        pytest.skip("reading leaves no trace on this mount, or on this system always one")
    before = [(status.st_atime_ns, status.st_ctime_ns) for status in map(os.stat, paths)]
    assert verify_blobs(inventory, whole_blobs(inventory)).checked == len(paths)
    assert [(status.st_atime_ns, status.st_ctime_ns) for status in map(os.stat, paths)] == before


def test_where_the_atime_may_not_be_spared_it_is_read_all_the_same(
    builder: StoreBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_the_owner(path: str, flags: int, *rest: Any, real: Any = os.open, **more: Any) -> int:
        if flags & getattr(os, "O_NOATIME", 0):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)
        return int(real(path, flags, *rest, **more))

    monkeypatch.setattr("prunella_core.verify.os.open", not_the_owner)
    assert verified(builder, digest(WEIGHTS)).bad == ()


def test_progress_counts_what_is_read(builder: StoreBuilder) -> None:
    seen: list[VerifyProgress] = []
    result = verified(builder, report=seen.append)
    last = seen[-1]
    assert (last.files, last.bytes) == (last.of_files, last.of_bytes) == (result.checked, result.bytes)
    assert last.share == 1.0
    assert VerifyProgress(0, 10, 0, 10).share == 0.0
    assert VerifyProgress(5, 10, 0, 0).share == 0.5, "many files that hold nothing take their time too"
    assert VerifyProgress(0, 0, 0, 0).share == 0.0


# What is remembered


def test_a_second_run_reads_nothing(builder: StoreBuilder) -> None:
    first = verified(builder)
    reader = WatchedReader()
    second = verified(builder, reader=reader)
    assert reader.opened == []
    assert (second.checked, second.bytes, second.remembered, second.bad) == (0, 0, first.checked, ())


def test_only_again_finds_what_left_no_trace(builder: StoreBuilder) -> None:
    verified(builder)
    overwrite(builder, WEIGHTS, keep_time=True)
    assert verified(builder).bad == ()
    (bad,) = verified(builder, again=True).bad
    assert bad.digest == digest(WEIGHTS)
    (bad,) = verified(builder).bad
    assert bad.digest == digest(WEIGHTS), "from then on it is known"


@pytest.mark.parametrize("change", ["time", "size", "inode"])
def test_a_file_that_changed_is_read_again(builder: StoreBuilder, change: str) -> None:
    verified(builder)
    path = builder.blob_path(digest(WEIGHTS))
    before = os.stat(path)
    if change == "inode":
        os.rename(path, f"{path}.old")
        Path(path).write_bytes(WEIGHTS)
    elif change == "size":
        os.truncate(path, 5)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + (change == "time")))
    reader = WatchedReader()
    verified(builder, reader=reader)
    assert reader.opened == [path]


def test_a_cancelled_run_keeps_what_it_verified_and_the_next_goes_on(builder: StoreBuilder) -> None:
    reader = WatchedReader()
    whole = len(whole_blobs(scanned(builder)))
    first = verified(builder, reader=reader, cancelled=lambda: len(reader.opened) > 3)
    assert first.cancelled
    assert 0 < first.checked < whole
    assert (first.bad, first.changed) == ((), ())
    second = verified(builder)
    assert (second.remembered, second.checked) == (first.checked, whole - first.checked)
    assert not second.cancelled


def test_one_that_is_cancelled_at_once_reads_nothing(builder: StoreBuilder) -> None:
    reader = WatchedReader()
    result = verified(builder, reader=reader, cancelled=lambda: True)
    assert (reader.opened, result.checked, result.cancelled) == ([], 0, True)


def test_a_killed_run_has_saved_what_it_verified(builder: StoreBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prunella_core.verify._SAVE_FILES", 1)
    killed = Event()

    class Waiting(WatchedReader):
        def open(self, path: str) -> int:
            if len(self.opened) >= 3:
                killed.wait(20)
            return super().open(path)

    seen: list[VerifyProgress] = []

    def die_after_a_batch(progress: VerifyProgress) -> None:
        if seen and seen[-1].files:
            killed.set()
            raise Killed
        seen.append(progress)

    with pytest.raises(Killed):
        verified(builder, reader=Waiting(), report=die_after_a_batch)
    assert verified(builder).remembered >= seen[-1].files > 0


def test_what_is_gone_for_good_is_forgotten_and_what_is_in_the_trash_is_not(builder: StoreBuilder) -> None:
    verified(builder)
    remove(builder.root, "team/solo:v1")
    os.unlink(builder.blob_path(digest(b"nobody needs these" * 1_000)))
    verified(builder)
    paths = remembered(builder)
    assert name(b"solo weights" * 2_000) in paths
    assert name(b"nobody needs these" * 1_000) not in paths


# What later runs show of it


def test_a_bad_blob_is_a_problem_of_each_model_that_needs_it(builder: StoreBuilder) -> None:
    now = overwrite(builder, WEIGHTS)
    verified(builder)
    problems = found(builder)
    assert [(problem.model, problem.path, problem.blocks_prune) for problem in problems] == [
        ("base:latest", name(WEIGHTS), False),
        ("derived:latest", name(WEIGHTS), False),
    ]
    assert problems[0].message == f"the weights blob of base:latest is damaged: hash is {now}"
    assert f"mv {builder.root}/{name(WEIGHTS)} /tmp/" in advice(problems[0], builder.root).fix
    inventory = scanned(builder)
    assert inventory.blocking == ()
    assert make_plan(inventory, prune(0, *PruneClass), NOW).blocked == ()


def test_a_bad_blob_that_nothing_needs_is_a_problem_of_its_own(builder: StoreBuilder) -> None:
    data = b"nobody needs these" * 1_000
    overwrite(builder, data)
    verified(builder)
    (problem,) = found(builder)
    assert (problem.model, problem.path) == (None, name(data))


def test_what_every_scan_sees_by_itself_is_told_once(builder: StoreBuilder) -> None:
    os.truncate(builder.blob_path(digest(WEIGHTS)), 10)
    before = scanned(builder).problems
    assert verified(builder).bad
    assert scanned(builder).problems == before


@pytest.mark.parametrize("fix", ["a later verification", "another file", "its removal"])
def test_a_problem_goes_when_it_is_fixed(builder: StoreBuilder, fix: str) -> None:
    path = builder.blob_path(digest(WEIGHTS))
    overwrite(builder, WEIGHTS, keep_time=True)
    verified(builder)
    assert found(builder)
    if fix == "a later verification":  # the disk gave other bytes then, and the file is the same
        status = os.stat(path)
        Path(path).write_bytes(WEIGHTS)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert found(builder)
        assert verified(builder).bad == ()
    elif fix == "another file":
        Path(path).write_bytes(WEIGHTS)
    else:
        os.unlink(path)
    assert found(builder) == []


def test_other_numbers_of_devices_after_a_restart_hide_nothing_bad_and_vouch_for_nothing(
    builder: StoreBuilder,
) -> None:
    overwrite(builder, WEIGHTS)
    first = verified(builder)
    with closing(sqlite3.connect(ledger(builder))) as database, database:
        database.execute("UPDATE verified SET identity = '9' || identity")
    assert len(found(builder)) == 2
    assert verified(builder).checked == first.checked


def test_a_survey_reads_only_what_is_bad_of_what_was_verified(builder: StoreBuilder) -> None:
    overwrite(builder, WEIGHTS)
    verified(builder)
    with closing(sqlite3.connect(ledger(builder))) as database:
        (step,) = database.execute(f"EXPLAIN QUERY PLAN {READ_BAD}")
    assert "verified_bad" in step[3]


def test_a_survey_writes_nothing_of_what_was_verified(builder: StoreBuilder) -> None:
    verified(builder)
    before = ledger(builder).read_bytes()
    scanned(builder)
    assert ledger(builder).read_bytes() == before


# A ledger that is not as it should be


CHANGES = [
    "UPDATE verified SET identity = 'nonsense'",
    "UPDATE verified SET identity = x'00ff'",
    "UPDATE verified SET identity = '1 2 3'",
    "UPDATE verified SET kind = 'unheard of', problem = 'x'",
    "UPDATE verified SET kind = 1, problem = NULL",
    "UPDATE verified SET path = '../../etc/passwd' WHERE path = (SELECT max(path) FROM verified)",
    "DROP TABLE verified",
    "DROP TABLE verified; CREATE TABLE verified (other TEXT)",
    "DROP TABLE verified; CREATE VIEW verified AS SELECT 1 AS path, 2 AS identity, 'x' AS kind, 4 AS problem",
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_ledger_that_says_something_odd_harms_nothing(builder: StoreBuilder, change: str) -> None:
    overwrite(builder, WEIGHTS)
    whole = verified(builder).checked
    with closing(sqlite3.connect(ledger(builder))) as database:
        database.executescript(change)
    for problem in (*rescan(open_store(builder.root), NOW).problems, *scanned(builder).problems):
        assert advice(problem, builder.root)
    result = verified(builder)
    assert [bad.digest for bad in result.bad] == [digest(WEIGHTS)]
    assert result.checked + result.remembered == whole


@pytest.mark.parametrize("damage", [b"no database" * 500, b"", bytes(8_192)], ids=["text", "empty", "zeros"])
def test_a_damaged_ledger_means_no_memory(builder: StoreBuilder, damage: bytes) -> None:
    whole = verified(builder).checked
    ledger(builder).write_bytes(damage)
    inventory = rescan(open_store(builder.root), NOW)
    assert verify_blobs(inventory, whole_blobs(inventory)).checked == whole
    verified(builder)
    assert verified(builder).checked == 0


def test_one_that_somebody_else_writes_means_no_memory(builder: StoreBuilder) -> None:
    inventory = scanned(builder)
    with closing(sqlite3.connect(ledger(builder), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        result = verify_blobs(inventory, whole_blobs(inventory))
        other.execute("ROLLBACK")
    assert (result.bad, result.remembered) == ((), 0)
    assert verified(builder).checked == result.checked


@pytest.mark.parametrize("named", [True, False])
def test_a_store_that_is_not_to_be_changed_is_only_read(builder: StoreBuilder, named: bool) -> None:
    store = replace(open_store(builder.root), named=named, writable=not named)
    inventory = scan_store(store, NOW)
    before = facts(builder.root)
    assert verify_blobs(inventory, whole_blobs(inventory)).bad == ()
    assert facts(builder.root) == before
    assert not ledger(builder).exists()


def blobs_of(inventory: Inventory, model: str) -> list[Blob]:
    return inventory.blobs_of(inventory.model_by_name[model])


def test_models_that_share_are_read_once_over_both(builder: StoreBuilder) -> None:
    inventory = scanned(builder)
    first = verify_blobs(inventory, blobs_of(inventory, "base:latest"))
    second = verify_blobs(inventory, blobs_of(inventory, "derived:latest"))
    assert (first.checked, second.checked, second.remembered) == (3, 2, 2)
