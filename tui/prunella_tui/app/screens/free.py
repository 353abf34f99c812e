"""Asks how much space to free, and shows what would be deleted for it while an amount is typed."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from prunella_core.advice.free import Proposal, propose
from prunella_core.advice.free.goals import to_free
from prunella_core.base.errors import InvalidInput
from prunella_core.inventory.records import Inventory
from prunella_tui.app.screens.dialog import Dialog
from prunella_tui.report.lines import Block, line
from prunella_tui.report.proposal import left_out, shortfall, summary
from prunella_tui.report.textual import Drawing

_HINT = line(("50GB frees that much; 20% frees until that much of the disk is free", "quiet"))
_PAUSE_SECONDS = 0.05
"""Letters that follow each other more quickly make one amount."""


class FreeDialog(Dialog[Proposal]):
    """Returns the proposal that is to be marked. ``now`` returns the time (seconds, UTC)."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back", show=False)]

    def __init__(self, inventory: Inventory, now: Callable[[], float], loaded: Collection[str] = ()) -> None:
        super().__init__("Free how much space?")
        self.inventory = inventory
        self.now = now
        self.loaded = loaded
        self.proposal: Proposal | None = None
        """What can be marked."""

    def body(self) -> Iterator[Widget]:
        """The amount, and what it means."""
        yield Input(placeholder="50GB", id="amount", compact=True, max_length=40)
        yield Static(Drawing([_HINT]), id="preview")

    def buttons(self) -> Iterator[Button]:
        """Cancel, and to mark what is suggested."""
        yield Button("Cancel", id="back", compact=True)
        yield Button("Mark this", id="mark", compact=True, disabled=True)

    @on(Input.Changed, "#amount")
    @work(exclusive=True)
    async def _follow(self, event: Input.Changed) -> None:
        self._show(None, [_HINT])
        await asyncio.sleep(_PAUSE_SECONDS)
        try:
            target = to_free(self.inventory, event.value)
        except InvalidInput:  # half typed
            return
        proposal = await asyncio.to_thread(partial(propose, self.inventory, target, self.now(), loaded=self.loaded))
        self._show(proposal, preview(proposal))

    def _show(self, proposal: Proposal | None, blocks: Iterable[Block]) -> None:
        self.proposal = proposal if proposal and proposal.is_met and proposal.items else None
        self.query_one("#preview", Static).update(Drawing(blocks))
        self.query_one("#mark", Button).disabled = self.proposal is None

    @on(Input.Submitted, "#amount")
    @on(Button.Pressed, "#mark")
    def _accept(self) -> None:
        if self.proposal:
            self.dismiss(self.proposal)


def preview(proposal: Proposal) -> Iterator[Block]:
    """What would be deleted, and what is left out."""
    yield line((summary(proposal), "strong") if proposal.is_met else (shortfall(proposal), "warning"))
    if proposal.target:
        yield from (line((f"Left out: {sentence}", "quiet")) for sentence, _guard in left_out(proposal))
