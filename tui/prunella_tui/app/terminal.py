"""The terminal: drawn on even when errors go elsewhere, noticed when it goes away; and an orderly end in any case."""

import asyncio
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TextIO, TypeVar

from textual import on, work
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import LineFilter
from textual.message import Message

from prunella_tui.app.contrast import Contrast

_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL
_LOOK_SECONDS = 0.25
_HUNG_UP = 129

Result = TypeVar("Result")


def is_gone(fileno: int) -> bool:
    """Whether the terminal behind a descriptor has gone away."""
    poll = select.poll()
    poll.register(fileno, 0)
    return any(events & _GONE for _fileno, events in poll.poll(0))


class _Screen:
    """Where the application is drawn. Once the terminal is gone, what is written gets lost."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.fileno = file.fileno

    def write(self, text: str) -> None:
        self._try(self._file.write, text)

    def flush(self) -> None:
        self._try(self._file.flush)

    def _try(self, call: Callable[..., object], *arguments: str) -> None:
        try:
            call(*arguments)
        except OSError:
            if not is_gone(self.fileno()):
                raise


class Terminal(LinuxDriver):
    """Textual's driver, which draws on stderr, spins at the end of its input, and panics when that cannot be read."""

    class Gone(Message):
        """The terminal went away, whatever signals came or did not."""

    def __init__(self, app: App[object], **options: Any) -> None:
        super().__init__(app, **options)
        if sys.__stderr__ and sys.__stdout__:
            self._file = _Screen(sys.__stderr__ if os.isatty(2) else sys.__stdout__)  # type: ignore[assignment]

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self._app.set_interval(_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        if is_gone(self.fileno) and not self.exit_event.is_set():
            self.exit_event.set()  # ends the thread that reads keys
            self._app.post_message(self.Gone())

    def _run_input_thread(self) -> None:
        try:
            self.run_input_thread()
        except OSError:
            if not is_gone(self.fileno):
                raise


class Ending(App[Result]):
    """An application that ends in good order, whether a key, a signal or its terminal ends it."""

    def __init__(self, theme: str | None, css_path: str | None = None) -> None:
        super().__init__(driver_class=Terminal, css_path=css_path)
        self._contrast = Contrast()
        self._first_theme = theme
        self._main_loop: asyncio.AbstractEventLoop | None = None

    def on_load(self) -> None:
        self._main_loop = asyncio.get_running_loop()
        if self._first_theme:
            self.theme = self._first_theme

    def get_line_filters(self) -> list[LineFilter]:
        """One, which does what Textual's do and then its own: every filter copies every line."""
        self._contrast.before = super().get_line_filters()
        return [self._contrast]

    async def action_quit(self) -> None:
        self.end(0)

    @on(Terminal.Gone)
    def _hang_up(self) -> None:
        self.end(_HUNG_UP)

    def end_soon(self, code: int) -> bool:
        """Leave with an exit code as soon as that can be done, called from a signal; return whether it will."""
        loop = self._main_loop
        if loop is None or loop.is_closed():
            return False
        loop.call_soon_threadsafe(lambda: self.end(code) if self.is_running else None)
        return True

    @work(exclusive=True, group="end")
    async def end(self, code: int) -> None:
        """Leave with an exit code. What is under way is undone before its decision, and finished after it."""
        from prunella_tui.app.screens.working import Working

        for screen in self.screen_stack:
            if isinstance(screen, Working):
                screen.is_cancelled = True
                await screen.over.wait()
        self.exit(return_code=code)


@contextmanager
def ending_on_signals(app: Ending[Any]) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP end the application in good order."""

    def end(number: int, _frame: FrameType | None) -> None:
        if not app.end_soon(128 + number):
            raise SystemExit(128 + number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, end) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
