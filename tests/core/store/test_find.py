"""Every way to run Ollama leaves its store somewhere else; all of them are found, each with the right reason."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import prunella_core.store as store_module
from prunella_core.base.errors import NotFound
from prunella_core.store import unwritable
from prunella_core.store.locate import FoundStore, blob_bytes, find_stores, locate

HOMES = {
    "usr/share/ollama/.ollama/models": "the Linux service",
    "var/lib/ollama": "the service, as Arch Linux sets it up",
    "var/lib/ollama/models": "the service, as NixOS sets it up",
    "var/snap/ollama/common/models": "the snap",
    "var/lib/docker/volumes/project_ollama/_data/models": "a Docker volume",
    "var/lib/containers/storage/volumes/ollama/_data/models": "a Podman volume",
    "root/.ollama/models": "root's home",
    "mnt/c/Users/Ann/.ollama/models": "Ollama on Windows",
    "home/ann/.ollama/models": "your home",
    "home/ann/.var/app/com.jeffser.Alpaca/data/.ollama/models": "Alpaca, a Flatpak",
    "home/ann/.local/share/docker/volumes/ollama/_data/models": "a Docker volume of yours",
    "home/ann/.local/share/containers/storage/volumes/ollama/_data/models": "a Podman volume of yours",
}


def make(path: Path) -> str:
    (path / "blobs").mkdir(parents=True)
    (path / "manifests").mkdir()
    return str(path)


def found_on(machine: Path, **environ: str) -> list[FoundStore]:
    return find_stores({"PATH": "/nowhere", **environ}, str(machine / "home/ann"), str(machine))


@pytest.mark.parametrize("home", HOMES)
def test_each_home_is_found(tmp_path: Path, home: str) -> None:
    path = make(tmp_path / home)
    assert [(store.path, store.why) for store in found_on(tmp_path)] == [(path, HOMES[home])]


def test_all_together_the_users_own_first(tmp_path: Path) -> None:
    for home in HOMES:
        make(tmp_path / home)
    found = found_on(tmp_path)
    assert {store.path for store in found} == {str(tmp_path / home) for home in HOMES}
    assert found[0].why == "your home"
    store = locate(None, {"PATH": "/nowhere"}, str(tmp_path / "home/ann"), str(tmp_path))
    assert not store.named
    assert len(store.other_stores) == len(HOMES) - 1
    assert "several stores found" in (store.refusal() or "")


def test_what_is_no_store_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "usr/share/ollama/.ollama/models/photos").mkdir(parents=True)
    (tmp_path / "var/lib").mkdir(parents=True)
    (tmp_path / "var/lib/ollama").write_text("a file")
    os.makedirs(tmp_path / "var/snap/ollama/common")
    os.symlink("models", tmp_path / "var/snap/ollama/common/models")
    assert found_on(tmp_path) == []


def test_under_sudo_the_home_of_the_one_who_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bob = make(tmp_path / "home/bob/.ollama/models")
    monkeypatch.setattr("pwd.getpwnam", lambda name: _user(tmp_path / "home" / name))
    [store] = found_on(tmp_path, SUDO_USER="bob")
    assert (store.path, store.why) == (bob, "the home of bob")


def _user(home: Path) -> object:
    return type("User", (), {"pw_dir": str(home)})


# Settings of others


def stub_systemctl(folder: Path, said: str) -> str:
    (folder / "bin").mkdir()
    program = folder / "bin" / "systemctl"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\n")
    program.chmod(0o755)
    return f"{folder / 'bin'}:/usr/bin:/bin"


def test_a_unit_says_where_its_models_are(tmp_path: Path) -> None:
    store = make(tmp_path / "srv/my models")
    path = stub_systemctl(
        tmp_path,
        f'User=ollama\nEnvironment=OLLAMA_HOST=0.0.0.0 "OLLAMA_MODELS={store}"\nId=ollama.service\nLoadState=loaded\n\n'
        "User=\nEnvironment=\nId=ollama-gone.service\nLoadState=not-found",
    )
    assert [(found.path, found.why) for found in found_on(tmp_path, PATH=path)] == [
        (store, "the systemd unit ollama.service")
    ]


def test_a_unit_that_says_nothing_has_them_in_the_home_of_its_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make(tmp_path / "home/service/.ollama/models")
    monkeypatch.setattr("pwd.getpwnam", lambda name: _user(tmp_path / "home" / name))
    path = stub_systemctl(tmp_path, "User=service\nEnvironment=\nId=ollama-cpu.service\nLoadState=loaded")
    assert [found.path for found in found_on(tmp_path, PATH=path)] == [store]


@pytest.mark.parametrize("said", ["", "nonsense", 'Environment="unclosed\nLoadState=loaded\nUser=nobody-here'])
def test_a_unit_that_says_nonsense(tmp_path: Path, said: str) -> None:
    assert found_on(tmp_path, PATH=stub_systemctl(tmp_path, said)) == []


def app_database(machine: Path, script: str) -> None:
    folder = machine / "home/ann/Library/Application Support/Ollama"
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(folder / "db.sqlite")) as settings, settings:
        settings.executescript(script)


def test_what_was_chosen_in_the_app(tmp_path: Path) -> None:
    store = make(tmp_path / "Volumes/big")
    app_database(tmp_path, f"CREATE TABLE settings (id, models TEXT); INSERT INTO settings VALUES (1, '{store}')")
    assert [(found.path, found.why) for found in found_on(tmp_path)] == [(store, "set in the Ollama app")]


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) AS models FROM n"


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE settings (models TEXT); INSERT INTO settings VALUES ('')",
        "CREATE TABLE settings (models TEXT); INSERT INTO settings VALUES (7)",
        "CREATE TABLE other (x)",
        f"CREATE VIEW settings AS {ENDLESS}",
    ],
)
def test_an_app_that_says_nothing_of_use(tmp_path: Path, script: str) -> None:
    app_database(tmp_path, script)
    assert found_on(tmp_path) == []


# What may not be seen, or not be changed


def test_a_closed_one_is_named_with_the_way_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "usr/share/ollama").mkdir(parents=True)
    real = os.stat

    def stat(path: str, **more: bool) -> os.stat_result:
        if str(path).startswith(f"{tmp_path}/usr/share/ollama/") or str(path).startswith(f"{tmp_path}/root/"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, **more)

    with monkeypatch.context() as patched:
        patched.setattr("os.stat", stat)
        [closed] = found_on(tmp_path)
        with pytest.raises(NotFound, match=r"you can.t read .*ollama/models .*sudo -u"):
            locate(None, {"PATH": "/nowhere"}, str(tmp_path / "home/ann"), str(tmp_path))
    assert not closed.is_readable


def hide(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    """Nothing below ``folders`` may be seen."""
    real, real_lstat = os.stat, os.lstat

    def is_closed(path: str) -> bool:
        return any(str(path).startswith(f"{folder}/") for folder in folders)

    def look(path: str, real: Callable[..., os.stat_result], **more: bool) -> os.stat_result:
        if is_closed(path):
            raise PermissionError(13, "Permission denied", path)
        return real(path, **more)

    monkeypatch.setattr("os.stat", lambda path, **more: look(path, real, **more))
    monkeypatch.setattr("os.lstat", lambda path, **more: look(path, real_lstat, **more))


def test_one_closed_folder_is_one_store_where_its_unit_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "var/lib/ollama"
    folder.mkdir(parents=True)
    path = stub_systemctl(tmp_path, f'Id=ollama.service\nEnvironment="OLLAMA_MODELS={folder}/my models"')
    with monkeypatch.context() as patched:
        hide(patched, folder)
        [closed] = found_on(tmp_path, PATH=path)
    assert (closed.path, closed.is_readable) == (f"{folder}/my models", False)
    assert closed.way_in == f"sudo -u {closed.owner} prunella --store '{folder}/my models'"


def test_what_is_always_closed_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    homes = [tmp_path / "root", tmp_path / "mnt/c/Users/Bob"]
    for home in homes:
        make(home / ".ollama/models")
    with monkeypatch.context() as patched:
        hide(patched, *homes)
        assert found_on(tmp_path) == []


def test_the_size_counts_each_file_once(tmp_path: Path) -> None:
    store = make(tmp_path / "models")
    assert blob_bytes(store) == 0
    (tmp_path / "models/blobs/a").write_bytes(b"x" * 9_000)
    os.link(tmp_path / "models/blobs/a", tmp_path / "models/blobs/b")
    os.symlink("/usr", tmp_path / "models/blobs/c")
    assert blob_bytes(store) == os.stat(tmp_path / "models/blobs/a").st_blocks * 512
    assert blob_bytes(str(tmp_path / "nowhere")) is None


def test_windows_owns_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make(tmp_path / "mnt/c/Users/Ann/.ollama/models")
    pattern = type("Pattern", (), {"match": lambda _self, path: path == root.casefold()})()
    monkeypatch.setattr(store_module, "_WINDOWS", pattern)
    store = locate(root, {}, "/nowhere", "/nowhere")
    assert not store.writable
    assert "Windows" in (store.refusal() or "")
    assert unwritable(root) is None, "where its folders may be written to, nothing says that they may not"
