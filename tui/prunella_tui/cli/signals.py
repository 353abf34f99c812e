"""What a signal means while the command line works."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def cancel_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C into a question that an operation asks at its next safe point."""
    was_pressed = False

    def press(_number: int, _frame: FrameType | None) -> None:
        nonlocal was_pressed
        was_pressed = True

    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: was_pressed
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def end_on_hang_up() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the run like Ctrl-C does, so that what is temporary is removed."""
    numbers = (signal.SIGTERM, signal.SIGHUP)

    def end(number: int, _frame: FrameType | None) -> None:
        for each in numbers:  # a second one must not interrupt the tidying up
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    before = [signal.signal(number, end) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
