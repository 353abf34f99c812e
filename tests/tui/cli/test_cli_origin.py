"""Whether a model comes back, as ``ls``, ``show`` and the review say it."""

from pathlib import Path

import pytest

from commandline import DAY, Terminal, call
from prunella_core.sample import StoreBuilder

HF = "hf.co/someone/tiny:Q4_0"


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A model from another host, one made of it, one that was created here, and one of the library's name."""
    builder = StoreBuilder(str(tmp_path), 1_790_000_000.0)
    base = builder.layer("weights", "pulled" * 1_000, age=DAY)
    system = builder.layer("system", "Be brief.", age=DAY)
    builder.model(HF, base, config=builder.config(model_type="1B"), age=DAY)
    builder.derive("brief", HF, [base], system, age=DAY)
    builder.model("mine", builder.layer("weights", "own" * 1_000, age=DAY), age=DAY, created=True)
    builder.model("library", builder.layer("weights", "other" * 1_000, age=DAY), age=DAY)
    return str(tmp_path)


def test_ls_and_show_carry_it_in_their_documents(store: str) -> None:
    models = call("ls", "--json", store=store).document["models"]
    found = {model["name"]: model["comes_back"] for model in models}
    origins = {name: (row["kind"], row["source"], row["certainty"]) for name, row in found.items()}
    assert origins == {
        HF: ("pullable", HF, "known"),
        "brief:latest": ("derived", HF, "known"),
        "mine:latest": ("created", None, "known"),
        "library:latest": ("pullable", "library:latest", "guess"),
    }
    assert all(row["evidence"] for row in found.values())
    for name, row in found.items():
        assert call("show", name, "--json", store=store).document["comes_back"] == row


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (HF, f"Restore  ollama pull {HF}"),
        ("brief", f"Restore  only in part, ollama pull {HF} (system exists only here)"),
        ("mine", "Restore  not recoverable: created here (weights exist only here)"),
        ("library", "Restore  ollama pull library:latest, likely"),
    ],
)
def test_show_says_it_with_its_evidence(store: str, name: str, sentence: str) -> None:
    text = call("show", name, store=store).text
    assert sentence + "\n" in text
    assert "· its manifest looks" in text


def test_the_review_puts_what_cannot_come_back_first_and_apart(store: str) -> None:
    text = call("rm", "mine", "brief", "library", "-n", store=store).text
    places = [
        text.index(part) for part in ("Not recoverable", "! mine:latest", "Only partly", "! brief", "Move to trash")
    ]
    assert places == sorted(places)
    assert f"system exists only here; the rest: ollama pull {HF}" in text
    plan = call("rm", "mine", "brief", "library", "-n", "--json", store=store).document
    assert [(lost["model"], lost["kinds"]) for lost in plan["lost"]] == [
        ("mine:latest", ["weights"]),
        ("brief:latest", ["system"]),
    ]
    assert plan["lost"][0]["comes_back"]["kind"] == "created"


def test_the_question_is_asked_after_it_is_told(store: str) -> None:
    terminal = Terminal("rm", "mine", "--now", store=store)
    terminal.wait_for("[y/N]")
    terminal.type("n")
    assert terminal.end() == 3
    assert terminal.screen.index("Not recoverable: 1 model") < terminal.screen.index("Delete 1 model")


def test_nothing_is_said_where_nothing_is_lost(store: str) -> None:
    text = call("rm", "library", HF, "-n", store=store).text
    assert "ecoverable" not in text


def test_evidence_from_the_disk_is_written_out(tmp_path: Path) -> None:
    builder = StoreBuilder(str(tmp_path), 1_790_000_000.0)
    config = builder.config(remote_host="\x1b[31mhost", remote_model="\x1b]0;title\x07")
    builder.model("cloud", config=config)
    for result in (call("show", "cloud", store=builder.root), call("ls", "--json", store=builder.root)):
        assert b"\x1b" not in result.out
        assert "[31mhost" in result.text
