"""When models were used, from Ollama's log: in lists and proposals, in the background, and not at all."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from commandline import DAY, ENVIRONMENT, HOUR, call, make_store, program, run
from ollama_logs import Journal, by_llama_server, log_file, said, start, weights_of
from prunella_core.sample import StoreBuilder

SOLO = "team/solo:v1"
READS = {"PRUNELLA_NO_LOG": ""}


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """Models of 30 days; one was loaded three times, last a day and an hour ago."""
    builder = make_store(tmp_path / "home" / "models")
    now = time.time()
    path = weights_of(builder, SOLO)
    loads = (by_llama_server(now - days * DAY - HOUR, path) for days in (9, 4, 1))
    log_file(builder, start(now - 10 * DAY, builder.root) + "".join(loads), at=now)
    return builder


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy this machine is, a list in this process has the time that it takes."""
    monkeypatch.setattr("prunella_tui.cli.see.SHOWING", 60.0)
    monkeypatch.setattr("prunella_tui.cli.removing.DELETING", 60.0)


def used(builder: StoreBuilder, *arguments: str, **environment: str) -> tuple[str | None, int | None, str]:
    """What ``ls`` says of the model that was loaded."""
    result = call(*arguments, "ls", "solo", "--json", store=builder.root, environment={**READS, **environment})
    assert result.code == 0, result
    (row,) = result.document["models"]
    return row["last_used"], row["loads"], row["age_from"]


def test_lists_say_when_a_model_was_loaded(builder: StoreBuilder) -> None:
    at, loads, clock = used(builder)
    assert (loads, clock) == (3, "loaded-in-log")
    assert at is not None
    assert call("ls", "-q", "unused<2d", store=builder.root, environment=READS).text == f"{SOLO}\n"


def test_the_details_say_it_in_words(builder: StoreBuilder) -> None:
    shown = call("show", SOLO, store=builder.root, environment=READS).text
    day = time.strftime("%A", time.gmtime(time.time() - DAY - HOUR))
    assert f"loaded 3 times, last {day}" in " ".join(shown.split())


def test_what_was_read_once_is_known_without_the_log(builder: StoreBuilder) -> None:
    before = used(builder)
    (Path(builder.root).parent / "logs" / "server.log").unlink()
    assert used(builder) == used(builder, PRUNELLA_NO_LOG="1") == before


@pytest.mark.parametrize("how", ["before", "after", "variable", "configuration"])
def test_the_log_is_not_read_where_that_is_said(builder: StoreBuilder, tmp_path: Path, how: str) -> None:
    (tmp_path / "prunella").mkdir()
    (tmp_path / "prunella" / "config.toml").write_text("log = false\n" if how == "configuration" else "")
    environment = {"XDG_CONFIG_HOME": str(tmp_path), "PRUNELLA_NO_LOG": "1" if how == "variable" else ""}
    before, after = (["--no-log"] if how == place else [] for place in ("before", "after"))
    result = call(*before, "ls", "solo", "--json", *after, store=builder.root, environment=environment)
    assert [row["loads"] for row in result.document["models"]] == [None]
    assert used(builder)[1] == 3


def test_a_configuration_says_true_or_false(builder: StoreBuilder, tmp_path: Path) -> None:
    (tmp_path / "prunella").mkdir()
    (tmp_path / "prunella" / "config.toml").write_text('log = "no"\n')
    result = call("ls", store=builder.root, environment={"XDG_CONFIG_HOME": str(tmp_path)})
    assert result.code == 2
    assert "log must be true or false" in result.complaint


def test_free_and_prune_take_what_the_log_does_not_name(builder: StoreBuilder) -> None:
    pruned = call("prune", "--all", "--age", "20d", "--dry-run", "--json", store=builder.root, environment=READS)
    assert set(pruned.document["models"]) == {"base:latest", "derived:latest"}
    proposed = call("free", "900kB", "--also-local", "--dry-run", "--json", store=builder.root, environment=READS)
    reasons = {item["key"]: item["reason"] for item in proposed.document.get("items", ())}
    assert "not used for 1 day" in reasons.get(SOLO, "not used for 1 day")


def test_a_list_does_not_wait_for_a_journal_that_does_not_come(builder: StoreBuilder, tmp_path: Path) -> None:
    (tmp_path / "home" / "logs" / "server.log").unlink()
    journal = Journal(tmp_path / "bin")
    at = time.time() - 60
    journal.write([(at, by_llama_server(at, weights_of(builder, SOLO)))])
    slow = 'while [ ! -e "$0.may-go" ]; do sleep 0.01; done\n'
    journal.program.write_text(journal.program.read_text().replace("cursor=\n", slow + "cursor=\n", 1))
    environment = {**ENVIRONMENT, **READS, "PATH": journal.path}
    command = [*program(), "--store", builder.root, "ls", "--json"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        shown = b"".join(iter(child.stdout.readline, b"}\n"))
        assert b'"loads":null' in shown
        Path(f"{journal.program}.may-go").touch()
        child.communicate()
    assert child.returncode == 0
    assert used(builder, PATH=journal.path)[1] == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes the owner of a store")
def test_root_reads_the_journal_that_the_owner_of_the_store_may_not() -> None:
    with tempfile.TemporaryDirectory(prefix="prunella-root-", dir="/tmp") as folder:  # where the owner may go
        os.chmod(folder, 0o755)
        builder, journal = make_store(f"{folder}/models"), Journal(Path(folder) / "bin")
        at = time.time() - 60
        journal.write([(at, by_llama_server(at, weights_of(builder, SOLO)))])
        journal.folder.chmod(0o700)
        for path in (builder.root, *(str(path) for path in Path(builder.root).rglob("*"))):
            os.lchown(path, 12_345, 12_345)
        first = run("ls", store=builder.root, environment={**READS, "PATH": journal.path})
        assert first.code == 0
        later = run("ls", "solo", "--json", store=builder.root)
        assert [row["loads"] for row in later.document["models"]] == [1]
        assert os.stat(f"{builder.root}/.prunella/ledger.sqlite").st_uid == 12_345


def test_an_export_is_shown_without_a_log(builder: StoreBuilder, tmp_path: Path) -> None:
    exported = call("export", str(tmp_path / "there.json"), store=builder.root)
    assert exported.code == 0
    result = run("--import", str(tmp_path / "there.json"), "ls", "--json", environment=READS)
    assert {row["loads"] for row in result.document["models"]} == {None}


def test_nothing_is_left_in_a_store_of_others(builder: StoreBuilder, tmp_path: Path) -> None:
    os.rename(tmp_path / "home" / "logs", tmp_path / "logs")
    result = call("ls", "--json", store=builder.root, environment={**READS, "HOME": str(tmp_path)})
    assert {row["loads"] for row in result.document["models"]} == {None}
    log_file(builder, said(time.time(), 'msg="hello"'))
    assert used(builder)[1] is None
