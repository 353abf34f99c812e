"""The guard on the command line: on, off, status, run, and the timer; and a swap of two versions."""

import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from commandline import call
from ollama_rules import Ollama
from prunella_core.store import Store
from prunella_core.store.locate import locate
from prunella_tui.cli.guard import install, timer_for, uninstall
from stores import LATER_ENOUGH, facts, look, of_ollama, small_store


@pytest.fixture
def root(tmp_path: Path) -> str:
    return small_store(tmp_path / "store").root


def test_on_run_off_and_back(root: str) -> None:
    before = of_ollama(root)
    assert call("guard", "status", store=root).text.startswith("The guard is off\n")
    on = call("guard", "on", "--keep", "3d", "--max-size", "5GB", "--min-free", "0%", "--json", store=root).document
    assert (on["on"], on["models"], on["blobs"], on["entries"], on["rescued"]) == (True, 3, 7, [], [])
    assert on["settings"] == {"keep": 259_200, "max_size": 5_000_000_000, "min_free": 0}

    Ollama(root).rm("derived")
    run = call("guard", "run", store=root)
    assert run.code == 0
    assert "Rescued derived:latest, deleted by Ollama" in run.text
    entry = call("trash", "--json", store=root).document["entries"][0]
    assert (entry["removed_by"], entry["cause"], entry["models"]) == ("ollama", "deleted", ["derived:latest"])
    assert "derived:latest (deleted by Ollama)" in call("trash", store=root).text
    assert call("restore", "derived", store=root).code == 0
    assert of_ollama(root) == before

    assert call("guard", "off", "--json", store=root).document["on"] is False
    assert of_ollama(root) == before
    assert not os.path.exists(f"{root}/.prunella/guard")
    refused = call("guard", "run", store=root)
    assert (refused.code, "guard is off" in refused.complaint) == (3, True)


def test_every_command_that_changes_the_store_rescues_first(root: str) -> None:
    call("guard", "on", store=root)
    Ollama(root).rm("derived")
    assert call("restore", "derived", store=root).code == 0
    assert "derived:latest" in look(root).model_by_name


def test_a_version_that_a_pull_replaced_changes_places_with_the_present_one(root: str) -> None:
    call("guard", "on", store=root)
    first = look(root).model_by_name["team/solo:v1"].digest
    Ollama(root).pull("team/solo:v1", ["new weights", "new config"])
    second = look(root).model_by_name["team/solo:v1"].digest
    call("guard", "run", store=root, now=LATER_ENOUGH)

    refused = call("restore", "team/solo:v1", store=root, now=LATER_ENOUGH)
    assert (refused.code, "--as" in refused.complaint) == (3, True)
    assert call("restore", "team/solo:v1", "--swap", "-n", store=root, now=LATER_ENOUGH).code == 0
    assert look(root).model_by_name["team/solo:v1"].digest == second
    assert call("restore", "team/solo:v1", "--swap", store=root, now=LATER_ENOUGH).code == 0
    assert look(root).model_by_name["team/solo:v1"].digest == first
    assert {model.digest for entry in look(root).trash for model in entry.models} == {second}


def test_bad_values_change_nothing(root: str) -> None:
    before = facts(root)
    for wrong in (["--keep", "soon"], ["--max-size", "much"], ["--min-free", "200%"]):
        assert call("guard", "on", *wrong, store=root).code == 2
    assert facts(root) == before


def test_the_timer_is_shown_written_started_and_removed(
    tmp_path: Path, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub, said = tmp_path / "bin/systemctl", tmp_path / "said"
    stub.parent.mkdir()
    stub.write_text(f'#!/bin/sh\necho "$@" >> {said}\n')
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", str(stub.parent), prepend=os.pathsep)
    store = Store(root=root, why="test", owner="ollama", writable=True)
    timer = timer_for(store, is_root=False, home=str(tmp_path / "home"))
    install(timer.files, timer.start)
    service, unit = (Path(path) for path in timer.files)
    assert f'"--store" "{root}" "guard" "run"' in service.read_text()
    assert "User=" not in service.read_text()
    assert "OnCalendar=*:0/15" in unit.read_text()
    assert said.read_text().splitlines() == ["--user daemon-reload", f"--user enable --now {unit.name}"]
    assert uninstall(list(timer.files), timer.stop)
    assert not uninstall(list(timer.files), timer.stop)
    assert not unit.exists()
    assert "User=ollama" in "".join(timer_for(store, is_root=True, home="/").files.values())


def test_the_agent_of_launchd(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    timer = timer_for(Store(root=f"{root}/<&>", why="test", owner="me", writable=True), is_root=False, home="/Users/me")
    [(path, text)] = timer.files.items()
    agent = plistlib.loads(text.encode())
    assert path == f"/Users/me/Library/LaunchAgents/{agent['Label']}.plist"
    assert agent["ProgramArguments"][1:] == ["--store", f"{root}/<&>", "guard", "run"]
    assert (agent["StartInterval"], timer.start[0][-1], timer.stop[0][-1]) == (900, path, path)


def test_without_systemd_the_line_for_cron_is_printed(root: str) -> None:
    call("guard", "on", store=root)
    printed = call("guard", "install", store=root, environment={"PATH": "/nonexistent"})
    assert printed.text.startswith("*/15 * * * * ")
    assert printed.text.endswith(f"--store {root} guard run\n")
    assert shutil.which("systemctl") is None or "crontab -e" in printed.complaint


def test_a_timer_wants_a_guard_that_is_on(root: str) -> None:
    assert call("guard", "install", "--yes", store=root).code == 3


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_finds_nothing_wrong_with_roots_units(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: sys.executable)
    odd = shutil.move(root, tmp_path / 'a "store" %i $HOME')
    units = timer_for(locate(str(odd), {}, "/nowhere"), is_root=True, home=str(tmp_path)).files
    paths = [tmp_path / os.path.basename(path) for path in units]
    for path, text in zip(paths, units.values(), strict=True):
        path.write_text(text)
    monkeypatch.undo()
    ended = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
