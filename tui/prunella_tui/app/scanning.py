"""Reads the store beside the screen, and lets it be seen on the way."""

import gc
import time
from typing import TYPE_CHECKING

from prunella_core.base.text import clean
from prunella_core.ollama.client import loaded_here
from prunella_core.scan import Progress
from prunella_tui.app.messages import ScanFailed, Scanned, ScanProgressed, ScanStopped
from prunella_tui.app.tabs import glance_of, view_of

if TYPE_CHECKING:
    from prunella_tui.app.look import Look

_PAUSE_SECONDS = 0.25
_COUNT_SECONDS = 0.1
_MANY = 5_000
"""Blobs for which it takes a while until all is reckoned that may be asked for."""
_SHARE = 4
"""To look at a part may take a quarter of the time of the scan, and no more."""


class _Stopped(Exception):
    """Nobody waits for this scan any more."""


def read_store(screen: "Look", generation: int) -> None:
    """Scan the store of ``screen``, as the one that it asked for as number ``generation``. Runs in a thread."""
    glance = _Glance(screen, generation)
    setup = screen.setup
    try:
        found = setup.survey(glance.report)
    except _Stopped:
        screen.post_message(ScanStopped(generation))
    except OSError as error:
        where = clean(str(error.filename or screen.store.root))
        screen.post_message(ScanFailed(f"{where}: {error.strerror}", generation))
    else:
        gc.freeze()  # what was found stays until the next scan, so the collector need not go through it at every pause
        if len(found.rows.users) > _MANY:
            screen.post_message(Scanned(glance_of(found, setup.retention, screen.tab.id), None, generation))
        screen.post_message(Scanned(view_of(found, setup.retention, noprune=setup.noprune), None, generation))
        if server := setup.connect():
            loaded = loaded_here(server, found) or frozenset()
            screen.post_message(
                Scanned(view_of(found, setup.retention, loaded, noprune=setup.noprune), server, generation)
            )


class _Glance:
    """Shows what a scan knows: at once, and then again as often as it does not hold the scan up."""

    def __init__(self, screen: "Look", generation: int) -> None:
        self.screen = screen
        self.generation = generation
        self._next = 0.0
        self._next_count = 0.0

    def report(self, progress: Progress) -> None:
        """Tell how far the scan is. Raises _Stopped when nobody waits for it."""
        if self.screen.is_left:
            raise _Stopped
        is_wanted = self.generation == self.screen.wanted_scan
        now = time.monotonic()
        if now >= self._next or not is_wanted:
            view = glance_of(progress.so_far(), self.screen.setup.retention, self.screen.tab.id)
            self.screen.post_message(Scanned(view, None, self.generation))
            taken = time.monotonic() - now
            self._next = now + taken + max(_PAUSE_SECONDS, _SHARE * taken)
        if not is_wanted:
            raise _Stopped
        if now >= self._next_count:
            self._next_count = now + _COUNT_SECONDS
            self.screen.post_message(ScanProgressed(progress, self.generation))
