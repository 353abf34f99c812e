"""Which stores there are: every home of Ollama's is listed, and of several nothing is deleted before one is named."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from commandline import ENVIRONMENT, Terminal, call, make_store, snapshot_guard
from prunella_core.store.locate import find_stores, locate
from prunella_tui.cli.options import read_config

HOMES = {
    "home/ann/.ollama/models": "your home",
    "home/ann/.var/app/com.jeffser.Alpaca/data/.ollama/models": "Alpaca, a Flatpak",
    "home/ann/.local/share/docker/volumes/ollama/_data/models": "a Docker volume of yours",
    "home/ann/.local/share/containers/storage/volumes/ai_ollama/_data/models": "a Podman volume of yours",
    "Volumes/big": "set in the Ollama app",
    "srv/by unit": "the systemd unit ollama.service",
    "usr/share/ollama/.ollama/models": "the Linux service",
    "var/lib/ollama/models": "the service, as NixOS sets it up",
    "var/lib/ollama": "the service, as Arch Linux sets it up",
    "var/snap/ollama/common/models": "the snap",
    "var/lib/docker/volumes/project_ollama/_data/models": "a Docker volume",
    "var/lib/containers/storage/volumes/ollama/_data/models": "a Podman volume",
    "root/.ollama/models": "root's home",
    "mnt/c/Users/Ann/.ollama/models": "Ollama on Windows",
}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Path]:
    """A machine whose file system begins in a folder, with a systemctl of its own."""
    (tmp_path / "bin").mkdir()
    systemctl = tmp_path / "bin/systemctl"
    systemctl.write_text(
        "#!/bin/sh\ncat <<'END'\nUser=ollama\nId=ollama.service\nLoadState=loaded\n"
        f'Environment=OLLAMA_HOST=0.0.0.0 "OLLAMA_MODELS={tmp_path}/srv/by unit"\nEND\n'
    )
    systemctl.chmod(0o755)
    with (
        patch("prunella_tui.cli.session.locate", partial(locate, machine=str(tmp_path))),
        patch("prunella_tui.cli.session.find_stores", partial(find_stores, root=str(tmp_path))),
    ):
        yield tmp_path


def at(machine: Path, **more: str) -> dict[str, str]:
    """Ann's environment."""
    return {"HOME": str(machine / "home/ann"), "PATH": f"{machine}/bin:{os.environ['PATH']}", **more}


def choose_in_app(machine: Path, store: str) -> None:
    """What the desktop app keeps when another folder is chosen there."""
    folder = machine / "home/ann/Library/Application Support/Ollama"
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(folder / "db.sqlite")) as settings, settings:
        settings.execute("CREATE TABLE settings (id, models TEXT)")
        settings.execute("INSERT INTO settings VALUES (1, ?)", (store,))


def test_every_home_is_listed_with_its_name(machine: Path) -> None:
    for home in HOMES:
        make_store(machine / home)
    choose_in_app(machine, str(machine / "Volumes/big"))
    result = call("stores", "--json", environment=at(machine))
    assert result.code == 0
    rows = result.document["stores"]
    assert {row["path"]: row["why"] for row in rows} == {str(machine / home): why for home, why in HOMES.items()}
    assert rows[0]["why"] == "your home"
    assert all(row["readable"] and row["size"] and row["way_in"] is None for row in rows)
    assert result.document["chosen"] is None
    text = call("stores", environment=at(machine)).text
    assert all(why in text for why in HOMES.values())
    assert "Several stores found. Pick one: --store DIR" in text


@pytest.fixture
def two(machine: Path) -> tuple[str, str]:
    """Ann's own store and the service's."""
    own, services = (make_store(machine / home) for home in ("home/ann/.ollama/models", "srv/by unit"))
    return own.root, services.root


CHANGES = ("prune -y --age 0", "rm -y base", "rm -y --now base", "free -y 50kB", "pin base", "empty -y")


@pytest.mark.parametrize("command", [*CHANGES, "restore derived"])
def test_of_two_nothing_is_changed_before_one_is_named(machine: Path, two: tuple[str, str], command: str) -> None:
    for store in two:
        assert call("rm", "-y", "derived", store=store).code == 0  # for the commands that need a trash
    with snapshot_guard(two[0]), snapshot_guard(two[1]):
        result = call(*command.split(), environment=at(machine))
        assert (result.code, result.out, result.complaint.count("\n")) == (3, b"", 1), result
        assert all(store in result.complaint for store in two)
        assert "pick one with --store DIR" in result.complaint
    assert call(*command.split(), store=two[1], environment=at(machine)).code == 0


def test_what_only_looks_shows_the_first_and_says_so(machine: Path, two: tuple[str, str]) -> None:
    result = call("ls", "--json", environment=at(machine))
    assert (result.code, result.document["store"]) == (0, two[0])
    assert result.complaint == f"Several stores found; this is {two[0]}. prunella stores lists them.\n"
    assert call("ls", store=two[0], environment=at(machine)).complaint == ""


def test_the_one_that_is_used_is_marked_wherever_it_was_named(machine: Path, two: tuple[str, str]) -> None:
    elsewhere = make_store(machine / "elsewhere").root
    named = call("stores", "--json", store=elsewhere, environment=at(machine)).document
    assert named["chosen"] == {"path": elsewhere, "why": "--store"}
    assert [row["path"] for row in named["stores"]] == [elsewhere, *two]
    text = call("stores", environment=at(machine, OLLAMA_MODELS=two[1])).text
    assert f"✓  {two[1]}" in text
    assert f"Used here: {two[1]} (OLLAMA_MODELS)" in text


def test_one_that_may_not_be_read_is_named_with_the_way_in(machine: Path) -> None:
    (machine / "usr/share/ollama").mkdir(parents=True)
    own, real = make_store(machine / "home/ann/.ollama/models").root, os.stat

    def stat(path: str, **more: bool) -> os.stat_result:
        if str(path).startswith(f"{machine}/usr/share/ollama/"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, **more)

    with patch("os.stat", stat):
        text = call("stores", environment=at(machine)).text
        doctor = call("doctor", environment=at(machine)).text
    assert f"Used here: {own} (the only store found: your home)" in text
    path = f"{machine}/usr/share/ollama/.ollama/models"
    assert f"You can't read {path} (the Linux service). Try:\n  sudo -u " in text
    assert f"prunella --store {path}\n" in text
    assert f"another store: {path}\n" in doctor


def test_none_at_all(machine: Path) -> None:
    result = call("stores", "--json", environment=at(machine))
    assert (result.code, result.document) == (1, {"stores": [], "chosen": None})
    assert "no Ollama models found" in result.complaint


def test_a_wrong_name_is_said_and_the_others_are_listed(machine: Path, two: tuple[str, str]) -> None:
    result = call("stores", store=str(machine / "gone"), environment=at(machine))
    assert (result.code, all(store in result.text for store in two)) == (1, True)
    assert "no model store at" in result.complaint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_doctor_names_what_the_services_user_cannot_use(machine: Path) -> None:
    store = make_store(machine / "srv/by unit").root
    systemctl = machine / "bin/systemctl"
    systemctl.write_text(systemctl.read_text().replace("User=ollama", "User=nobody"))
    assert "sudo chown" not in call("doctor", store=store).text, "root's store, and nobody says who else uses it"
    text = call("doctor", store=store, environment=at(machine)).text
    assert "Ollama runs as nobody, who may not read or change blobs/\n" in text
    assert f"sudo chown -R nobody '{store}/blobs'" in text
    [blobs, manifests] = call("doctor", "--json", store=store, environment=at(machine)).document["problems"]
    assert (blobs["kind"], manifests["path"], blobs["blocks_prune"]) == ("foreign-files", "manifests", False)


# The application asks


def two_at_home(tmp_path: Path) -> tuple[str, dict[str, str]]:
    """The second of two stores in a home, and the environment of the one who lives there."""
    make_store(tmp_path / ".ollama/models")
    second = make_store(tmp_path / ".var/app/com.jeffser.Alpaca/data/.ollama/models")
    second.model("only-here", second.layer("weights", "w"))
    return second.root, {**ENVIRONMENT, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}


def test_the_application_asks_first_and_remembers(tmp_path: Path) -> None:
    second, environment = two_at_home(tmp_path)
    with snapshot_guard(str(tmp_path / ".ollama/models")):
        first = Terminal(size=(120, 36), environment=environment)
        first.wait_for("Pick one:")
        first.press("\x1b[B")
        first.press("r")
        first.wait_for("yes")
        first.press("\r")
        first.wait_for("only-here")
        first.press("q")
        assert first.end() == 0
    assert read_config(str(tmp_path / "config/prunella/config.toml")).store == second
    again = Terminal(size=(120, 36), environment=environment)
    again.wait_for("only-here")
    again.press("q")
    assert again.end() == 0
    assert "Pick one:" not in again.screen


def test_the_application_can_be_left_without_a_choice(tmp_path: Path) -> None:
    second, environment = two_at_home(tmp_path)
    with snapshot_guard(second):
        terminal = Terminal(size=(120, 36), environment=environment)
        terminal.wait_for("Pick one:")
        terminal.press("q")
        assert terminal.end() == 0
    assert "only-here" not in terminal.screen
    assert not (tmp_path / "config").exists()
