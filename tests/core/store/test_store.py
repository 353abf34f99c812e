"""Which store, and why this one."""

import os
from pathlib import Path

import pytest

from prunella_core.base.errors import NotFound
from prunella_core.store import Store
from prunella_core.store.locate import locate
from stores import open_store

needs_permissions = pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")


def make(path: Path, *folders: str) -> Path:
    for folder in folders or ("blobs", "manifests"):
        (path / folder).mkdir(parents=True)
    return path


SERVICE = "usr/share/ollama/.ollama/models"


def find(home: Path, explicit: str | None = None, machine: Path | None = None, **environ: str) -> Store:
    """Locate a store; the file system of the machine begins at ``machine``, where there is nothing else."""
    return locate(explicit, environ, str(home), str(machine or home / "nowhere"))


def test_the_store_that_is_named_wins(tmp_path: Path) -> None:
    named, other, home = (make(tmp_path / name) for name in ("named", "other", "home/.ollama/models"))
    store = find(tmp_path / "home", str(named), OLLAMA_MODELS=str(other))
    assert (store.root, store.why, store.named) == (str(named), "--store", True)
    assert store.other_stores == (str(home),)


def test_then_the_environment_with_the_quotes_that_ollama_trims(tmp_path: Path) -> None:
    other = make(tmp_path / "other")
    store = find(tmp_path, OLLAMA_MODELS=f' "{other}" ')
    assert (store.root, store.why, store.named) == (str(other), "OLLAMA_MODELS", True)


def test_an_empty_variable_names_nothing(tmp_path: Path) -> None:
    home = make(tmp_path / ".ollama/models")
    assert find(tmp_path, "", OLLAMA_MODELS="").root == str(home)


def test_then_the_only_one_there_is(tmp_path: Path) -> None:
    service = make(tmp_path / SERVICE)
    store = find(tmp_path / "home", machine=tmp_path)
    assert (store.root, store.named, store.other_stores) == (str(service), True, ())
    assert "only" in store.why


def test_among_several_the_first_is_shown_but_nobody_named_it(tmp_path: Path) -> None:
    home, service = make(tmp_path / "home/.ollama/models"), make(tmp_path / SERVICE)
    store = find(tmp_path / "home", machine=tmp_path)
    assert (store.root, store.named, store.other_stores) == (str(home), False, (str(service),))
    assert "2" in store.why


def test_two_ways_to_one_store_are_one_store(tmp_path: Path) -> None:
    home = make(tmp_path / "home/.ollama/models")
    (tmp_path / "var/lib/ollama").mkdir(parents=True)
    (tmp_path / "var/lib/ollama/models").symlink_to(home)
    store = find(tmp_path / "home", machine=tmp_path)
    assert (store.named, store.other_stores) == (True, ())


def test_a_link_is_followed_to_the_store_itself(tmp_path: Path) -> None:
    real = make(tmp_path / "real")
    (tmp_path / "link").symlink_to(real)
    assert find(tmp_path, str(tmp_path / "link")).root == str(real)


def test_the_home_that_is_passed_in_is_the_home(tmp_path: Path) -> None:
    store = make(tmp_path / "models")
    assert find(tmp_path, "~/models").root == str(store)


def test_says_where_it_looked_when_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as failure:
        find(tmp_path, machine=tmp_path / "machine")
    message = str(failure.value)
    assert str(tmp_path / ".ollama/models") in message
    assert str(tmp_path / "machine" / SERVICE) in message
    assert "--store" in message


def test_what_is_named_and_missing_is_not_replaced_by_a_guess(tmp_path: Path) -> None:
    make(tmp_path / ".ollama/models")
    with pytest.raises(NotFound, match=r"no model store at .*/gone \(--store\)"):
        find(tmp_path, str(tmp_path / "gone"))
    with pytest.raises(NotFound, match="OLLAMA_MODELS"):
        find(tmp_path, OLLAMA_MODELS=str(tmp_path / "gone"))


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotFound, match="is a file"):
        find(tmp_path, str(tmp_path / "file"))
    with pytest.raises(NotFound, match="cannot read"):
        find(tmp_path, str(tmp_path / "file" / "below"))


def test_a_folder_of_something_else_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(NotFound, match="neither blobs/ nor manifests/"):
        find(tmp_path, str(tmp_path))


@pytest.mark.parametrize("folder", ["blobs", "manifests", "manifests-v2"])
def test_half_a_store_is_one_so_that_it_can_be_looked_into(tmp_path: Path, folder: str) -> None:
    assert find(tmp_path, str(make(tmp_path / "half", folder))).root == str(tmp_path / "half")


def test_a_hostile_path_is_shown_harmlessly(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as failure:
        find(tmp_path, str(tmp_path / "\x1b[2J\udcff"))
    assert str(failure.value).isprintable()


def test_knows_its_owner_and_folders(tmp_path: Path) -> None:
    root = make(tmp_path / "store")
    store = open_store(root)
    assert store.owner == root.owner()
    assert store.writable
    assert (store.blobs, store.manifests) == (str(root / "blobs"), str(root / "manifests"))
    assert store.path("blobs/x") == str(root / "blobs/x")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_an_owner_without_a_name_is_a_number(tmp_path: Path) -> None:
    root = make(tmp_path / "store")
    os.chown(root, 61_234, -1)
    assert open_store(root).owner == "61234"


@needs_permissions
@pytest.mark.parametrize("folder", [".", "blobs", "manifests"])
def test_a_folder_that_may_not_be_written_makes_the_store_read_only(tmp_path: Path, folder: str) -> None:
    root = make(tmp_path / "store")
    (root / folder).chmod(0o555)
    assert not open_store(root).writable


@needs_permissions
def test_a_store_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    root = make(tmp_path / "store")
    root.chmod(0)
    with pytest.raises(NotFound, match=r"cannot read .*Permission denied"):
        open_store(root)
    root.chmod(0o755)
