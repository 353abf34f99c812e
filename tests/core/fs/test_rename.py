"""A rename takes no other file's place."""

from contextlib import closing
from pathlib import Path

import pytest

from prunella_core.fs.disk import Disk


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.write_text("ours")
    theirs.write_text("theirs")
    with closing(Disk()) as disk, pytest.raises(FileExistsError):
        disk.move(str(ours), str(theirs))
    assert (ours.read_text(), theirs.read_text()) == ("ours", "theirs")


def test_a_free_name_is_taken(tmp_path: Path) -> None:
    (tmp_path / "ours").write_text("ours")
    with closing(Disk()) as disk:
        disk.move(str(tmp_path / "ours"), str(tmp_path / "new"))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"new": "ours"}
