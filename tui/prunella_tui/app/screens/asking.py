"""Dialogs with a field: they show what would happen while an amount of space or a folder is typed."""

import asyncio
import os
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import ClassVar, Generic, NamedTuple, TypeVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from prunella_core.advice.free import Proposal, propose, to_free
from prunella_core.base.errors import InvalidInput, PrunellaError
from prunella_core.base.text import clean
from prunella_core.copy.plan import CopyPlan, look_at_target, plan_copy
from prunella_core.inventory.records import Inventory, Model
from prunella_tui.app.screens.dialog import Answer, Dialog
from prunella_tui.report.format import counted, failure
from prunella_tui.report.lines import Block, line
from prunella_tui.report.plan import left_out, shortfall, summary
from prunella_tui.report.stores import copy_lines, shortage, target_text
from prunella_tui.report.textual import Drawing

Found = TypeVar("Found")


class _Asking(Dialog[Answer], Generic[Answer, Found]):
    """A field, a preview, and the ways to accept what was ``found`` for what is typed."""

    HINT: ClassVar[str]
    PAUSE_SECONDS: ClassVar[float]
    """Letters that follow each other more quickly make one text."""

    def __init__(self, title: str, field: Input, ways: Iterable[Button]) -> None:
        super().__init__(title, buttons=(Button("Cancel", id="back"), *ways))
        self.field = field
        self.found: Found | None = None

    def body(self) -> Iterator[Widget]:
        yield self.field
        yield Static(Drawing([line((self.HINT, "quiet"))]), id="preview")

    @on(Input.Changed)
    @work(exclusive=True)
    async def _follow(self, event: Input.Changed) -> None:
        self._show(None, [line((self.HINT, "quiet"))])
        await asyncio.sleep(self.PAUSE_SECONDS)
        if text := event.value.strip():
            self._show(*await asyncio.to_thread(self.look, text))

    @abstractmethod
    def look(self, text: str) -> tuple[Found | None, list[Block]]:
        """Return what can be accepted for ``text``, if anything, and the preview. It runs in a thread."""

    def can(self, way: str) -> bool:
        """Whether what was found can be accepted by the button ``way``."""
        return self.found is not None

    def _show(self, found: Found | None, blocks: Iterable[Block]) -> None:
        self.found = found
        self.query_one("#preview", Static).update(Drawing(blocks))
        for button in self.query("#buttons > Button").results(Button):
            button.disabled = button.id != "back" and not self.can(button.id or "")


class FreeDialog(_Asking[Proposal, Proposal]):
    """Returns the proposal that is to be marked. ``now`` returns the time (seconds, UTC)."""

    HINT = "50GB frees that much; 20% frees until that much of the disk is free"
    PAUSE_SECONDS = 0.05

    def __init__(self, inventory: Inventory, now: Callable[[], float], loaded: Collection[str] = ()) -> None:
        field = Input(placeholder="50GB", id="amount", compact=True, max_length=40)
        super().__init__("Free how much space?", field, [Button("Mark this", id="mark", disabled=True)])
        self.inventory = inventory
        self.now = now
        self.loaded = loaded

    def look(self, text: str) -> tuple[Proposal | None, list[Block]]:
        try:
            target = to_free(self.inventory, text)
        except InvalidInput:  # half typed
            return None, [line((self.HINT, "quiet"))]
        proposal = propose(self.inventory, target, self.now(), loaded=self.loaded)
        blocks = [line((summary(proposal), "strong") if proposal.is_met else (shortfall(proposal), "warning"))]
        if target:
            blocks += (line((f"Left out: {sentence}", "quiet")) for sentence, _guard in left_out(proposal))
        return proposal if proposal.is_met and proposal.items else None, [*blocks]

    @on(Input.Submitted)
    def _accept(self) -> None:
        if self.found:
            self.dismiss(self.found)

    def press(self, way: str) -> None:
        if self.found or way == "back":  # typing on may have taken it away after the press
            self.dismiss(self.found if way == "mark" else None)


class Chosen(NamedTuple):
    """What is to be copied, and whether it is deleted here then."""

    plan: CopyPlan
    moves: bool


class CopyDialog(_Asking[Chosen, CopyPlan]):
    """Returns what is copied and how. ``now`` returns the time (seconds, UTC).

    ``moves`` offers to move first; ``refusal`` says why nothing can be deleted here.
    """

    HINT = "The folder becomes an Ollama store. Tab completes its path."
    PAUSE_SECONDS = 0.15

    def __init__(
        self, inventory: Inventory, wanted: Sequence[Model], now: Callable[[], float], *, moves: bool, refusal: str
    ) -> None:
        what = clean(wanted[0].name) if len(wanted) == 1 else counted(len(wanted), "model")
        suggester = _Folders(use_cache=False)
        field = FolderField(placeholder="/mnt/usb/models", id="folder", compact=True, suggester=suggester)
        ways = (Button("Copy", id="copy", disabled=True), Button("Move …", id="move", disabled=True))
        super().__init__(f"{'Move' if moves else 'Copy'} {what} to another disk", field, ways)
        self.inventory = inventory
        self.wanted = wanted
        self.now = now
        self.first = "move" if moves and not refusal else "copy"
        self.refusal = refusal

    def look(self, text: str) -> tuple[CopyPlan | None, list[Block]]:
        try:
            target = look_at_target(self.inventory, os.path.expanduser(text), self.now())
        except (PrunellaError, OSError) as error:
            why = failure(error) if isinstance(error, OSError) else str(error)
            return None, [line((why, "warning"))]
        plan = plan_copy(self.inventory, target, self.wanted)
        blocks = [line((target_text(target), "quiet")), *copy_lines(plan)]
        if too_little := shortage(plan):
            blocks.append(line((too_little, "bad")))
        if self.refusal:
            blocks.append(line((f"Only a copy is possible: {self.refusal}", "warning")))
        return plan if plan.models and not too_little else None, blocks

    def can(self, way: str) -> bool:
        return self.found is not None and not (self.refusal if way == "move" else self.found.is_empty)

    @on(Input.Submitted)
    def _go_on(self) -> None:
        ways = sorted(("copy", "move"), key=lambda way: way != self.first)
        if way := next(filter(self.can, ways), None):
            self.set_focus(self.query_one(f"#{way}"))

    def press(self, way: str) -> None:
        if self.found or way == "back":  # typing on may have taken it away after the press
            self.dismiss(Chosen(self.found, way == "move") if self.found and way != "back" else None)


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
