"""What signals mean while the command line works."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_Handler = Callable[[int, FrameType | None], None]


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
def _handled(handler: _Handler, *numbers: signal.Signals) -> Iterator[None]:
    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]  # not under nohup
    before = [signal.signal(number, handler) for number in heeded]
    try:
        yield
    finally:
        for number, former in zip(heeded, before, strict=True):
            signal.signal(number, former)
