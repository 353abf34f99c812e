"""The sample store: written where it is asked for, and gone when it was only lent."""

import os
import signal
import tempfile
from pathlib import Path
from unittest.mock import patch

import pytest

from commandline import call, heeding_ctrl_c
from prunella_tui.app.scanning import Setup


def test_a_sample_to_keep(tmp_path: Path) -> None:
    result = call("demo", "--dir", str(tmp_path / "sample"))
    assert (result.code, result.text) == (0, f"{tmp_path}/sample\n")
    assert call("ls", "--json", store=result.text.strip()).document["totals"]["models"] > 20


def test_it_is_not_written_over_anything(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    result = call("demo", "--dir", str(tmp_path))
    assert result.code == 2
    assert "is not empty" in result.complaint
    assert os.listdir(tmp_path) == ["mine"]


@pytest.mark.parametrize(
    ("number", "code"), [(None, 0), (signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_it_is_removed_afterwards(tmp_path: Path, number: signal.Signals | None, code: int) -> None:
    """However the application ends."""
    seen: list[str] = []
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]

    def run_app(setup: Setup) -> int:
        assert (setup.is_sample, setup.theme) == (True, "nord")
        assert os.path.isdir(setup.store.blobs)
        seen.append(setup.store.root)
        if number is not None:
            os.kill(os.getpid(), number)
        return 0

    with (
        heeding_ctrl_c(),
        patch("prunella_tui.app.app.run_app", run_app),
        patch("prunella_tui.cli.root.require_terminal"),
        patch("prunella_tui.cli.more.require_terminal"),
        patch.object(tempfile, "tempdir", str(tmp_path)),
    ):
        assert call("--theme", "nord", "demo").code == code
    assert len(seen) == 1
    assert os.path.basename(seen[0]).startswith("prunella-demo-")
    assert os.listdir(tmp_path) == []
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == handlers


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_closing_the_terminal_while_it_is_removed_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    remove = tempfile.TemporaryDirectory.cleanup

    def interrupted(folder: tempfile.TemporaryDirectory[str]) -> None:
        os.kill(os.getpid(), number)
        remove(folder)

    with (
        heeding_ctrl_c(),
        patch("prunella_tui.app.app.run_app", return_value=0),
        patch("prunella_tui.cli.root.require_terminal"),
        patch("prunella_tui.cli.more.require_terminal"),
        patch.object(tempfile, "tempdir", str(tmp_path)),
        patch.object(tempfile.TemporaryDirectory, "cleanup", interrupted),
    ):
        assert call("demo").code == 0
    assert os.listdir(tmp_path) == []
