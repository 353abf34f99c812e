"""Ollama's own log, in files and in the journal: when it loaded which weights, when it started, on which store."""

import glob
import hashlib
import os
import re
import select
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from prunella_core.fs.caller import for_caller

_CHUNK = 1_000_000
_HEAD = 4_096
_LATEST = 1e10
"""Seconds since the epoch: a file can carry a time that no calendar has."""
_NEEDLES = (b"sha256", b"OLLAMA_MODELS:", b"Listening on ")
"""What the lines that matter have in common: looking for a word costs a tenth of looking for a pattern."""
_LOAD = re.compile(rb'msg="(?:loading model via llama-server|starting runner|starting llama server)"')
_LOADED = b"loaded meta data with "
_WEIGHTS = re.compile(rb"[/\\]blobs[/\\]{1,4}sha256[-:]([0-9a-f]{64})")
_BEFORE_PATH = (b"model=", b"--model ", b" from ")
_MODELS = re.compile(rb'OLLAMA_MODELS:(.*?)(?: OLLAMA_|[]"]|$)')
_VERSION = re.compile(rb"Listening on \S+ \(version ([^)\s]+)\)")
_TIME = re.compile(rb"time=(20[0-9T:.-]{17,28}(?:Z|[+-][0-9]{2}:[0-9]{2}))")


class Event(NamedTuple):
    """A line that matters: ``what`` is the digest of a load, the version of a start; ``store`` where it names one.

    ``loaded`` is a load as the library below says it, which the server itself may announce too.
    """

    kind: Literal["load", "loaded", "start", "store"]
    at: float
    """Seconds, UTC."""
    what: str = ""
    store: str = ""


def events_in(lines: bytes, before: float) -> tuple[list[Event], float]:
    """Return what matters in whole lines, and their last time; a line without one has that of the line ``before``."""
    found: dict[int, Event] = {}
    for needle in _NEEDLES:
        at = lines.find(needle)
        while at >= 0:
            start, end = lines.rfind(b"\n", 0, at) + 1, lines.find(b"\n", at)
            end = end if end >= 0 else len(lines)
            if event := event_of(lines[start:end], 0):
                found[start] = event._replace(at=_last_time(lines, end, before))
            at = lines.find(needle, end)
    return [found[start] for start in sorted(found)], _last_time(lines, len(lines), before)


def event_of(line: bytes, at: float) -> Event | None:
    """Return what a line says that was written ``at`` (seconds, UTC)."""
    if weights := _WEIGHTS.search(line):
        kind: Literal["load", "loaded"] | None = "load" if _LOAD.search(line) else "loaded" if _LOADED in line else None
        path = line[: weights.start()]
        store = path[max(path.rfind(word) + len(word) for word in _BEFORE_PATH) :].strip(b'"\\')
        return Event(kind, at, f"sha256:{weights[1].decode()}", os.fsdecode(store)) if kind else None
    if models := _MODELS.search(line):
        return Event("store", at, store=os.fsdecode(models[1]))
    version = _VERSION.search(line)
    return Event("start", at, version[1].decode(errors="replace")) if version else None


def _last_time(lines: bytes, end: int, before: float) -> float:
    if found := _TIME.match(lines, max(lines.rfind(b"time=20", 0, end), 0)):
        with suppress(ValueError):
            return datetime.fromisoformat(found[1].decode()).timestamp()
    return before


# Files


def log_files(root: str, home: str) -> list[str]:
    """Return the log files of the desktop apps and of Homebrew for the store at ``root``, the oldest first."""
    parent = os.path.dirname(root)
    windows = os.path.join(os.path.dirname(parent), "AppData", "Local", "Ollama")
    paths = ["/opt/homebrew/var/log/ollama.log", "/usr/local/var/log/ollama.log"]
    for folder in (os.path.join(parent, "logs"), os.path.join(home, ".ollama", "logs"), windows):
        paths += [os.path.join(folder, name) for name in glob.glob("server*.log", root_dir=folder)]
    found = {}
    for path in paths:
        with suppress(OSError):
            found[path] = os.stat(path).st_mtime
    return sorted(found, key=lambda path: found[path])


class Log:
    """A log file, read on from where it was left; known by its first line, whatever it is called by now."""

    def __init__(self, path: str) -> None:
        """Open the file at ``path``. Raises OSError."""
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        status = os.fstat(self.descriptor)
        self.size, self.written_at = status.st_size, min(status.st_mtime, _LATEST)
        first, end, _ = self._read(_HEAD, 0).partition(b"\n") if stat.S_ISREG(status.st_mode) else (b"", b"", b"")
        self.mark = hashlib.sha256(first).hexdigest()[:16] if end or len(first) == _HEAD else ""
        """Empty where there is no line yet."""

    def _read(self, count: int, offset: int) -> bytes:
        with suppress(OSError):  # gone from a network disk, or a bad one: that is where the log ends
            return os.pread(self.descriptor, count, offset)
        return b""

    def read(self, offset: int) -> Iterator[tuple[list[Event], int]]:
        """Yield the events of the next lines from ``offset`` on, and the offset behind them."""
        at = self.written_at
        while lines := self._read(_CHUNK, offset):
            whole = lines.rfind(b"\n") + 1
            if not whole and len(lines) < _CHUNK:  # the last line is being written
                return
            offset += whole or len(lines)
            events, at = events_in(lines[:whole], at)
            yield events, offset

    def close(self) -> None:
        os.close(self.descriptor)


# The journal


class _Entry(msgspec.Struct):
    cursor: str = msgspec.field(name="__CURSOR")
    realtime: str = msgspec.field(name="__REALTIME_TIMESTAMP")
    message: str | list[int] | None = msgspec.field(name="MESSAGE", default=None)


_DECODER = msgspec.json.Decoder(_Entry)


class Read(NamedTuple):
    """A part of the journal: its events, where it ends and when that was, and whether that is all there is."""

    events: list[Event]
    cursor: str
    until: float
    is_whole: bool
    has_gap: bool
    """Whether what came before is no longer there."""


def read_journal(cursor: str, seconds: float) -> Read:
    """Read what ollama's units wrote after ``cursor``, for up to ``seconds``. Raises OSError without a journal."""
    found = Read(*_read_journal(cursor, seconds))
    return found._replace(events=[Event(*event) for event in found.events])


@for_caller
def _read_journal(cursor: str, seconds: float) -> tuple[list[Event], str, float, bool, bool]:
    import subprocess

    # Which program that is, is looked up where it runs: nothing that the owner of a store says may run as root.
    command = ["journalctl", "--unit=*ollama*", "--output=json", "--output-fields=MESSAGE", "--no-pager", "--quiet"]
    command += [f"--cursor={cursor}"] if cursor else []
    events, reached, until, is_whole, has_gap = [], "", 0.0, False, False
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:  # noqa: S603 -- no shell
        assert run.stdout is not None
        for line in _lines(run.stdout.fileno(), time.monotonic() + seconds):
            is_whole = not line
            with suppress(msgspec.MsgspecError, ValueError):
                entry = _DECODER.decode(line)
                at = int(entry.realtime) / 1e6
                has_gap |= bool(cursor and not reached and entry.cursor != cursor)
                text = entry.message.encode() if isinstance(entry.message, str) else bytes(entry.message or [])
                if entry.cursor != cursor and (event := event_of(text, at)):
                    events.append(event)
                reached, until = entry.cursor, at
        run.kill()
    has_gap |= bool(cursor and is_whole and not reached)
    return events, reached if is_whole else reached or cursor, until, is_whole, has_gap


def _lines(pipe: int, deadline: float) -> Iterator[bytes]:
    """Yield what comes until the deadline, line by line, and an empty line at the end."""
    rest = b""
    while select.select([pipe], [], [], max(deadline - time.monotonic(), 0))[0]:
        block = os.read(pipe, 1 << 16)
        *lines, rest = (rest + block).split(b"\n")
        yield from filter(None, lines)
        if not block:
            yield b""
            return


def server_starts(folder: str = "/proc") -> Iterator[float]:
    """Yield when the servers that run on this machine were started (seconds, UTC), as far as ``/proc`` says."""
    for process in filter(str.isdigit, os.listdir(folder) if os.path.isdir(folder) else ()):
        path = f"{folder}/{process}"
        with suppress(OSError), open(f"{path}/stat", "rb") as file:
            name, _, numbers = file.read().rpartition(b") ")
            if b"(ollama" not in name:  # nearly always: of those no second file is opened
                continue
            with open(f"{path}/cmdline", "rb") as command:
                is_server = b"serve" in command.read().split(b"\0")
            if is_server:
                ticks = int(numbers.split()[19])
                yield time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")
