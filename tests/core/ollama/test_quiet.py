"""Nothing is watched for a pull where no Ollama can be running; in doubt one is."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from prunella_core.ollama import server
from prunella_core.ollama.exchange import Address
from prunella_core.ollama.log import server_starts
from prunella_core.ollama.server import address, is_quiet


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

    monkeypatch.setattr(server, "address", read)
    monkeypatch.setattr(server, "_processes", lambda: ["systemd", "sh"])


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
    monkeypatch.setattr(server, "_processes", lambda: ["init", name])
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
        assert "ollama-here" in server._processes()
        process.stdin.close()


@pytest.mark.skipif(not os.path.isdir("/proc/1"), reason="not as Linux shows its processes")
def test_hidden_processes_are_in_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError):
        server._processes(str(tmp_path))
    monkeypatch.setattr(server, "_processes", lambda: quiet_in(tmp_path))
    assert not is_quiet(closed())


def quiet_in(folder: Path) -> list[str]:
    raise PermissionError(13, "not for you", str(folder))


def test_servers_that_run_say_when_they_were_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "clock_gettime", lambda _clock: 1_000.0)
    monkeypatch.setattr(time, "time", lambda: 1_790_000_000.0)
    ticks = os.sysconf("SC_CLK_TCK")
    for process, (name, arguments) in enumerate(
        [("ollama", "ollama\0serve\0"), ("ollama", "ollama\0runner\0--model\0x\0"), ("a) serve (b", "serve\0")], 1
    ):
        (tmp_path / str(process)).mkdir()
        fields = " ".join(["S", *"0" * 18, str(100 * process * ticks), "0"])
        (tmp_path / str(process) / "stat").write_text(f"{process} ({name}) {fields}\n")
        (tmp_path / str(process) / "cmdline").write_text(arguments)
    (tmp_path / "9").mkdir()
    assert list(server_starts(str(tmp_path))) == [1_789_999_100.0]
    assert list(server_starts(str(tmp_path / "nowhere"))) == []
