"""One line on stderr that tells how far something is: on a terminal only, and only when it takes a while."""

import sys
import time

_PATIENCE_SECONDS = 0.5
_EVERY_SECONDS = 0.1


class Meter:
    """Counts patience from its making."""

    def __init__(self) -> None:
        self.is_drawn = False
        self._is_terminal = sys.stderr.isatty()
        self._next = time.monotonic() + _PATIENCE_SECONDS

    def tell(self, text: str) -> None:
        """Show ``text`` unless it is too early, or too soon after the last one."""
        if self._is_terminal and time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY_SECONDS
            self.is_drawn = True
            sys.stderr.write(f"\r{text} …\x1b[K")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self.is_drawn:
            self.is_drawn = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
