"""The reviews before anything is deleted or repaired: what is deleted, what is kept, and the ways to do it."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, Literal

from msgspec.structs import replace
from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from prunella_core.apply import World
from prunella_core.operations.repair import repair
from prunella_core.plan.records import Empty, Plan, RepairPlan, RepairReceipt
from prunella_core.verify import VerifyProgress
from prunella_tui.app.screens.dialog import Dialog
from prunella_tui.app.screens.working import Cancelled, Report, Working
from prunella_tui.report import format as show
from prunella_tui.report.health import progress_text, repair_lines
from prunella_tui.report.lines import Block
from prunella_tui.report.textual import Drawing

EVERYTHING = "everything"
_LABELS = {"trash": "Move to trash", "delete": "Delete now", "server": "Server deletes"}


class Review(Dialog[Plan | Literal["force", "copy"]]):
    """Returns the plan that was confirmed, ``force`` to include what is held back, or ``copy``. Cancel has the focus.

    ``plans`` delete the same in different ways, preferred first; ``blocks`` say what. ``wipes`` names it when it
    is everything: then a typed word unlocks the buttons. ``retention`` is in seconds. ``copies`` offers to move models
    to another disk instead.
    """

    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-normal")]  # noqa: RUF012 -- Textual's own name and type
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "app.focus_previous", "Previous button", show=False),
        Binding("down", "app.focus_next", "Next button", show=False),
        Binding("t", "point_at('trash')", "Move to trash", show=False),
        Binding("x", "point_at('delete')", "Delete now", show=False),
        Binding("c", "point_at('copy')", "Other disk", show=False),
    ]

    def __init__(
        self,
        plans: Sequence[Plan],
        blocks: Iterable[Block],
        *,
        title: str = "",
        retention: int,
        wipes: str = "",
        undo_hint: str = "",
        copies: bool = False,
    ) -> None:
        self.plan = plans[0]
        self.plans: dict[str, Plan] = {plan.mode: plan for plan in plans}
        self.retention = retention
        self.wipes = wipes
        self.undo_hint = undo_hint
        self.copies = copies
        super().__init__(title or _title(plans[0]), Drawing(blocks), buttons=())
        self.add_class("-danger")
        self.answers = {**self.plans, "force": "force", "copy": "copy"}

    def parts(self) -> Iterator[Widget]:
        if self.wipes:
            placeholder = f"Type “{EVERYTHING}” to delete {self.wipes}"
            yield Input(placeholder=placeholder, id="word", compact=True, classes="part")
        yield _line(Button("Cancel", id="cancel"), "Change nothing", "-first")
        for mode, plan in self.plans.items():
            button = Button(_LABELS[mode], id=mode, classes="confirms", disabled=self._is_locked(""))
            button.variant = "warning" if mode == "trash" else "error"
            undo = f"Undo for {show.time_left(self.retention)}, frees nothing until emptied"
            freed = f"Frees {show.size(plan.reclaims)}, no undo{self.undo_hint}"
            yield _line(button, undo if mode == "trash" else freed)
        if self.copies:
            yield _line(Button("Other disk", id="copy"), "Move to another disk instead")
        if self.plan.held_back:
            yield _line(Button("Include recent", id="force"), "Review files again, with those held back")

    def on_mount(self) -> None:
        self.set_focus(self.query_one("#word" if self.wipes else "#cancel"))

    def _is_locked(self, word: str) -> bool:
        is_unconfirmed = bool(self.wipes) and word.strip().lower() != EVERYTHING
        return is_unconfirmed or not any(plan.files for plan in self.plans.values())

    @on(Input.Changed, "#word")
    def _unlock(self, event: Input.Changed) -> None:
        for button in self.query(".confirms").results(Button):
            button.disabled = self._is_locked(event.value)

    @on(Input.Submitted, "#word")
    def _go_on(self, event: Input.Submitted) -> None:
        self.query("#cancel" if self._is_locked(event.value) else ".confirms").first().focus()

    def action_point_at(self, way: str) -> None:
        for button in self.query(f"#{way}"):
            self.set_focus(button)  # at once: Enter may follow


def _line(button: Button, meaning: str, more: str = "") -> Widget:
    button.compact = True
    return Horizontal(button, Static(Content(meaning), classes="meaning"), classes=f"way part {more}")


def _title(plan: Plan) -> str:
    if isinstance(plan.request, Empty):
        return "Delete from the trash permanently?"
    what = show.counted(len(plan.models), "model") if plan.models else show.counted(len(plan.files), "file")
    return f"Delete {what}?" if plan.mode == "trash" else f"Delete {what} permanently?"


class RepairReview(Dialog[RepairPlan]):
    """Returns the plan when it was confirmed. Cancel has the focus."""

    def __init__(self, plan: RepairPlan) -> None:
        title, buttons = "Repair", [Button("Back", id="back")]
        if plan.plans:
            title = f"Repair {show.counted(len(plan.plans), 'model')}?"
            buttons = [Button("Cancel", id="back"), Button("Repair", id="repair", variant="warning")]
        super().__init__(title, Drawing(repair_lines(plan)), buttons)
        self.answers = {"repair": plan}


def repairing(plan: RepairPlan, world: World) -> Working[RepairReceipt]:
    """Return the dialog that carries out ``plan``."""

    def job(report: Report, cancelled: Cancelled) -> RepairReceipt:
        began = time.monotonic()

        def advance(what: str, progress: VerifyProgress) -> None:
            report(progress.share, f"{what}: {progress_text(progress, time.monotonic() - began)}")

        return repair(plan, replace(world, cancelled=cancelled), advance)

    return Working("Repairing", job, stop="Cancel", stopping="Putting the damaged blobs back …")
