"""The server named by ``PRUNELLA_OLLAMA``, on a free port of the loopback interface."""

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

BINARY = os.environ.get("PRUNELLA_OLLAMA", "")


class Serving(NamedTuple):
    """A server that answers: its address, its process, and the environment for its own command line."""

    url: str
    process: int
    environ: Mapping[str, str]


@contextmanager
def serving(root: str | Path, home: str | Path, **environment: str) -> Iterator[Serving]:
    """Serve the store at ``root``; when it answers, its start-up prune is over."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
    environ = {
        "OLLAMA_HOST": host,
        "OLLAMA_MODELS": str(root),
        "OLLAMA_NO_CLOUD": "1",
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        **environment,
    }
    with open(Path(home, "log"), "ab") as log:
        process = subprocess.Popen([BINARY, "serve"], env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for(f"http://{host}/api/version", process)
        yield Serving(f"http://{host}", process.pid, environ)
    finally:
        stop(process)


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the server answers."""
    for _ in range(600):
        assert process.poll() is None, "the server ended by itself"
        with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            answer.read()
            return
        time.sleep(0.02)
    raise AssertionError("the server does not come up")


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a server, by force when it does not listen."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
