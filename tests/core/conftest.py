"""Fixtures that the tests of the core share."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from prunella_core.sample import StoreBuilder
from stores import small_store

_MAKERS = {"xfs": ("mkfs.xfs", "-q", "-m", "reflink=1"), "btrfs": ("mkfs.btrfs", "-q")}


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """The small store."""
    return small_store(tmp_path / "store")


@pytest.fixture(params=_MAKERS)
def reflinking(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system with reflinks, in a file, mounted."""
    maker = _MAKERS[request.param]
    if os.geteuid() != 0 or not shutil.which(maker[0]):
        pytest.skip(f"needs root and {maker[0]}")
    image, point = tmp_path / "image", tmp_path / "mounted"
    with image.open("wb") as file:
        file.truncate(400_000_000)
    point.mkdir()
    subprocess.run([*maker, str(image)], check=True, capture_output=True)
    mounted = subprocess.run(["mount", "-o", "loop", str(image), str(point)], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("nothing may be mounted here")
    yield point
    subprocess.run(["umount", str(point)], check=True)
