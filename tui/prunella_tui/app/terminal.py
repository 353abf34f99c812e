"""The terminal: drawn on even when errors go elsewhere, and noticed when it goes away."""

import os
import select
import sys
from typing import Any, TextIO

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL
_LOOK_SECONDS = 0.25


def is_gone(fileno: int) -> bool:
    """Whether the terminal behind a descriptor has gone away."""
    poll = select.poll()
    poll.register(fileno, 0)
    return any(events & _GONE for _fileno, events in poll.poll(0))


class _Screen:
    """Where the application is drawn. Once the terminal is gone, what is written gets lost."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        """Write, if there is still something to write to."""
        try:
            self._file.write(text)
        except OSError:
            if not is_gone(self._file.fileno()):
                raise

    def flush(self) -> None:
        """As ``write``."""
        try:
            self._file.flush()
        except OSError:
            if not is_gone(self._file.fileno()):
                raise

    def fileno(self) -> int:
        """The descriptor that is written to."""
        return self._file.fileno()


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
