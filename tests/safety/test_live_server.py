"""A real Ollama next to Prunella: what is restored, it lists, shows and copies. Needs ``PRUNELLA_OLLAMA``, a binary."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from prunella_core.ledger.memory import scan_store
from prunella_core.ollama.server import Server, connect
from prunella_core.operations.server import serves
from prunella_core.plan.records import Restore
from recordings import Recorded
from safety.real_ollama import stop
from stores import bring_back, broken_models, has_bytes, in_trash, of_ollama, open_store, plan_for, remove

BINARY = os.environ.get("PRUNELLA_OLLAMA", "")
pytestmark = pytest.mark.skipif(not shutil.which(BINARY or "/"), reason="PRUNELLA_OLLAMA names no binary")

Unpack = Callable[..., Recorded]


@contextmanager
def ollama(root: str, home: Path) -> Iterator[tuple[Server, Callable[..., str]]]:
    """Serve the store at ``root`` on a free port; yield the server, and its own command line."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
    environ = {
        "OLLAMA_HOST": host,
        "OLLAMA_MODELS": root,
        "OLLAMA_NO_CLOUD": "1",
        "OLLAMA_NOPRUNE": "1",
        "HOME": str(home),
        "PATH": os.environ["PATH"],
    }
    with ExitStack() as stack:
        log = stack.enter_context(open(home / "log", "wb"))
        process = subprocess.Popen([BINARY, "serve"], env=environ, stdout=log, stderr=log)
        stack.callback(stop, process)

        def call(*arguments: str) -> str:
            run = subprocess.run([BINARY, *arguments], env=environ, check=True, capture_output=True, text=True)
            return run.stdout

        yield wait_for(environ, process), call


def wait_for(environ: dict[str, str], process: "subprocess.Popen[Any]") -> Server:
    for _ in range(200):
        assert process.poll() is None, "the server ended by itself"
        if server := connect(environ):
            return server
        time.sleep(0.05)
    raise AssertionError("the server does not come up")


@pytest.mark.parametrize("scenario", ["rm-shared", "rm-alias", "cp-over"])
def test_a_restored_model_is_one_for_the_server(recorded: Unpack, tmp_path: Path, scenario: str) -> None:
    recording = recorded(scenario)
    root, now = recording.store.root, recording.now
    before = of_ollama(root)
    (tmp_path / "home").mkdir()
    with ollama(root, tmp_path / "home") as (server, call):
        everything = server.models()
        assert serves(server, scan_store(open_store(root), now))
        for name in sorted(everything):
            entry = remove(root, name, now=now)
            assert server.models() == {other: everything[other] for other in everything if other != name}
            bring_back(root, entry, now=now)
            assert server.models() == everything
            assert call("show", name)
        assert of_ollama(root) == before

        name = sorted(everything)[0]
        entry = remove(root, name, now=now)
        bring_back(root, entry, name, under="brought/back:v1", now=now)
        call("cp", "brought/back:v1", "copied")
        assert server.models()["copied:latest"] == everything[name]
        server.delete("copied:latest")
        assert "copied:latest" not in server.models()
        assert broken_models(root) == {}


def test_what_the_server_deletes_meanwhile_is_said_to_be_missing(recorded: Unpack, tmp_path: Path) -> None:
    """The server knows nothing of the trash: what a model there shares with live ones goes with the last of those."""
    recording = recorded("rm-shared")
    root, now = recording.store.root, recording.now
    (tmp_path / "home").mkdir()
    with ollama(root, tmp_path / "home") as (server, _call):
        everything = server.models()
        first, *others = sorted(everything)
        needed = set(scan_store(open_store(root), now).model_by_name[first].needs)
        entry = remove(root, first, now=now)
        for name in others:
            server.delete(name)
        assert server.models() == {}
        plan = plan_for(root, Restore(entry=entry.id), now)
        assert set(plan.missing) == {digest for digest in needed if not has_bytes(root, digest)} - in_trash(root)
        if not plan.missing:
            bring_back(root, entry, now=now)
            assert server.models() == {first: everything[first]}
