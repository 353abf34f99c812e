"""``prunella doctor --repair``: what it would do, the question, what it did, and what it cannot do."""

import pytest

from commandline import Terminal, call, run, snapshot_guard
from ollama_rules import Ollama
from pulled import ONE, blob, newer_in, truncate
from servers import Stub
from stores import broken_models

REPAIR = ("doctor", "--repair")


def test_a_process_repairs(root: str, stub: Stub) -> None:
    truncate(root)
    result = run(*REPAIR, "--yes", "--json", store=root, environment=stub.environ)
    assert (result.code, result.err) == (0, b"")
    found = result.document
    [model] = found["models"]
    assert (model["name"], len(model["damaged"]), model["missing"]) == ("one:latest", 1, [])
    assert found["download"] == len(ONE[0])
    [one] = found["repaired"]
    assert (found["done"], one["done"], one["newer"], one["reason"]) == (True, True, False, None)
    assert broken_models(root) == {}
    [event] = call("log", "--json", store=root).document["entries"]
    assert (event["id"], event["action"], event["models"][0]["name"]) == (one["id"], "repair", "one:latest")
    assert "repaired" in call("log", store=root).text


def test_it_shows_and_asks_first(root: str, stub: Stub) -> None:
    truncate(root)
    with snapshot_guard(root):
        dry = call(*REPAIR, "--dry-run", store=root, environment=stub.environ)
        assert (dry.code, call(*REPAIR, store=root, environment=stub.environ).code) == (0, 3)
        terminal = Terminal(*REPAIR, store=root, environment=stub.environ)
        terminal.wait_for("[y/N]")
        terminal.type("n")
        assert terminal.end() == 3
    assert "one:latest  1 damaged blob" in dry.text
    assert "A pull may bring a newer version" in dry.text
    assert not [question for question, _given in stub.asked if question == "POST /api/pull"]


def test_a_newer_version_and_the_way_back(root: str, stub: Stub) -> None:
    data = truncate(root)
    stub.answers["POST /api/pull"] = newer_in(root)
    result = call(*REPAIR, "--yes", store=root, environment=stub.environ)
    assert result.code == 0
    assert "repaired, a newer version" in result.text
    back = result.text.split("prunella ")[-1].split()
    assert back[:2] == ["restore", "--swap"]
    assert call(*back, store=root, environment=stub.environ).code == 0
    assert blob(root, ONE[0]).read_bytes() == data


def test_a_pull_that_fails(root: str, stub: Stub) -> None:
    truncate(root)
    del stub.answers["POST /api/pull"]
    with snapshot_guard(root):
        result = call(*REPAIR, "--yes", store=root, environment=stub.environ)
    assert result.code == 4
    assert "not found" in result.text
    assert "as it was before" in result.text


def test_what_was_interrupted_can_be_restored(root: str, stub: Stub) -> None:
    """A killed repair: doctor shows the way to the damaged blob."""
    data = truncate(root)
    stub.answers["POST /api/pull"] = newer_in(root)
    assert call(*REPAIR, "--yes", store=root, environment=stub.environ).code == 0
    Ollama(root).pull("one:latest", ONE)
    blob(root, ONE[0]).unlink()
    text = call("doctor", store=root).text
    back = text.split("Or restore what is in the trash of it: prunella ")[1].split("\n")[0].split()
    assert call(*back, store=root).code == 0
    assert blob(root, ONE[0]).read_bytes() == data


def test_nothing_to_repair_and_nothing_that_can_be(root: str, stub: Stub) -> None:
    assert "Nothing to repair" in call(*REPAIR, store=root, environment=stub.environ).text
    truncate(root)
    with snapshot_guard(root):
        result = call(*REPAIR, "--yes", "--json", store=root)
    assert result.code == 3
    assert "no server answers" in result.document["refused"][0]["reason"]


@pytest.mark.parametrize("flags", [("--yes",), ("--dry-run",), ("--repair", "--next-start")])
def test_flags_that_do_not_go_together(root: str, flags: tuple[str, ...]) -> None:
    assert call("doctor", *flags, store=root).code == 2
