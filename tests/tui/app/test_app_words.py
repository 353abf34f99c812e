"""What the detail side and the review say of the next start, and of whether models come back: pure content."""

import re
from pathlib import Path

import pytest

from prunella_core.advice.forecast import next_start
from prunella_core.sample import StoreBuilder
from prunella_tui.app.detail import model_detail
from prunella_tui.app.nextstart import next_start_detail, next_start_title
from prunella_tui.app.plantext import plan_text
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


def told(builder: StoreBuilder, noprune: bool = False) -> tuple[str, str]:
    coming = next_start(look(builder.root), NOW, noprune)
    return next_start_title(coming), next_start_detail(coming).plain


def test_the_row_and_the_side_say_what_goes(builder: StoreBuilder) -> None:
    title, detail = told(builder)
    assert title == "Ollama's next start removes 2 files, loses 1 download"
    assert re.search(r"holds [\d.]+ kB of 100.0 kB", detail)
    assert "the server's own environment decides" in detail


def test_the_row_and_the_side_say_what_breaks(builder: StoreBuilder) -> None:
    builder.layer("weights", "whose is it?", age=DAY)
    builder.manifest("braces", "{}", age=DAY)
    title, detail = told(builder)
    assert "breaks 1 model" in title
    assert "  braces:latest" in detail


def test_the_row_and_the_side_say_why_nothing_goes(builder: StoreBuilder) -> None:
    assert told(builder, noprune=True)[0] == "Ollama's next start removes nothing: OLLAMA_NOPRUNE is set"
    builder.manifest("braces", "[bold]", age=DAY)
    title, detail = told(builder)
    assert "library/braces/latest" in title
    assert "library/braces/latest: the manifest" in detail


def test_the_side_says_whether_a_model_comes_back(builder: StoreBuilder) -> None:
    inventory = look(builder.root)
    text = {name: model_detail(inventory, model, NOW).plain for name, model in inventory.model_by_name.items()}
    assert "Returns  probably by ollama pull tiny:latest (a guess)" in text["tiny:latest"]
    assert "Returns  probably in part, by ollama pull tiny:latest; only here: system (a guess)" in text["brief:latest"]
    assert "Returns  by nothing: it was created here; only here: weights" in text["mine:latest"]
    assert "· no model that can be pulled has its weights" in text["mine:latest"]


def test_the_review_puts_what_cannot_come_back_first(builder: StoreBuilder) -> None:
    text = plan_text(plan_for(builder.root, to_trash("mine:latest", "brief:latest", "tiny:latest"))).plain
    places = [text.index(part) for part in ("Cannot come back", "! mine", "only in part", "! brief", "Goes:")]
    assert places == sorted(places)
    assert "Cannot come back" not in plan_text(plan_for(builder.root, to_trash("tiny:latest"))).plain
