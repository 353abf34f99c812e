"""What really happened."""

from prunella_core.plan.records import Receipt
from prunella_tui.app.screens.dialog import Dialog
from prunella_tui.report.plan import receipt_lines, receipt_title
from prunella_tui.report.textual import Drawing
from prunella_tui.report.ways import KEYS


class Result(Dialog[None]):
    """Measured and expected sizes, how to undo it, and everything that went otherwise."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(receipt_title(receipt), Drawing(receipt_lines(receipt, KEYS)), is_dangerous=not receipt.done)
        self.receipt = receipt
