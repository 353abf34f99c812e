"""Runs the command line in every way people do: in this process, in one of its own, in a pipe and on a terminal."""

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO, TextIOWrapper
from typing import Any, NamedTuple
from unittest.mock import patch

from prunella_core.sample import StoreBuilder
from prunella_tui.__main__ import run as main
from stores import small_store, tree

HOUR = 3_600
DAY = 24 * HOUR
_PATIENCE = 20.0
ENVIRONMENT = {
    "PATH": os.environ.get("PATH", ""),
    "HOME": "/nonexistent",
    "XDG_CONFIG_HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "TERM": "xterm-256color",
    "PRUNELLA_SETTLE": "0",
    "PRUNELLA_NO_LOG": "1",
}
"""What the tests' own environment says must not matter."""


class Result(NamedTuple):
    """How a run ended, and the bytes that it printed."""

    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """What went to stdout."""
        return self.out.decode()

    @property
    def complaint(self) -> str:
        """What went to stderr."""
        return self.err.decode()

    @property
    def document(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)


def call(
    *arguments: str, store: str | None = None, now: float | None = None, environment: Mapping[str, str] | None = None
) -> Result:
    """Run the command line in this process, with no terminal anywhere."""
    out, err = (TextIOWrapper(BytesIO(), encoding="utf-8", write_through=True) for _stream in range(2))
    with contextlib.ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, {**ENVIRONMENT, **(environment or {})}, clear=True))
        stack.enter_context(patch.multiple(sys, stdin=TextIOWrapper(BytesIO()), stdout=out, stderr=err))
        if now is not None:
            stack.enter_context(patch("time.time", return_value=now))
        code = main([*_named(store), *arguments])
    return Result(code, _written(out), _written(err))


def run(*arguments: str, store: str | None = None, **options: Any) -> Result:
    """Run the command line as a process of its own; stdin is empty."""
    environment = {**ENVIRONMENT, **options.pop("environment", {})}
    command = [*program(), *_named(store), *arguments]
    ended = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_PATIENCE,
        check=False,
        **options,
    )
    return Result(ended.returncode, ended.stdout, ended.stderr)


def program() -> list[str]:
    """The command that starts Prunella."""
    return [sys.executable, "-m", "prunella_tui"]


class Terminal:
    """A run on a terminal of its own: what it shows can be waited for, and answered."""

    def __init__(
        self,
        *arguments: str,
        store: str | None = None,
        size: tuple[int, int] = (80, 24),
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        self.screen = ""
        self._decode = getincrementaldecoder("utf-8")(errors="replace").decode
        self._mine, theirs = pty.openpty()
        sizes = {"COLUMNS": str(size[0]), "LINES": str(size[1])}
        self.process = subprocess.Popen(
            [*(command or program()), *_named(store), *arguments],
            env={**ENVIRONMENT, **sizes, **(environment or {})},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def wait_for(self, text: str) -> None:
        """Read until ``text`` has been shown."""
        self.wait_for_match(re.escape(text))

    def wait_for_match(self, pattern: str) -> None:
        """Read until what has been shown matches."""
        until = time.monotonic() + _PATIENCE
        while not re.search(pattern, self.screen):
            assert time.monotonic() < until, self.screen
            if not self._read():
                raise AssertionError(f"it ended without {pattern!r}: {self.screen}")

    def type(self, line: str) -> None:
        """Type a line and press Enter."""
        self.press(line + "\n")

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._mine, keys.encode())

    def hang_up(self) -> None:
        """Close the terminal, as a window does."""
        os.close(self._mine)

    def end(self) -> int:
        """Read until it ends, and return its exit code."""
        while self._read():
            pass
        os.close(self._mine)
        return self.process.wait(_PATIENCE)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._mine], [], [], _PATIENCE)
        assert ready, self.screen
        try:
            chunk = os.read(self._mine, 65_536)
        except OSError:  # Linux says so when the other side is gone
            return False
        self.screen += self._decode(chunk).replace("\r\n", "\n")
        return bool(chunk)


def make_store(root: object) -> StoreBuilder:
    """The small store as of now: everything is 30 days old."""
    configs = ({"model_family": "llama"}, {"model_type": "2B"}, {"file_type": "Q4_0"})
    return small_store(str(root), time.time(), 30 * DAY, configs)


def model_names(store: str) -> list[str]:
    """The names that ``ls`` prints, sorted."""
    return sorted(call("ls", "-q", store=store).text.split())


def digest_of(store: str, state: str) -> str:
    """The digest of the only blob in ``state``, without ``sha256:``."""
    rows = call("blobs", "--state", state, "--json", store=store).document["blobs"]
    (digest,) = {row["digest"] for row in rows}
    return str(digest).removeprefix("sha256:")


def control_bytes(printed: bytes) -> set[int]:
    """The bytes in ``printed`` that would move a terminal rather than show in it."""
    return {byte for byte in re.sub(rb"\n", b"", printed) if byte < 0x20 or byte == 0x7F}


def _named(store: str | None) -> Sequence[str]:
    return ["--store", store] if store is not None else []


def _written(stream: TextIOWrapper) -> bytes:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, BytesIO)
    return buffer.getvalue()


@contextlib.contextmanager
def heeding_ctrl_c() -> Iterator[None]:
    """Processes that are started inside heed SIGINT, also where a shell in the background made us ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def snapshot_guard(root: str) -> Iterator[None]:
    """Whatever happens inside must leave the store as it was."""
    before = tree(root)
    yield
    assert tree(root) == before
