"""What the workers tell the screens. Workers never touch a widget."""

from textual.message import Message

from prunella_core.apply import Step
from prunella_core.inventory import Inventory
from prunella_core.plan import Receipt
from prunella_core.scan import Progress


class ScanProgressed(Message):
    """A scan is on its way."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress

    def can_replace(self, message: Message) -> bool:
        """Only the newest count matters."""
        return isinstance(message, ScanProgressed)


class Scanned(Message):
    """A scan ended. ``generation`` tells a late result from the one that was asked for last."""

    def __init__(self, inventory: Inventory, generation: int) -> None:
        super().__init__()
        self.inventory = inventory
        self.generation = generation


class ScanFailed(Message):
    """A scan could not read the store at all."""

    def __init__(self, error: str, generation: int) -> None:
        super().__init__()
        self.error = error
        self.generation = generation


class Removing(Message):
    """A removal is on its way."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step

    def can_replace(self, message: Message) -> bool:
        """Only the newest count matters."""
        return isinstance(message, Removing)


class Removed(Message):
    """A removal ended, wholly or in part."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__()
        self.receipt = receipt


class RemovalRefused(Message):
    """A removal was refused; the store is as it was."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason
