"""What really happened."""

from prunella_core.plan.records import Receipt
from prunella_tui.app.plantext import receipt_text, receipt_title
from prunella_tui.app.screens.dialog import Dialog


class Result(Dialog[None]):
    """Measured and expected sizes, how to undo it, and everything that went otherwise."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(receipt_title(receipt), receipt_text(receipt), is_dangerous=not receipt.done)
        self.receipt = receipt
