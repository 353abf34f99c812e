"""``doctor --next-start``: what the recorded servers removed, and what a person should know before a restart."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from commandline import DAY, Terminal, call, make_store, snapshot_guard
from recordings import RECORDED, Recorded

Unpack = Callable[..., Recorded]
STARTS = sorted(
    path.parent.name
    for path in RECORDED.glob("*/scenario.json")
    if any(action["argv"][1] == "serve" for action in json.loads(path.read_text())["actions"])
)
FORETELL = ("doctor", "--next-start")


@pytest.mark.parametrize("name", [name for name in STARTS if name != "v2-older-server"])  # that is another server's
def test_it_lists_what_the_server_removed(recorded: Unpack, name: str) -> None:
    recording = recorded(name)
    store, now, environment = recording.store.root, recording.now, recording.scenario["actions"][0]["env"]
    with snapshot_guard(store):
        result = call(*FORETELL, "--json", store=store, now=now, environment=environment)
        assert call(*FORETELL, store=store, now=now, environment=environment).code == 0
    document = result.document
    assert (result.code, result.err) == (0, b"")
    assert document["files"] == sorted(recording.scenario["removed"])
    assert document["skipped"] == (document["why"] is not None)
    assert document["would_break"] == (
        ["b:latest", "hf.co/someone/b-GGUF:Q4_K_M"] if name == "bad-manifest-braces" else []
    )


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
