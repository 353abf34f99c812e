"""Stores of a real server: the command line lists what the server listed, and plans what the server removed."""

from collections.abc import Callable
from typing import Any

import pytest

from commandline import call
from recordings import RECORDED, Recorded
from stores import tree

Unpack = Callable[..., Recorded]
MOMENTS = sorted((path.parent.name, path.name.partition(".")[0]) for path in RECORDED.glob("*/*.tar.gz"))
BAD = [name for name, moment in MOMENTS if name.startswith("bad-manifest-") and moment == "before"]


def rows(found: list[dict[str, Any]]) -> set[tuple[str, int, str]]:
    """Name, size and digest of models, in the server's words or ours."""
    return {(model["name"], model["size"], model["digest"]) for model in found}


@pytest.mark.parametrize(("name", "moment"), MOMENTS)
def test_ls_lists_what_the_server_listed(recorded: Unpack, name: str, moment: str) -> None:
    recording = recorded(name, moment)
    listed = call("ls", "--json", store=recording.store.root).document["models"]
    assert rows(recording.scenario[f"tags_{moment}"]) == rows(listed)
    for command in ("ls", "blobs", "df", "doctor"):
        assert call(command, store=recording.store.root).code == 0


def test_rm_names_what_the_server_removed(recorded: Unpack) -> None:
    recording = recorded("rm-shared")
    arguments = ("rm", "b", "hf.co/someone/b-GGUF:Q4_K_M", "--dry-run", "--json")
    plan = call(*arguments, store=recording.store.root, now=recording.now).document
    assert {file["path"] for file in plan["files"]} == set(recording.scenario["removed"])


def test_prune_takes_what_a_server_start_takes_but_nobodys_own_files(recorded: Unpack) -> None:
    recording = recorded("startup-prune")
    arguments = ("prune", "--age", "1h", "--force", "--dry-run", "--json")
    plan = call(*arguments, store=recording.store.root, now=recording.now).document
    own = {"blobs/.hidden", "blobs/README.txt"}
    assert {file["path"] for file in plan["files"]} == set(recording.scenario["removed"]) - own
    assert plan["overridden"]
    held = call(*arguments[:3], *arguments[4:], store=recording.store.root, now=recording.now).document
    assert {row["path"] for row in held["held_back"]} == {row["path"] for row in plan["overridden"]}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_manifest_stops_the_prune(recorded: Unpack, name: str) -> None:
    recording = recorded(name)
    before = tree(recording.store.root)
    plan = call("prune", "--age", "0", "-n", "--json", store=recording.store.root, now=recording.now).document
    assert plan["blocked"]
    assert plan["files"] == []
    assert call("prune", "--age", "0", "-y", store=recording.store.root, now=recording.now).code == 3
    assert tree(recording.store.root) == before
