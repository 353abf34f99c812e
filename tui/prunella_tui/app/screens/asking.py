"""Dialogs with a field: they show what would happen while an amount of space or a folder is typed."""

import asyncio
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import ClassVar, NamedTuple

from textual import on, work
from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from prunella_core.advice.free import Proposal, propose, to_free
from prunella_core.base.errors import InvalidInput, PrunellaError
from prunella_core.base.text import clean
from prunella_core.copy import CopyPlan, look_at_target, plan_copy
from prunella_core.inventory.records import Inventory, Model
from prunella_tui.app.screens.dialog import Dialog
from prunella_tui.report.format import counted, failure
from prunella_tui.report.lines import Block, line
from prunella_tui.report.plan import left_out, shortfall, summary
from prunella_tui.report.stores import copy_lines, shortage, target_text
from prunella_tui.report.textual import Drawing

_HINT = line(("The folder becomes an Ollama store. Tab completes its path.", "quiet"))
_PAUSE_SECONDS = 0.15
"""Letters that follow each other more quickly make one path."""


class Chosen(NamedTuple):
    """What is to be copied, and whether it is deleted here then."""

    plan: CopyPlan
    moves: bool


class CopyDialog(Dialog[Chosen]):
    """Returns what is copied and how. ``now`` returns the time (seconds, UTC).

    ``moves`` offers to move first; ``refusal`` says why nothing can be deleted here.
    """

    def __init__(
        self, inventory: Inventory, wanted: Sequence[Model], now: Callable[[], float], *, moves: bool, refusal: str
    ) -> None:
        what = clean(wanted[0].name) if len(wanted) == 1 else counted(len(wanted), "model")
        super().__init__(f"{'Move' if moves else 'Copy'} {what} to another disk")
        self.inventory = inventory
        self.wanted = wanted
        self.now = now
        self.first = "#move" if moves and not refusal else "#copy"
        self.refusal = refusal
        self.plan: CopyPlan | None = None
        """What is shown."""

    def body(self) -> Iterator[Widget]:
        """The folder, and what would be written there."""
        yield FolderField(placeholder="/mnt/usb/models", id="folder", compact=True, suggester=_Folders(use_cache=False))
        yield Static(Drawing([_HINT]), id="preview")

    def buttons(self) -> Iterator[Button]:
        """Cancel, and both ways."""
        yield Button("Cancel", id="back", compact=True)
        yield Button("Copy", id="copy", compact=True, disabled=True)
        yield Button("Move …", id="move", compact=True, disabled=True)

    @on(Input.Changed, "#folder")
    @work(exclusive=True)
    async def _follow(self, event: Input.Changed) -> None:
        self._show(None, [_HINT])
        await asyncio.sleep(_PAUSE_SECONDS)
        if event.value.strip():
            self._show(*await asyncio.to_thread(self._look, os.path.expanduser(event.value.strip())))

    def _look(self, folder: str) -> tuple[CopyPlan | None, list[Block]]:
        try:
            target = look_at_target(self.inventory, folder, self.now())
        except (PrunellaError, OSError) as error:
            why = failure(error) if isinstance(error, OSError) else str(error)
            return None, [line((why, "warning"))]
        plan = plan_copy(self.inventory, target, self.wanted)
        return plan, [line((target_text(target), "quiet")), *copy_lines(plan), *self._warnings(plan)]

    def _warnings(self, plan: CopyPlan) -> Iterator[Block]:
        if too_little := shortage(plan):
            yield line((too_little, "bad"))
        if self.refusal:
            yield line((f"Only a copy is possible: {self.refusal}", "warning"))

    def _show(self, plan: CopyPlan | None, blocks: Iterable[Block]) -> None:
        self.plan = plan if plan and plan.models and not shortage(plan) else None
        self.query_one("#preview", Static).update(Drawing(blocks))
        self.query_one("#copy", Button).disabled = self.plan is None or self.plan.is_empty
        self.query_one("#move", Button).disabled = self.plan is None or bool(self.refusal)

    @on(Input.Submitted, "#folder")
    def _go_on(self) -> None:
        for button in self.query(f"{self.first}, #copy, #move").results(Button):
            if not button.disabled and (self.first == f"#{button.id}" or self.query_one(self.first).disabled):
                self.set_focus(button)

    @on(Button.Pressed, "#copy, #move")
    def _accept(self, event: Button.Pressed) -> None:
        if self.plan:
            self.dismiss(Chosen(self.plan, event.button.id == "move"))


class _Folders(Suggester):
    async def get_suggestion(self, value: str) -> str | None:
        return await asyncio.to_thread(completed, value)


class FolderField(Input):
    """A path of a folder. Tab completes it, and leaves the field where there is nothing to complete."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab", "complete", "Complete the path", show=False)]

    def action_complete(self) -> None:
        if found := completed(self.value):
            self.value = found
            self.cursor_position = len(found)
        else:
            self.screen.focus_next()


def completed(path: str) -> str | None:
    """Return the path of the first folder that begins with what is typed; ``None`` where there is none."""
    above, slash, begun = path.rpartition("/")
    try:
        with os.scandir(os.path.expanduser(above + slash) or ".") as entries:
            names = [entry.name for entry in entries if begun and entry.name.startswith(begun) and entry.is_dir()]
    except OSError:
        return None
    shown = sorted(name for name in names if clean(name) == name and (begun[0] == "." or name[0] != "."))
    return f"{above}{slash}{shown[0]}/" if shown else None


_AMOUNTS = line(("50GB frees that much; 20% frees until that much of the disk is free", "quiet"))
_AMOUNT_PAUSE_SECONDS = 0.05
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
        yield Static(Drawing([_AMOUNTS]), id="preview")

    def buttons(self) -> Iterator[Button]:
        """Cancel, and to mark what is suggested."""
        yield Button("Cancel", id="back", compact=True)
        yield Button("Mark this", id="mark", compact=True, disabled=True)

    @on(Input.Changed, "#amount")
    @work(exclusive=True)
    async def _follow(self, event: Input.Changed) -> None:
        self._show(None, [_AMOUNTS])
        await asyncio.sleep(_AMOUNT_PAUSE_SECONDS)
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
