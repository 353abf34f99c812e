"""The rules of Ollama that other tests go by, held against what a real server was recorded doing."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ollama_rules import Ollama, PullFailed, digest_of
from recordings import RECORDED, Recorded
from stores import DAY, NOW, broken_models, facts, of_ollama, small_store, tree

Unpack = Callable[..., Recorded]

DONE = {path.parent.name: json.loads(path.read_text())["actions"] for path in RECORDED.glob("*/scenario.json")}
KNOWN = {"serve", "rm", "cp"}


def command(action: dict[str, Any]) -> str:
    return str((action.get("argv") or ["", ""])[1])


def carry_out(ollama: Ollama, command: str, *names: str) -> None:
    if command == "rm":
        for name in names:
            ollama.rm(name)
    elif command == "cp":
        ollama.cp(*names)
    else:
        ollama.start()


def is_of_today(name: str) -> bool:
    """Whether the server of the recording is one by whose rules the other tests go."""
    return name == "v2-older-server" or not name.startswith(("v2-", "meta-"))


@pytest.mark.parametrize(
    "name", [name for name, did in DONE.items() if did and {*map(command, did)} <= KNOWN and is_of_today(name)]
)
def test_it_deletes_what_a_real_server_deleted(recorded: Unpack, name: str) -> None:
    recording = recorded(name)
    root = recording.store.root
    for action in recording.scenario["actions"]:
        prunes = "OLLAMA_NOPRUNE" not in action.get("env", {})
        carry_out(Ollama(root, now=lambda: recording.now, prunes=prunes), *action["argv"][1:])
    before, now = recording.scenario["before"], tree(root)
    assert {path for path in before if path not in now} == set(recording.scenario["removed"])


def test_a_pull_finds_or_fetches_and_drops_what_it_replaced(tmp_path: Path) -> None:
    builder = small_store(tmp_path)
    ollama = Ollama(tmp_path)
    seen: list[set[str]] = []
    ollama.wait = lambda: seen.append({name for name in os.listdir(tmp_path / "blobs") if "partial" in name})
    ollama.pull("new", ["shared weights" * 3_000, "new weights", "its config"])
    weights, blob = ollama.blob(digest_of("shared weights" * 3_000)), digest_of("new weights").replace(":", "-")
    assert os.stat(weights).st_mtime == NOW - DAY, "what is there is not touched"
    others = {name for name in seen[0] if "-partial" in name}
    assert [seen[0], seen[1]] == [others, others], "nothing on the disk says that a blob is on its way"
    assert seen[2] == seen[3] == others | {f"{blob}-partial", f"{blob}-partial-0"}
    ollama.pull("new", ["other weights", "its config"])
    assert not os.path.exists(tmp_path / "blobs" / blob)
    assert broken_models(tmp_path) == {}
    assert builder.root == ollama.root


def test_a_pull_fails_when_its_download_is_deleted(tmp_path: Path) -> None:
    small_store(tmp_path)
    ollama = Ollama(tmp_path)

    def delete() -> None:
        for path in (tmp_path / "blobs").glob("*-partial*"):
            path.unlink()

    ollama.wait = delete
    with pytest.raises(PullFailed):
        ollama.pull("new", ["new weights", "its config"])
    assert not os.path.exists(ollama.manifest("new"))


def test_create_touches_what_it_takes_and_drops_what_it_replaced(tmp_path: Path) -> None:
    small_store(tmp_path)
    ollama = Ollama(tmp_path)
    ollama.create("mine", "base", "first system")
    first = ollama.blob(digest_of("first system"))
    assert os.path.exists(first)
    assert os.stat(ollama.blob(digest_of("shared weights" * 3_000))).st_mtime > NOW
    ollama.create("mine", "base", "second system")
    assert not os.path.exists(first)
    assert broken_models(tmp_path) == {}


def test_a_start_without_pruning_changes_nothing(tmp_path: Path) -> None:
    small_store(tmp_path)
    before = facts(tmp_path)
    Ollama(tmp_path, prunes=False).start()
    assert facts(tmp_path) == before
    Ollama(tmp_path, now=lambda: NOW - DAY + 60).start()
    assert facts(tmp_path) == before, "what is younger than an hour stays"
    Ollama(tmp_path, now=lambda: NOW).start()
    assert len(before) - len(of_ollama(tmp_path)) == 6
