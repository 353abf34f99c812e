"""Nothing is watched for a pull where no Ollama can be running; in doubt one is."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from prunella_core.ollama import quiet
from prunella_core.ollama.client import Address, address
from prunella_core.ollama.quiet import is_quiet


def closed() -> dict[str, str]:
    """An address of this machine where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return {"OLLAMA_HOST": f"127.0.0.1:{listener.getsockname()[1]}"}


@pytest.fixture(autouse=True)
def _usual_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever runs on this machine must not matter."""
    elsewhere = address(closed())

    def read(environ: dict[str, str]) -> Address:
        return address(environ) if environ else elsewhere

    monkeypatch.setattr(quiet, "address", read)
    monkeypatch.setattr(quiet, "_processes", lambda: ["systemd", "sh"])


def test_nothing_listens_and_nothing_runs() -> None:
    assert is_quiet(closed())


def test_something_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not is_quiet({"OLLAMA_HOST": f"127.0.0.1:{listener.getsockname()[1]}"})


@pytest.mark.parametrize("host", ["[::1", "a b"])
def test_an_address_that_is_none_is_in_doubt(host: str) -> None:
    assert not is_quiet({"OLLAMA_HOST": host})


@pytest.mark.parametrize("name", ["ollama", "Ollama", ".ollama-wrapped"])
def test_a_process_is_called_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "_processes", lambda: ["init", name])
    assert not is_quiet(closed())


def test_processes_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    program = shutil.copy(shutil.which("cat") or "", tmp_path / "ollama-here")
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"ready\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"ready\n"  # it bears its name by now
        assert "ollama-here" in quiet._processes()
        process.stdin.close()


@pytest.mark.skipif(not os.path.isdir("/proc/1"), reason="not as Linux shows its processes")
def test_hidden_processes_are_in_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError):
        quiet._processes(str(tmp_path))
    monkeypatch.setattr(quiet, "_processes", lambda: quiet_in(tmp_path))
    assert not is_quiet(closed())


def quiet_in(folder: Path) -> list[str]:
    raise PermissionError(13, "not for you", str(folder))
