"""Exit codes: scripts rely on them, and a refusal leaves the store as it was."""

import errno
import os
import signal
import subprocess
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from commandline import DAY, ENVIRONMENT, Result, call, digest_of, make_store, program, run, snapshot_guard
from prunella_core.apply import Disk
from prunella_core.sample import StoreBuilder
from prunella_core.store.access import lock
from prunella_core.store.locate import locate
from stores import open_store, tree

LIBRARY = "manifests/registry.ollama.ai/library"
as_a_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


def ends(result: Result, code: int, *words: str) -> bool:
    """Whether a run ended with this exit code and one line on stderr, which has all the words."""
    lines = result.complaint.splitlines()
    is_one = len(lines) == 1 and lines[0].startswith("prunella: ")
    return result.code == code and is_one and all(word in lines[0] for word in words)


# 0: done


@pytest.mark.parametrize("arguments", [("rm", "base", "-n"), ("prune", "--age", "0", "--all", "-n")])
def test_a_dry_run_changes_nothing(builder: StoreBuilder, arguments: tuple[str, ...]) -> None:
    with snapshot_guard(builder.root):
        result = call(*arguments, store=builder.root)
    assert (result.code, result.err) == (0, b"")


def test_nothing_to_prune_is_done(builder: StoreBuilder) -> None:
    result = call("prune", "--age", "90d", store=builder.root)
    assert result.code == 0
    assert "Nothing to delete" in result.text
    assert "Too recent: 3 blobs" in result.text


def test_prune_removes_what_nothing_needs(builder: StoreBuilder) -> None:
    before = set(tree(builder.root))
    result = call("prune", "--yes", store=builder.root)
    assert (result.code, result.err) == (0, b"")
    gone = before - set(tree(builder.root))
    assert {Path(path).name.partition("-")[0] for path in gone} == {"sha256", "COPY123"}
    assert len(gone) == 5
    assert "as planned, 5 files deleted" in result.text


def test_rm_removes_a_model_and_keeps_what_others_use(builder: StoreBuilder) -> None:
    assert call("rm", "Derived", "-y", store=builder.root).code == 0
    listed = call("ls", "--json", store=builder.root).document
    assert [model["name"] for model in listed["models"]] == ["base:latest", "team/solo:v1"]
    assert listed["problems"] == []


# 1: failed


def test_an_unknown_model_is_told_with_the_nearest(builder: StoreBuilder) -> None:
    with snapshot_guard(builder.root):
        assert ends(call("rm", "base", "drived", "-y", store=builder.root), 1, "“drived”", "derived:latest")
    assert ends(call("show", "team/sol:v1", store=builder.root), 1, "team/solo:v1")


def test_what_is_not_there_is_not_found(builder: StoreBuilder) -> None:
    assert ends(call("why", "ffffff", store=builder.root), 1, "sha256:ffffff")
    assert ends(call("rm", "blobs/nothing.txt", store=builder.root), 1, "blobs/nothing.txt")
    assert ends(call("rm", f"{LIBRARY}/x/y", store=builder.root), 1, f"{LIBRARY}/x/y")


@pytest.mark.parametrize("command", ["ls", "doctor", "prune"])
def test_no_store(tmp_path: Path, command: str) -> None:
    assert ends(call(command, store=str(tmp_path / "none")), 1, "no model store at")
    assert ends(call(command, store=str(tmp_path)), 1, "neither blobs/ nor manifests/")
    Path(tmp_path, "file").write_text("x")
    assert ends(call(command, store=str(tmp_path / "file")), 1, "is a file")


def test_output_that_cannot_be_written(builder: StoreBuilder) -> None:
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [*program(), "--store", builder.root, "ls"],
            env=ENVIRONMENT,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == b"prunella: cannot write the output: No space left on device\n"


@pytest.mark.parametrize("environment", [{}, {"PYTHONUNBUFFERED": "1"}])
@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_reader_that_has_seen_enough(
    builder: StoreBuilder, flags: tuple[str, ...], environment: dict[str, str]
) -> None:
    for number in range(3_000):
        builder.file(f"blobs/COPY{number}", "x", age=DAY)
    process = subprocess.Popen(
        [*program(), "--store", builder.root, "blobs", *flags],
        env={**ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stderr
    process.stdout.read(1)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


# 2: usage


def test_what_cannot_be_understood(builder: StoreBuilder) -> None:
    assert ends(call("prune", "--age", "nonsense", store=builder.root), 2, "invalid age “nonsense”", "7d")
    assert ends(call("--retention", "soon", "prune", store=builder.root), 2, "invalid age “soon”")
    assert ends(call("why", "xyz", store=builder.root), 2, "invalid digest")
    assert ends(call("why", "sha256:../../x", store=builder.root), 2, "invalid digest")
    assert ends(call("show", "a b", store=builder.root), 2, "invalid model name")
    assert ends(call("rm", store=builder.root), 2, "NAME", "prunella rm --help")
    assert ends(call("ls", "--nonsense", store=builder.root), 2, "--nonsense", "prunella ls --help")
    assert ends(call("nonsense", store=builder.root), 2, "nonsense", "prunella --help")
    assert ends(call("blobs", "--state", "lost", store=builder.root), 2, "'unreferenced'")
    assert ends(call("prune", "--class", "everything", store=builder.root), 2, "'leftover'")


def test_the_application_wants_a_terminal(builder: StoreBuilder) -> None:
    with patch("prunella_tui.app.app.run_app", side_effect=AssertionError):
        assert ends(call(store=builder.root), 2, "terminal", "prunella ls")
        assert ends(call("demo"), 2, "terminal")


def test_an_ambiguous_prefix(builder: StoreBuilder) -> None:
    for digit in "01":
        builder.file(f"blobs/sha256-abcdef{digit}{'0' * 57}", age=DAY)
    with snapshot_guard(builder.root):
        assert ends(call("rm", "abcdef", "-y", store=builder.root), 2, "ambiguous", "2 blobs")
        assert ends(call("why", "sha256:abcdef", store=builder.root), 2, "ambiguous")
    assert call("why", "abcdef1", store=builder.root).code == 0


def test_a_few_hexadecimal_digits_are_a_digest_unless_they_are_a_name(builder: StoreBuilder) -> None:
    builder.file(f"blobs/sha256-{'abcdef' * 10}0000", age=DAY)
    assert ends(call("rm", "abcde", "-y", store=builder.root), 1, "no model “abcde”")
    assert call("rm", "ABCDEF", "-n", "--json", store=builder.root).document["models"] == []
    builder.model("abcdef", age=DAY)
    assert call("rm", "ABCDEF", "-n", "--json", store=builder.root).document["models"] == ["abcdef:latest"]
    digest = call("rm", "sha256:abcdef", "-n", "--json", store=builder.root).document["files"][0]["digest"]
    assert digest == f"sha256:{'abcdef' * 10}0000"


# 3: refused, and nothing changed


@pytest.mark.parametrize("arguments", [("rm", "base"), ("prune",), ("prune", "--json")])
def test_without_a_terminal_it_needs_yes(builder: StoreBuilder, arguments: tuple[str, ...]) -> None:
    with snapshot_guard(builder.root):
        assert ends(call(*arguments, store=builder.root), 3, "--yes")


def test_a_blob_that_a_model_needs_stays(builder: StoreBuilder) -> None:
    layers = call("show", "base", "--json", store=builder.root).document["layers"]
    weights = next(layer["digest"] for layer in layers if layer["kind"] == "weights")
    with snapshot_guard(builder.root):
        assert ends(call("rm", weights, "-y", store=builder.root), 3, "base:latest, derived:latest")
        assert ends(call("rm", weights, "base", "-y", store=builder.root), 3, "used by derived:latest")
    assert call("rm", weights, "base", "derived", "-y", store=builder.root).code == 0


def test_a_prune_that_is_blocked_and_does_nothing(builder: StoreBuilder) -> None:
    builder.manifest("broken", "{")
    with snapshot_guard(builder.root):
        result = call("prune", "--class", "unreferenced", "-y", store=builder.root)
    assert ends(result, 3, f"{LIBRARY}/broken/latest", "prunella doctor")


def test_a_blob_that_was_just_written_needs_force(builder: StoreBuilder) -> None:
    young = builder.layer("weights", "young")
    with snapshot_guard(builder.root):
        assert ends(call("rm", young.digest, "-y", store=builder.root), 3, "last 10 minutes", "--force")
    assert call("rm", young.digest, "-y", "--force", store=builder.root).code == 0
    assert not os.path.exists(builder.blob_path(young.digest))


def test_a_folder_in_blobs_is_somebodys_own(builder: StoreBuilder) -> None:
    builder.file("blobs/folder/file")
    with snapshot_guard(builder.root):
        assert ends(call("rm", "blobs/folder", "-y", store=builder.root), 3, "a folder")


def test_another_prunella_is_at_work(builder: StoreBuilder) -> None:
    with lock(open_store(builder.root)), snapshot_guard(builder.root):
        assert ends(call("rm", "base", "-y", store=builder.root), 3, "another Prunella")


def test_a_store_that_was_only_found_among_several(tmp_path: Path) -> None:
    first, second = make_store(tmp_path / ".ollama/models"), make_store(tmp_path / "var/lib/ollama")
    found = partial(locate, machine=str(tmp_path))
    with patch("prunella_tui.cli.session.locate", found), snapshot_guard(first.root):
        assert ends(call("prune", environment={"HOME": str(tmp_path)}), 3, "several stores", second.root)
        assert call("prune", "-n", environment={"HOME": str(tmp_path)}).code == 0
        assert "Several stores found. Pick one: --store DIR" in call("doctor", environment={"HOME": str(tmp_path)}).text


@as_a_user
def test_a_store_of_somebody_else_is_refused_before_any_question(builder: StoreBuilder) -> None:
    os.chmod(os.path.join(builder.root, "blobs"), 0o555)
    result = call("rm", "base", store=builder.root)
    os.chmod(os.path.join(builder.root, "blobs"), 0o755)
    assert ends(result, 3, "you may not write there")


# 4: partly done


class _Stubborn(Disk):
    """Will not move the files whose path has this in it."""

    def __init__(self, part: str) -> None:
        self.part = part

    def move(self, source: str, target: str) -> None:
        if self.part in source and ".prunella" not in source:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM), source)
        super().move(source, target)


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_file_that_cannot_be_removed(builder: StoreBuilder, flags: tuple[str, ...]) -> None:
    with patch("prunella_core.apply.Disk", lambda: _Stubborn("COPY123")):
        result = call("prune", "-y", *flags, store=builder.root)
    assert result.code == 4
    assert os.path.exists(os.path.join(builder.root, "blobs/COPY123"))
    if flags:
        assert result.document["done"] is False
        assert [error["path"] for error in result.document["errors"]] == ["blobs/COPY123"]
    else:
        assert "blobs/COPY123: cannot be removed: Operation not permitted" in result.text
        assert "planned, 4 files deleted" in result.text


def test_a_prune_of_which_a_part_is_blocked_does_the_rest(builder: StoreBuilder) -> None:
    builder.manifest("broken", "{")
    unreferenced = digest_of(builder.root, "unreferenced")
    result = call("prune", "-y", store=builder.root)
    assert result.code == 4
    assert os.path.exists(builder.blob_path(f"sha256:{unreferenced}"))
    assert not os.path.exists(os.path.join(builder.root, "blobs/COPY123"))


def test_rm_beside_a_broken_manifest_keeps_the_blobs(builder: StoreBuilder) -> None:
    builder.manifest("broken", "{")
    blobs = [path for path in tree(builder.root) if path.startswith("blobs/")]
    result = call("rm", "--now", "team/solo:v1", "-y", store=builder.root)
    assert result.code == 4
    assert set(blobs) <= set(tree(builder.root))
    assert "team/solo/v1" not in str(tree(builder.root))
    assert "blobs are kept until you fix this" in result.text


def test_rm_of_something_old_and_something_young(builder: StoreBuilder) -> None:
    young = builder.layer("weights", "young")
    assert call("rm", "derived", young.digest, "-y", store=builder.root).code == 4
    assert os.path.exists(builder.blob_path(young.digest))


# 130: interrupted


class _Interrupted(Disk):
    """The user presses Ctrl-C while the first file is moved."""

    def move(self, source: str, target: str) -> None:
        if ".prunella" not in source:
            os.kill(os.getpid(), signal.SIGINT)
        super().move(source, target)


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_an_interrupted_removal_is_undone(builder: StoreBuilder, flags: tuple[str, ...]) -> None:
    handler = signal.getsignal(signal.SIGINT)
    with patch("prunella_core.apply.Disk", _Interrupted), snapshot_guard(builder.root):
        result = call("rm", "base", "-y", *flags, store=builder.root)
    assert result.code == 130
    assert signal.getsignal(signal.SIGINT) is handler
    assert "Cancelled: nothing was changed" in result.text or result.document["cancelled"]


def test_what_a_killed_run_left_is_put_right_first(builder: StoreBuilder) -> None:
    aside = Path(builder.root, ".prunella/staging/20260101T000000-abcdef")
    aside.joinpath(LIBRARY, "base").mkdir(parents=True)
    os.rename(Path(builder.root, LIBRARY, "base/latest"), aside / LIBRARY / "base/latest")
    assert call("doctor", "--json", store=builder.root).document["unfinished"] is True
    assert call("ls", "--json", store=builder.root).document["totals"]["models"] == 2
    result = call("rm", "base", "-y", "--json", store=builder.root)
    assert (result.code, result.document["models"]) == (0, ["base:latest"])
    assert "finished or undone" in result.complaint
    assert call("doctor", "--json", store=builder.root).document["unfinished"] is False


# Stores that are not whole


def test_without_blobs(builder: StoreBuilder) -> None:
    os.rename(os.path.join(builder.root, "blobs"), os.path.join(builder.root, "aside"))
    listed = call("ls", "--json", store=builder.root).document
    assert "no-blobs" in {problem["kind"] for problem in listed["problems"]}
    assert call("ls", store=builder.root).code == 0
    assert call("blobs", store=builder.root).code == 0


def test_without_manifests_nothing_is_pruned(builder: StoreBuilder) -> None:
    os.rename(os.path.join(builder.root, "manifests"), os.path.join(builder.root, "aside"))
    assert "0 models" in call("ls", store=builder.root).text
    with snapshot_guard(builder.root):
        result = call("prune", "--class", "unreferenced", "--age", "0", "-y", store=builder.root)
    assert ends(result, 3, "no manifests/ folder")


def test_an_empty_store(tmp_path: Path) -> None:
    root = StoreBuilder(str(tmp_path / "models"), 0).root
    assert call("ls", store=root).code == 0
    assert call("df", store=root).code == 0
    assert "No such blobs" in call("blobs", store=root).text
    assert "Nothing to delete" in call("prune", "-y", store=root).text


def test_a_damaged_manifest_goes_by_name_or_path(builder: StoreBuilder) -> None:
    builder.manifest("broken", "{").manifest("hollow", "")
    result = call("rm", "broken", f"{LIBRARY}/hollow/latest", "-y", "--json", store=builder.root)
    assert {file["path"] for file in result.document["files"]} == {
        f"{LIBRARY}/broken/latest",
        f"{LIBRARY}/hollow/latest",
    }
    assert result.code == 0
    assert call("ls", "--json", store=builder.root).document["problems"] == []


def test_the_version() -> None:
    result = run("--version")
    assert result.code == 0
    assert result.text.startswith("prunella 0.")
