"""The review of a repair, and its work."""

import time
from collections.abc import Iterator

from msgspec.structs import replace
from textual import on
from textual.widgets import Button

from prunella_core.apply import World
from prunella_core.operations.repair import repair
from prunella_core.plan.repair import RepairPlan, RepairReceipt
from prunella_core.verify import VerifyProgress
from prunella_tui.app.screens.dialog import Dialog
from prunella_tui.app.screens.working import Cancelled, Report, Working
from prunella_tui.report.format import counted
from prunella_tui.report.repair import repair_lines
from prunella_tui.report.textual import Drawing
from prunella_tui.report.verify import progress_text


class RepairReview(Dialog[RepairPlan]):
    """Returns the plan when it was confirmed. Cancel has the focus."""

    def __init__(self, plan: RepairPlan) -> None:
        title = f"Repair {counted(len(plan.plans), 'model')}?" if plan.plans else "Repair"
        super().__init__(title, Drawing(repair_lines(plan)))
        self.plan = plan

    def buttons(self) -> Iterator[Button]:
        """Cancel, and the repair where there is one."""
        yield Button("Cancel" if self.plan.plans else "Back", id="back", compact=True)
        if self.plan.plans:
            yield Button("Repair", id="repair", compact=True, variant="warning")

    @on(Button.Pressed, "#repair")
    def _confirm(self) -> None:
        self.dismiss(self.plan)


def repairing(plan: RepairPlan, world: World) -> Working[RepairReceipt]:
    """Return the dialog that carries out ``plan``."""

    def job(report: Report, cancelled: Cancelled) -> RepairReceipt:
        began = time.monotonic()

        def advance(what: str, progress: VerifyProgress) -> None:
            report(progress.share, f"{what}: {progress_text(progress, time.monotonic() - began)}")

        return repair(plan, replace(world, cancelled=cancelled), advance)

    return Working("Repairing", job, stop="Cancel", stopping="Putting the damaged blobs back …")
