"""Fixtures that the tests of the core share."""

from pathlib import Path

import pytest

from prunella_core.sample import StoreBuilder
from stores import small_store


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """The small store."""
    return small_store(tmp_path / "store")
