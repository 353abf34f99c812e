"""A verification on the command line: how far it is on stderr, and Ctrl-C to end it."""

import time
from collections.abc import Iterable

from prunella_core.inventory.records import Blob, Inventory
from prunella_core.verify import VerifyProgress, VerifyResult, verify_blobs
from prunella_tui.cli.meter import Meter
from prunella_tui.cli.signals import cancel_on_interrupt
from prunella_tui.report.verify import progress_text


def run(inventory: Inventory, blobs: Iterable[Blob], again: bool) -> VerifyResult:
    """Verify ``blobs``; ``again`` reads what an earlier run found sound too."""
    meter = Meter()
    begun = time.monotonic()

    def report(progress: VerifyProgress) -> None:
        meter.tell(f"verifying: {progress_text(progress, time.monotonic() - begun)}")

    try:
        with cancel_on_interrupt() as cancelled:
            return verify_blobs(inventory, blobs, again=again, report=report, cancelled=cancelled)
    finally:
        meter.clear()
