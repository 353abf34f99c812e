"""``doctor --next-start``: what the recorded servers removed, and what a person should know before a restart."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from commandline import DAY, Terminal, call, make_store, snapshot_guard
from recordings import RECORDED, Recorded
from servers import serving

Unpack = Callable[..., Recorded]
STARTS = sorted(
    path.parent.name
    for path in RECORDED.glob("*/scenario.json")
    if any(action["argv"][1] == "serve" for action in json.loads(path.read_text())["actions"])
)
BROKEN = {
    "bad-manifest-braces": ["b:latest", "hf.co/someone/b-GGUF:Q4_K_M"],
    "v2-older-server": ["127.0.0.1:5052/library/listed:latest", "127.0.0.1:5052/library/three:8b", "copied:v2"],
}
FORETELL = ("doctor", "--next-start")


@pytest.mark.parametrize("name", STARTS)
def test_it_lists_what_the_server_removed(recorded: Unpack, name: str) -> None:
    recording = recorded(name)
    store, now, environment = recording.store.root, recording.now, recording.scenario["actions"][0]["env"]
    with snapshot_guard(store):
        result = call(*FORETELL, "--json", store=store, now=now, environment=environment)
        assert call(*FORETELL, store=store, now=now, environment=environment).code == 0
    document = result.document if name != "v2-older-server" else result.document["older_server"]
    assert (result.code, result.err) == (0, b"")
    assert document["files"] == sorted(recording.scenario["removed"])
    assert document["skipped"] == (document["why"] is not None)
    assert document["would_break"] == BROKEN.get(name, [])


def test_the_running_server_is_asked_for_its_version(recorded: Unpack) -> None:
    recording = recorded("v2-older-server")
    store, now = recording.store.root, recording.now
    with serving({"GET /api/version": (200, b'{"version":"0.33.0"}')}) as old:
        asked = call(*FORETELL, "--json", store=store, now=now, environment=old.environ).document
        text = call(*FORETELL, store=store, now=now, environment=old.environ).text
        doctor = call("doctor", "--json", store=store, now=now, environment=old.environ).document
    assert asked["files"] == asked["older_server"]["files"] == sorted(recording.scenario["removed"])
    assert asked["server_version"] == doctor["server"]["version"] == "0.33.0"
    assert text.startswith("If Ollama 0.33.0 started now, it would delete 10 files and free")
    with serving({"GET /api/version": (200, b'{"version":"0.0.0"}')}) as new:
        assert call(*FORETELL, "--json", store=store, now=now, environment=new.environ).document["files"] == []


def test_where_none_answers_a_person_reads_what_an_older_one_would_do(recorded: Unpack) -> None:
    recording = recorded("v2-older-server")
    text = call(*FORETELL, store=recording.store.root, now=recording.now).text
    assert text.startswith("If Ollama started now, it would delete nothing")
    assert "\nIf Ollama 0.33 started now, it would delete 10 files and free" in text
    assert "\n  copied:v2\n" in text
    doctor = call("doctor", "--json", store=recording.store.root, now=recording.now).document
    (problem,) = doctor["problems"]
    assert (problem["kind"], problem["blocks_prune"]) == ("older-server", False)
    assert problem["message"] == "Ollama 0.33 would delete 10 blobs, 3 models, at its next start"


def test_a_person_reads_what_goes_and_what_is_lost(tmp_path: Path) -> None:
    builder = make_store(tmp_path / "models")
    own = builder.layer("weights", "own" * 1_000, age=DAY)
    document = {"schemaVersion": 2, "layers": [{"digest": own.digest.replace(":", "-"), "size": own.size}]}
    builder.manifest("damaged", json.dumps(document), age=DAY)
    text = call(*FORETELL, store=builder.root).text
    assert "it would delete 7 files and free" in text
    assert "  damaged:latest\n" in text
    assert re.search(r"[\d.]+ kB of 100.0 kB", text)
    assert "  blobs/README.txt\n" in text
    assert "the server's own environment" in text


def test_a_person_reads_why_nothing_goes(tmp_path: Path) -> None:
    builder = make_store(tmp_path / "models").manifest("broken", "", age=DAY)
    text = call(*FORETELL, store=builder.root).text
    assert "it would delete nothing" in text
    assert "library/broken/latest: the manifest is empty" in text
    with_variable = call(*FORETELL, store=builder.root, environment={"OLLAMA_NOPRUNE": "1"})
    assert "the server's own environment" in with_variable.text
    document = call(*FORETELL, "--json", store=builder.root, environment={"OLLAMA_NOPRUNE": "1"}).document
    assert (document["skipped"], document["noprune"], document["files"]) == (True, True, [])
    assert document["why"] == "OLLAMA_NOPRUNE is set"


def test_names_that_move_the_cursor_are_written_out(tmp_path: Path) -> None:
    builder = make_store(tmp_path / "models").file("blobs/\x1b[2J[bold]", age=DAY)
    for result in (call(*FORETELL, store=builder.root), call(*FORETELL, "--json", store=builder.root)):
        assert b"\x1b" not in result.out
        assert "[2J[bold]" in result.text


@pytest.mark.parametrize("width", [40, 80])
def test_it_fits_the_terminal(tmp_path: Path, width: int) -> None:
    builder = make_store(tmp_path / "models").file("manifests/registry.ollama.ai/library/base/.DS_Store")
    terminal = Terminal(*FORETELL, store=builder.root, size=(width, 24), environment={"NO_COLOR": "1", "TERM": "dumb"})
    assert terminal.end() == 0
    lines = terminal.screen.splitlines()
    assert all(cell_len(line) <= width or " " not in line.strip() for line in lines)
