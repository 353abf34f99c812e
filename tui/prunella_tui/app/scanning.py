"""Reads the store in a thread, and reports on the way."""

import time
from typing import TYPE_CHECKING

from prunella_core.base.errors import Cancelled
from prunella_core.base.text import clean
from prunella_core.ollama.client import loaded_here
from prunella_core.scan import Progress, Report
from prunella_tui.app.messages import ScanFailed, Scanned, ScanProgressed, ScanStopped
from prunella_tui.app.tabs import view_of

if TYPE_CHECKING:
    from prunella_tui.app.look import Look

_COUNT_SECONDS = 0.1


def read_store(screen: "Look", generation: int) -> None:
    """Scan the store of ``screen``, as the one that it asked for as number ``generation``. Runs in a thread."""
    setup = screen.setup
    try:
        found = setup.survey(_reporter(screen, generation), lambda: generation != screen.wanted_scan)
    except Cancelled:
        screen.post_message(ScanStopped(generation))
    except OSError as error:
        where = clean(str(error.filename or screen.store.root))
        screen.post_message(ScanFailed(f"{where}: {error.strerror}", generation))
    else:
        screen.post_message(Scanned(view_of(found, setup.retention, noprune=setup.noprune), None, generation))
        if server := setup.connect():
            loaded = loaded_here(server, found) or frozenset()
            screen.post_message(
                Scanned(view_of(found, setup.retention, loaded, noprune=setup.noprune), server, generation)
            )


def _reporter(screen: "Look", generation: int) -> Report:
    next_count = 0.0

    def report(progress: Progress) -> None:
        nonlocal next_count
        now = time.monotonic()
        if now >= next_count:
            next_count = now + _COUNT_SECONDS
            screen.post_message(ScanProgressed(progress, generation))

    return report
