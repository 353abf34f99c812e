"""What a run says and hears: documents and tables on stdout, prose and progress on stderr, its exit code."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from types import FrameType
from typing import TYPE_CHECKING, Self, TextIO

from prunella_core.base.text import clean

if TYPE_CHECKING:
    from prunella_core.export.views import Document
    from prunella_tui.report.lines import Block

DONE, FAILED, USAGE, REFUSED, PARTLY, INTERRUPTED = 0, 1, 2, 3, 4, 130
"""The exit codes, on which scripts may rely; refused: a safety rule or the person said no, and nothing was changed."""
_PATIENCE_SECONDS = 0.5
_EVERY_SECONDS = 0.1


def open_streams() -> None:
    """Give closed streams a descriptor, so that no file gets theirs, and let no character fail."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # the lowest free number: this one; writing to it fails
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))
        stream = getattr(sys, name)
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def discard(stream: TextIO) -> None:
    """Send what is still buffered nowhere, or Python fails on it when it exits."""
    with suppress(OSError):  # no real file behind it: nothing is flushed to it at the exit either
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def present(document: "Callable[[], Document]", lines: "Callable[[], Iterable[Block]]") -> None:
    """Print what a command found: one document with ``--json``, else lines for people."""
    from prunella_tui.cli.options import is_set

    if not is_set("json"):
        show(lines())
        return
    from prunella_core.base.encoding import encode

    for piece in encode(document()):
        write(piece)


def show(blocks: "Iterable[Block]", *, on_stderr: bool = False) -> None:
    """Print for people: coloured and fitted on a terminal, plain and whole in a pipe."""
    stream = sys.stderr if on_stderr else sys.stdout
    if stream.isatty():
        from prunella_tui.report.rich import drawn

        text = drawn(blocks, stream)
    else:  # without rich: its import takes as long as the rest of a small store
        from prunella_tui.report.lines import line, plain

        text = plain([*blocks, line("")])
    write(text.encode(stream.encoding, "replace"), stream)


def write(data: bytes, stream: TextIO | None = None) -> None:
    """Write all of ``data``, by default to stdout: an unbuffered stream may write a part and not say so."""
    stream = stream or sys.stdout
    stream.flush()
    rest = memoryview(data)
    while rest:
        rest = rest[stream.buffer.write(rest) :]
    stream.buffer.flush()


def say(sentence: str) -> None:
    """Say something about the run on stderr; where that is closed or full, the exit code has to do."""
    _write_prose(clean(sentence) + "\n")


def complain(message: str) -> None:
    """Say in one line on stderr what went wrong."""
    say(f"prunella: {message}")


def _write_prose(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        discard(sys.stderr)


class Meter:
    """One line of progress on stderr: on a terminal only, only after a while, and gone at the end."""

    def __init__(self) -> None:
        self._is_drawn = False
        self._is_terminal = sys.stderr.isatty()
        self._next = time.monotonic() + _PATIENCE_SECONDS

    def show(self, text: str) -> None:
        """Show ``text`` unless it is too early, or too soon after the last one."""
        if self._is_terminal and time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY_SECONDS
            self._is_drawn = True
            _write_prose(f"\r{text} …\x1b[K")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._is_drawn:
            _write_prose("\r\x1b[K")


@contextmanager
def cancelling() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C, SIGTERM and SIGHUP into a question that an operation asks at its next safe point."""
    was_signalled = False

    def note(_number: int, _frame: FrameType | None) -> None:
        nonlocal was_signalled
        was_signalled = True

    with _handled(note, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        yield lambda: was_signalled


@contextmanager
def ending() -> Iterator[Callable[[], None]]:
    """Let SIGTERM and SIGHUP end the run like Ctrl-C does; what it yields makes the run ignore all three."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def ignore() -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)

    def end(number: int, _frame: FrameType | None) -> None:
        ignore()
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    with _handled(end, *numbers):
        yield ignore


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None], *numbers: signal.Signals) -> Iterator[None]:
    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]  # not under nohup
    before = [signal.signal(number, handler) for number in heeded]
    try:
        yield
    finally:
        for number, former in zip(heeded, before, strict=True):
            signal.signal(number, former)
