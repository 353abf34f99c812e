"""Ollama's own server on a store, for ``ollama list``. It listens on loopback and is set to delete nothing."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator

_PATIENCE_SECONDS = 60.0


@contextlib.contextmanager
def serving(binary: str, store: str) -> Iterator[str]:
    """Run the server on ``store``; give its address. Raises RuntimeError if it does not start or changes the store."""
    port = _free_port()
    address = f"127.0.0.1:{port}"
    environment = {"OLLAMA_HOST": address, "OLLAMA_MODELS": store, "OLLAMA_NOPRUNE": "1", "OLLAMA_NO_CLOUD": "1"}
    quiet = subprocess.DEVNULL
    before = _names(store)
    process = subprocess.Popen([binary, "serve"], env={**os.environ, **environment}, stdout=quiet, stderr=quiet)
    try:
        _wait_for(process, port)
        yield address
    finally:
        process.terminate()
        process.wait()
    if _names(store) != before:
        raise RuntimeError(f"the server changed {store}: what was measured there after it started counts for nothing")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not answer on port {port}; it ended with {process.poll()}")


def _names(store: str) -> tuple[list[str], list[str]]:
    kept = [name for name in os.listdir(store) if not name.startswith(".")]
    return sorted(kept), sorted(os.listdir(os.path.join(store, "blobs")))
