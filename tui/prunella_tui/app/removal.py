"""Runs a removal beside the screen. The thread only posts messages; it is never made exclusive, so it always ends."""

from typing import TYPE_CHECKING

from prunella_core.apply import Step, apply
from prunella_core.errors import PrunellaError
from prunella_core.plan import Plan
from prunella_core.text import clean
from prunella_tui.app.dialogs import Working
from prunella_tui.app.messages import RemovalRefused, Removed, Removing

if TYPE_CHECKING:
    from prunella_tui.app.browse import Browse


def remove(screen: "Browse", plan: Plan, dialog: Working) -> None:
    """Execute ``plan`` in a thread and post ``Removed`` or ``RemovalRefused`` to ``screen``."""

    def report(step: Step) -> None:
        screen.post_message(Removing(step))

    def run() -> None:
        try:
            receipt = apply(plan, screen.now, report=report, cancelled=lambda: dialog.is_cancelled)
        except PrunellaError as error:
            screen.post_message(RemovalRefused(str(error)))
        except OSError as error:
            where = clean(str(error.filename or plan.store.root))
            screen.post_message(RemovalRefused(f"{where}: {error.strerror}"))
        else:
            screen.post_message(Removed(receipt))

    screen.run_worker(run, thread=True, exit_on_error=True)
