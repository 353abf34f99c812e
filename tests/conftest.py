"""Fixtures that all tests share."""

import errno
import json
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings

from prunella_core.fs.disk import Disk
from pulled import OFFERS, store_at
from recordings import RECORDED, Recorded
from servers import Stub, ollama_on
from stores import open_store

settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Recorded]:
    """Unpack ``recorded(name)`` as it was before its action, or ``recorded(name, "after")``."""

    def unpack(name: str, moment: str = "before") -> Recorded:
        root = tmp_path / f"{name}-{moment}" / "models"
        root.mkdir(parents=True)
        (root.parent / "target").write_text("what the link in blobs/ points to: outside the store\n")
        with tarfile.open(RECORDED / name / f"{moment}.tar.gz") as archive:
            # The archives are our own, and one holds a link that leads out of the store on purpose.
            # An attribute, since early releases of Python 3.11 have no argument for it.
            archive.extraction_filter = lambda member, _path: member
            archive.extractall(root)
        scenario = json.loads((RECORDED / name / "scenario.json").read_text())
        for path, entry in scenario[moment].items():  # tarfile gives links the time of day
            os.utime(root / path, (entry["mtime"], entry["mtime"]), follow_symlinks=False)
        return Recorded(open_store(root), scenario)

    return unpack


@pytest.fixture
def undeletable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be deleted once that is decided, as on a file system that has become read-only."""
    unlink = Disk.unlink

    def fails(disk: Disk, path: str) -> None:
        if "/.prunella/removing/" in path:
            raise OSError(errno.EROFS, "Read-only file system", path)
        unlink(disk, path)

    monkeypatch.setattr(Disk, "unlink", fails)


@pytest.fixture
def root(tmp_path: Path) -> str:
    """The store whose models a registry offers again."""
    return store_at(tmp_path / "store")


@pytest.fixture
def stub(root: str) -> Iterator[Stub]:
    """The server of that store."""
    with ollama_on(root, offers=dict(OFFERS)) as stub:
        yield stub


@pytest.fixture(autouse=True, scope="session")
def _one_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give whatever asks the system for a temporary folder one below that of the tests, which is removed with it."""
    folder = str(tmp_path_factory.mktemp("system"))
    with patch.dict(os.environ, TMPDIR=folder), patch.object(tempfile, "tempdir", folder):
        yield


@pytest.fixture(autouse=True)
def _reading_leaves_no_trace(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests read the weights to compare them, which would count as a use; those about the atime say so."""
    if "atime" not in request.fixturenames:
        monkeypatch.setattr("prunella_core.scan.keeps_atime", lambda _path: False)


@pytest.fixture
def atime() -> None:
    """Let the atime of weights count as their last use."""
