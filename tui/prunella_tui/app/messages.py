"""What the workers tell the screens. Workers never touch a widget."""

from typing import TYPE_CHECKING

from textual.message import Message

from prunella_core.ollama.client import Server
from prunella_core.plan.records import Receipt
from prunella_core.scan import Progress
from prunella_tui.app.tabs import View

if TYPE_CHECKING:
    from prunella_core.apply import Step


class ScanProgressed(Message):
    """A scan is on its way."""

    def __init__(self, progress: Progress, generation: int) -> None:
        super().__init__()
        self.progress = progress
        self.generation = generation

    def can_replace(self, message: Message) -> bool:
        """Only the newest count matters."""
        return isinstance(message, ScanProgressed)


class Scanned(Message):
    """A scan ended. ``generation`` tells a late result from that of the scan that was asked for last."""

    def __init__(self, view: View, server: Server | None, generation: int) -> None:
        super().__init__()
        self.view = view
        self.server = server
        self.generation = generation


class ScanStopped(Message):
    """A scan was cancelled."""

    def __init__(self, generation: int) -> None:
        super().__init__()
        self.generation = generation


class ScanFailed(Message):
    """A scan could not read the store at all."""

    def __init__(self, error: str, generation: int) -> None:
        super().__init__()
        self.error = error
        self.generation = generation


class Stepped(Message):
    """A removal or restore is on its way."""

    def __init__(self, step: "Step") -> None:
        super().__init__()
        self.step = step

    def can_replace(self, message: Message) -> bool:
        """Only the newest count matters."""
        return isinstance(message, Stepped)


class Done(Message):
    """A removal or restore ended, wholly or in part; ``collected`` is what had expired in the trash."""

    def __init__(self, receipt: Receipt, collected: Receipt | None, notes: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.receipt = receipt
        self.collected = collected
        self.notes = notes


class Refusal(Message):
    """Nothing was done, and why."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class MarkedOnMap(Message):
    """Somebody marked or unmarked rows of one tab, on the map."""

    def __init__(self, tab: str, keys: frozenset[str], is_marked: bool) -> None:
        super().__init__()
        self.tab = tab
        self.keys = keys
        self.is_marked = is_marked
