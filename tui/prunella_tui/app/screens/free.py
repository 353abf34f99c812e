"""Asks how much space to free, and shows what would be deleted for it while one types."""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from prunella_core.advice.free import Proposal, propose
from prunella_core.advice.free.goals import to_free
from prunella_core.base.errors import InvalidInput
from prunella_core.inventory.records import Inventory
from prunella_tui.report.lines import Block, line
from prunella_tui.report.proposal import left_out, shortfall, summary
from prunella_tui.report.textual import Drawing

_HINT = line(("50GB frees that much; 20% frees until that much of the disk is free", "quiet"))


class Reckoned(Message):
    """A proposal is there for an amount that was typed."""

    def __init__(self, proposal: Proposal, target: int) -> None:
        super().__init__()
        self.proposal = proposal
        self.target = target


class FreeDialog(ModalScreen[Proposal | None]):
    """Returns the proposal that is to be marked, or nothing. ``now`` tells the time (seconds, UTC)."""

    DEFAULT_CSS = """
    FreeDialog { align: center middle; background: $background 60%; }
    FreeDialog > Vertical {
        width: 90%; max-width: 90; height: auto; max-height: 100%;
        padding: 0 2; background: $surface; border: round $primary;
    }
    FreeDialog .title { text-style: bold; margin-bottom: 1; }
    FreeDialog Input { background: $boost; }
    FreeDialog #preview { margin-top: 1; height: auto; min-height: 3; }
    FreeDialog Horizontal { height: auto; margin-top: 1; align-horizontal: right; }
    FreeDialog Button { margin-left: 2; min-width: 8; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Back", id="free.back")]

    def __init__(self, inventory: Inventory, now: Callable[[], float], loaded: Collection[str] = ()) -> None:
        super().__init__()
        self.inventory = inventory
        self.now = now
        self.loaded = loaded
        self.proposal: Proposal | None = None
        self.wanted: int | None = None
        """The bytes that have to go for what is typed; nothing as long as that is no size."""
        self.is_reckoning = False

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content("Free how much space?"), classes="title")
            yield Input(placeholder="50GB", id="amount", compact=True, max_length=40)
            yield Static(Drawing([_HINT]), id="preview")
            with Horizontal():
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Mark this", id="mark", compact=True, disabled=True)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Input.Changed, "#amount")
    def _follow(self, event: Input.Changed) -> None:
        self.proposal = None
        self.wanted = self._read(event.value)
        if self.wanted is None:
            self._show([_HINT])
        elif not self.is_reckoning:
            self._begin()

    def _read(self, typed: str) -> int | None:
        try:
            return to_free(self.inventory, typed)
        except InvalidInput:  # half typed
            return None

    def _begin(self) -> None:
        """Reckon in a thread, one amount after the other: a large store takes longer than a key press may."""
        if self.wanted is not None:
            self.is_reckoning = True
            self._reckon(self.wanted)

    @work(thread=True)
    def _reckon(self, target: int) -> None:
        proposal = propose(self.inventory, target, self.now(), loaded=self.loaded)
        self.post_message(Reckoned(proposal, target))

    @on(Reckoned)
    def _take(self, message: Reckoned) -> None:
        self.is_reckoning = False
        if message.target != self.wanted:  # more was typed meanwhile
            self._begin()
            return
        self.proposal = message.proposal
        self._show(preview(message.proposal))

    def _show(self, blocks: Iterable[Block]) -> None:
        self.query_one("#preview", Static).update(Drawing(blocks))
        self.query_one("#mark", Button).disabled = not self._can_mark

    @property
    def _can_mark(self) -> bool:
        return self.proposal is not None and self.proposal.is_met and bool(self.proposal.items)

    @on(Input.Submitted, "#amount")
    @on(Button.Pressed, "#mark")
    def _accept(self) -> None:
        if self._can_mark:
            self.dismiss(self.proposal)

    @on(Button.Pressed, "#cancel")
    def action_leave(self) -> None:
        self.dismiss(None)


def preview(proposal: Proposal) -> Iterator[Block]:
    """What would be deleted, and what is left out."""
    if proposal.is_met:
        yield line((summary(proposal), "strong"))
    else:
        yield line((shortfall(proposal), "warning"))
    if proposal.target:
        yield from (line((f"Left out: {sentence}", "quiet")) for sentence, _guard in left_out(proposal))
