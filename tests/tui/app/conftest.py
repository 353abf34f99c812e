"""Stores for journeys through the application."""

from pathlib import Path

import pytest

from journeys import NOW, Open, opened
from prunella_core.sample import StoreBuilder, build_demo_store

_DAY = 86_400


@pytest.fixture
def open_app() -> Open:
    """Open the application over a store and hand out the journey through it."""
    return opened


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """The sample store, at a hundredth of the size that ``prunella demo`` writes."""
    build_demo_store(str(tmp_path / "store"), NOW, divisor=100_000)
    return tmp_path / "store"


@pytest.fixture
def family(tmp_path: Path) -> StoreBuilder:
    """A base, a model derived from it, one apart, and what nothing needs."""
    builder = StoreBuilder(str(tmp_path / "store"), NOW)
    weights = builder.layer("weights", "base weights", size=900_000, written=800_000, age=9 * _DAY)
    builder.model("base", weights, age=9 * _DAY)
    builder.model("derived", weights, builder.layer("system", "Be brief.\n"), age=2 * _DAY)
    other = builder.layer("weights", "others", size=400_000, written=300_000, age=5 * _DAY)
    builder.model("apart:7b", other, config=builder.config(model_family="phi3"), age=5 * _DAY)
    builder.layer("weights", "an old tag", written=200_000, age=30 * _DAY)
    builder.partial("gone", size=5_000_000, done=100_000, age=4 * _DAY)
    return builder
