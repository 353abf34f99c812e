"""What is done beside the screen. The threads only post messages; none is exclusive, so that what began also ends."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from prunella_core.apply import Step
from prunella_core.base.errors import PrunellaError
from prunella_core.base.text import clean
from prunella_core.ollama.client import Server
from prunella_core.operations.carry_out import World, carry_out
from prunella_core.plan.records import Plan
from prunella_core.store.locate import Store
from prunella_tui.app.dialogs import Working
from prunella_tui.app.messages import Done, Refusal, Stepped

if TYPE_CHECKING:
    from prunella_tui.app.browse import Browse


def run(screen: "Browse", plan: Plan, dialog: Working, server: Server | None) -> None:
    """Carry ``plan`` out in a thread; ``server`` deletes what a plan for it names, else it unloads the models."""

    def work() -> None:
        setup = screen.setup
        world = World(
            now=setup.now,
            server=server,
            retention=setup.retention if setup.collects else None,
            report=report,
            cancelled=lambda: dialog.is_cancelled,
        )
        receipt = carry_out(plan, world)
        screen.post_message(Done(receipt, receipt.expired, receipt.notes))

    def report(step: Step) -> None:
        screen.post_message(Stepped(step))

    _in_a_thread(screen, plan.store, work)


def _in_a_thread(screen: "Browse", store: Store, work: Callable[[], None]) -> None:
    def guarded() -> None:
        try:
            work()
        except PrunellaError as error:
            screen.post_message(Refusal(str(error)))
        except OSError as error:
            screen.post_message(Refusal(f"{clean(str(error.filename or store.root))}: {error.strerror}"))

    screen.run_worker(guarded, thread=True)
