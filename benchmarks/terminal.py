"""A program in a terminal, as a person sees it: keys go in, frames come out, and each has its time."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

COLUMNS, LINES = 120, 40
_STILL_SECONDS = 0.08
"""A frame is over when nothing has been written for so long."""
_PATIENCE_SECONDS = 60.0
_ESCAPES = re.compile(rb"\x1b\[[0-9;?<>=]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b[=>]")


class Terminal:
    """Runs ``command`` in a terminal of 120 columns and 40 lines. Times are seconds since it was started."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self.written = b""

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        self._process, self._end = pty.fork()
        if self._process == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", LANG="C.UTF-8")
            os.execvp(self.command[0], list(self.command))
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        os.close(self._end)

    def until(self, *texts: str) -> float:
        """Wait until every one of ``texts`` has been written; return when that was. Raises TimeoutError."""
        wanted = [text.encode() for text in texts]
        while True:
            shown = _ESCAPES.sub(b"", self.written)
            if all(text in shown for text in wanted):
                return self._last
            if not self._read(_PATIENCE_SECONDS):
                raise TimeoutError(f"{' '.join(texts)} never came; the last was {shown[-400:]!r}")

    def until_still(self) -> float:
        """Wait until something is written, and then nothing more; return when the last was. Raises TimeoutError."""
        if not self._read(_PATIENCE_SECONDS):
            raise TimeoutError("nothing is drawn, or the program has ended")
        while self._read(_STILL_SECONDS):
            pass
        return self._last

    def rest(self, seconds: float) -> None:
        """Read until nothing has been written for ``seconds``."""
        while self._read(seconds):
            pass

    def press(self, key: str) -> float:
        """Press ``key`` and return how long it took until the screen stood still again (seconds)."""
        self.written = b""
        pressed = time.perf_counter() - self._began
        os.write(self._end, key.encode())
        return self.until_still() - pressed

    def _read(self, patience: float) -> bool:
        if not select.select([self._end], [], [], patience)[0]:
            return False
        try:
            data = os.read(self._end, 1 << 20)
        except OSError:  # the program has ended
            return False
        self._last = time.perf_counter() - self._began
        self.written += data
        return bool(data)
