"""Fixtures that the tests of the command line share."""

from pathlib import Path

import pytest

from commandline import make_store
from prunella_core.sample import StoreBuilder


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """The small store."""
    return make_store(tmp_path / "models")


@pytest.fixture
def target(tmp_path: Path) -> str:
    """A folder that is not there yet, to copy to."""
    return str(tmp_path / "usb")
