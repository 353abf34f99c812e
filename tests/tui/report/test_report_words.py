"""What reports say of the next start, of identities, and of whether models can be downloaded again."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from prunella_core.advice.ollama import next_start
from prunella_core.inventory.records import State
from prunella_core.sample import StoreBuilder
from prunella_tui.report.format import age, duration
from prunella_tui.report.lines import plain
from prunella_tui.report.plan import plan_lines
from prunella_tui.report.rows import blob_lines, forecast_lines, forecast_summary, model_lines
from stores import DAY, NOW, look, plan_for, to_trash


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """A pulled model, one made of it, one created here, and what a restart would take."""
    builder = StoreBuilder(str(tmp_path), NOW)
    base = builder.layer("weights", "pulled" * 1_000, age=DAY)
    builder.model("tiny", base, age=DAY)
    builder.derive("brief", "tiny:latest", [base], builder.layer("system", "Be brief.", age=DAY), age=DAY)
    builder.model("mine", builder.layer("weights", "own" * 1_000, age=DAY), age=DAY, created=True)
    builder.partial("a pull", size=100_000, done=9_000, age=DAY)
    return builder


def words_of(builder: StoreBuilder, noprune: bool = False) -> tuple[str, str]:
    coming = next_start(look(builder.root), NOW, noprune)
    return forecast_summary(coming), plain(forecast_lines(coming))


def test_the_row_and_the_details_say_what_goes(builder: StoreBuilder) -> None:
    title, detail = words_of(builder)
    assert title == "Ollama's next start deletes 2 files, loses 1 download"
    assert re.search(r"[\d.]+ kB of 100.0 kB", detail)
    assert "the server's own environment" in detail


def test_the_row_and_the_details_say_what_breaks(builder: StoreBuilder) -> None:
    builder.layer("weights", "whose is it?", age=DAY)
    builder.manifest("braces", "{}", age=DAY)
    title, detail = words_of(builder)
    assert "breaks 1 model" in title
    assert "  braces:latest" in detail


def test_the_row_and_the_details_say_why_nothing_goes(builder: StoreBuilder) -> None:
    assert words_of(builder, noprune=True)[0] == "Ollama's next start deletes nothing: OLLAMA_NOPRUNE is set"
    builder.manifest("braces", "[bold]", age=DAY)
    title, detail = words_of(builder)
    assert "library/braces/latest" in title
    assert "library/braces/latest: the manifest" in detail


def test_the_details_says_whether_a_model_comes_back(builder: StoreBuilder) -> None:
    inventory = look(builder.root)
    text = {name: plain(model_lines(inventory, model, NOW)) for name, model in inventory.model_by_name.items()}
    assert "Restore  ollama pull tiny:latest, likely" in text["tiny:latest"]
    assert "Restore  only in part, ollama pull tiny:latest (system exists only here), likely" in text["brief:latest"]
    assert "Restore  not recoverable: created here (weights exist only here)" in text["mine:latest"]
    assert "· no model that can be pulled has its weights" in text["mine:latest"]


def test_the_review_puts_what_cannot_come_back_first(builder: StoreBuilder) -> None:
    inventory = look(builder.root)
    plan = plan_for(builder.root, to_trash("mine:latest", "brief:latest", "tiny:latest"))
    text = plain(plan_lines(inventory, plan))
    places = [text.index(part) for part in ("Not recoverable", "! mine", "Only partly", "! brief", "Move to trash")]
    assert places == sorted(places)
    assert "ecoverable" not in plain(plan_lines(inventory, plan_for(builder.root, to_trash("tiny:latest"))))


def test_a_blob_says_what_it_likely_is_and_from_where(builder: StoreBuilder) -> None:
    builder.layer("weights", "loose", age=DAY)
    inventory = look(builder.root)
    loose, partial = (
        replace(next(blob for blob in inventory.blobs if blob.state is state), last_model="llama3.2:latest\x1b[2J")
        for state in (State.UNREFERENCED, State.PARTIAL)
    )
    text = plain(blob_lines(inventory, loose, "GGUF weights, [b]llama", NOW))
    assert "Content  GGUF weights, [b]llama, likely from an older llama3.2:latest\\x1b[2J\n" in text
    assert "Content  likely from llama3.2:latest\\x1b[2J\n" in plain(blob_lines(inventory, partial, None, NOW))
    used = next(blob for blob in inventory.blobs if blob.state is State.REFERENCED)
    assert "Content" not in plain(blob_lines(inventory, used, None, NOW))


@pytest.mark.parametrize(
    ("days", "column", "words"),
    [
        (1, "1d", "1 day"),
        (16, "16d", "16 days"),
        (30, "30d", "30 days"),
        (45, "1mo", "1 month"),
        (360, "11mo", "11 months"),
    ],
)
def test_a_column_and_a_sentence_say_the_same_age(days: int, column: str, words: str) -> None:
    assert (age(days * DAY), duration(days * DAY)) == (column, words)
