"""The dialogs: review before, progress during, result after, and help."""

import time
from collections.abc import Sequence
from typing import ClassVar, Literal, get_args

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, ProgressBar, Static

from prunella_core.apply import Step
from prunella_core.plan.records import Plan, Receipt
from prunella_tui import presentation as show
from prunella_tui.app.plantext import plan_text, receipt_text

EVERYTHING = "everything"
_ROWS_BESIDE_TEXT = 10
Answer = Literal["cancel", "trash", "now", "force", "server"]
_ANSWERS: dict[str | None, Answer] = {word: word for word in get_args(Answer)}


class Dialog(ModalScreen[Answer]):
    """A box over the screen with a title, a text that scrolls, and buttons."""

    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background 60%; }
    Dialog > Vertical {
        width: 90%; max-width: 110; height: auto; max-height: 100%;
        padding: 0 2; background: $surface; border: round $primary;
    }
    Dialog.-danger > Vertical { border: round $error; }
    Dialog VerticalScroll { height: auto; scrollbar-size-vertical: 1; }
    Dialog .title { text-style: bold; margin-bottom: 1; }
    Dialog .total { margin-top: 1; }
    Dialog Horizontal { height: auto; margin-top: 1; align-horizontal: right; }
    Dialog Button { margin-left: 2; min-width: 8; }
    Dialog Input { margin-top: 1; background: $boost; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss_with('cancel')", "Back", id="dialog.back"),
        Binding("left,h", "app.focus_previous", "Previous button", show=False),
        Binding("right,l", "app.focus_next", "Next button", show=False),
        Binding("down,j", "scroll_text(1)", "Scroll down", show=False),
        Binding("up,k", "scroll_text(-1)", "Scroll up", show=False),
        Binding("pagedown", "scroll_text(10)", "Page down", show=False),
        Binding("pageup", "scroll_text(-10)", "Page up", show=False),
    ]

    def on_show(self) -> None:
        """Nothing may lie over the buttons."""
        self.app.clear_notifications()

    def on_resize(self) -> None:
        """Leave the rows that title, total, field and buttons need: they are never scrolled out of sight."""
        rest = _ROWS_BESIDE_TEXT + (2 if self.query(Input) else 0)
        for text in self.query(VerticalScroll):
            text.styles.max_height = max(self.size.height - rest, 3)

    def action_dismiss_with(self, answer: Answer) -> None:
        self.dismiss(answer)

    def action_scroll_text(self, lines: int) -> None:
        for text in self.query(VerticalScroll):
            text.scroll_to(y=text.scroll_y + lines, animate=False)

    @on(Button.Pressed)
    def _answer(self, event: Button.Pressed) -> None:
        event.stop()
        if answer := _ANSWERS.get(event.button.id):
            self.dismiss(answer)


class Review(Dialog):
    """Everything that goes and stays, before anything happens. Cancel has the focus.

    A removal can go into the trash or free its space at once; what is in the trash already can only be freed.
    """

    def __init__(self, plan: Plan, takes_everything: bool, retention: int) -> None:
        super().__init__(classes="-danger")
        self.plan = plan
        self.takes_everything = takes_everything
        self.retention = retention

    @property
    def has_choice(self) -> bool:
        """Whether it can go into the trash."""
        return self.plan.mode == "trash"

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content("Remove this?" if self.has_choice else "Remove this for good?"), classes="title")
            with VerticalScroll(can_focus=False):
                yield Static(plan_text(self.plan))
            yield Static(self._total(), classes="total")
            if self.takes_everything:
                yield Input(
                    placeholder=f"This takes every model: type the word “{EVERYTHING}”", id="word", compact=True
                )
            with Horizontal():
                yield Button("Cancel", id="cancel", compact=True)
                if self.plan.held_back:
                    yield Button("Take what is held back too", id="force", compact=True)
                if self.has_choice:
                    yield self._button("Move to the trash", "trash", "warning")
                yield self._button("Free now" if self.has_choice else "Remove for good", "now", "error")

    def _button(self, label: str, answer: Answer, variant: Literal["warning", "error"]) -> Button:
        return Button(label, id=answer, variant=variant, compact=True, disabled=self._is_locked(), classes="go")

    def _is_locked(self, word: str = "") -> bool:
        return not self.plan.files or (self.takes_everything and word.strip().lower() != EVERYTHING)

    def _total(self) -> Content:
        frees = Content.assemble("Frees ", (show.size(self.plan.reclaims), "bold $text-success"))
        if not self.has_choice:
            return Content(" · ").join([frees, Content("cannot be undone")])
        kept = f"from the trash it can come back for {show.duration(self.retention)}"
        return Content(" · ").join([frees, Content(kept)])

    def on_mount(self) -> None:
        self.query_one("#cancel", Button).focus()

    @on(Input.Changed, "#word")
    def _unlock(self, event: Input.Changed) -> None:
        for button in self.query(".go").results(Button):
            button.disabled = self._is_locked(event.value)

    @on(Input.Submitted, "#word")
    def _go_on(self, event: Input.Submitted) -> None:
        wanted = "#cancel" if self._is_locked(event.value) else ".go"
        self.query(wanted).first(Button).focus()


class ServerReview(Dialog):
    """The same review where this user may not write: the server can remove models, at once and without a trash."""

    def __init__(self, plan: Plan, command: str) -> None:
        super().__init__(classes="-danger")
        self.plan = plan
        self.command = command

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content("Let the server remove this for good?"), classes="title")
            with VerticalScroll(can_focus=False):
                yield Static(plan_text(self.plan))
            yield Static(self._total(), classes="total")
            with Horizontal():
                yield Button("Cancel", id="cancel", compact=True)
                yield Button(
                    "Let the server remove the models",
                    id="server",
                    variant="error",
                    compact=True,
                    disabled=not self.plan.models,
                )

    def _total(self) -> Content:
        frees = Content.assemble("Frees ", (show.size(self.plan.reclaims), "bold $text-success"))
        return Content(" · ").join([frees, Content(f"with a way back: {self.command}")])

    def on_mount(self) -> None:
        self.query_one("#cancel", Button).focus()


class Working(Dialog):
    """A removal on its way, with a way out until it is decided."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "cancel", "Cancel", id="working.cancel")]

    def __init__(self, doing: str) -> None:
        super().__init__()
        self.doing = doing
        self.is_cancelled = False
        self._began = time.monotonic()

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content(self.doing), classes="title")
            yield ProgressBar(show_eta=False)
            yield Static(Content("…"), id="step")
            with Horizontal():
                yield Button("Cancel and put everything back", id="stop", compact=True)

    def advance(self, step: Step) -> None:
        """Show how far it is."""
        self.query_one(ProgressBar).update(total=step.total, progress=step.done)
        self.query_one("#step", Static).update(Content(show.stepping(step.done, step.total, self._seconds)))

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def action_cancel(self) -> None:
        self.is_cancelled = True
        self.query_one("#step", Static).update(Content("Putting everything back …"))

    @on(Button.Pressed, "#stop")
    def _stop(self) -> None:
        self.action_cancel()


_DONE = {
    "trash": "Moved to the trash",
    "delete": "Removed for good",
    "restore": "Brought back",
    "server": "Deleted by the server",
}


class Result(Dialog):
    """What really happened."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "dismiss_with('cancel')", "Back", show=False)]

    def __init__(self, receipt: Receipt, collected: Receipt | None, notes: tuple[str, ...]) -> None:
        super().__init__(classes="" if receipt.done else "-danger")
        self.receipt = receipt
        self.collected = collected
        self.notes = notes

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content(self._title()), classes="title")
            with VerticalScroll(can_focus=False):
                yield Static(receipt_text(self.receipt, self.collected, self.notes))
            with Horizontal():
                yield Button("Back", id="cancel", compact=True)

    def _title(self) -> str:
        if self.receipt.cancelled:
            return "Cancelled"
        done = _DONE[self.receipt.plan.mode]
        return done if self.receipt.done else f"{done}, in part"


class Text(Dialog):
    """A text to read: help, a refusal, a detail that has no room beside the table."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,question_mark", "dismiss_with('cancel')", "Back", show=False)
    ]

    def __init__(self, title: str, text: Content) -> None:
        super().__init__()
        self.heading = title
        self.text = text

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content(self.heading), classes="title")
            with VerticalScroll(can_focus=False):
                yield Static(self.text)
            with Horizontal():
                yield Button("Back", id="cancel", compact=True)


WORDS = (
    ("Model", "a name in the store; its manifest names the blobs that it needs"),
    ("Blob", "a file of a model, known by the digest of its bytes; here by its first 12 digits"),
    ("Size", "what Ollama's own list says: shared layers count for every model"),
    ("On disk", "bytes that the files really take"),
    ("Frees", "what comes back if this model alone goes"),
    ("Shared", "bytes on the disk that other models need too"),
    ("Idle", "since when it was neither changed nor used, as far as anyone knows"),
    ("Kind", "of a model its family, parameters and quantization; of a blob what it is to its models"),
    ("State", "what a blob is to the models: see the words below"),
    ("Age", "since when nothing needs it as far as anyone knows; of what is needed, since it was written"),
    ("Used by", "a model that needs it, and how many more"),
    ("Removed", "what a removal took; When and Left say since when and for how long it can come back"),
    ("Holds", "what emptying this removal gives back"),
    ("Problem", "what cannot be read or trusted; Where says of which model or file"),
    ("Effect", "whether a problem blocks: nothing goes as unreferenced while it could hide a model"),
    ("comes back", "a pull or the base would bring the model back; where that is a guess it says so"),
    ("/ filters", "words, and terms: size>5GB disk> frees> shared> age>30d unused> state: kind: name: used:"),
    ("✓  ▪", "marked; goes along because of a mark"),
    ("!  ▸  ⚑  ☁", "has a problem; loaded in the server; pinned; runs in the cloud"),
    ("unreferenced", "a blob that no manifest names: no model needs it"),
    ("partial", "what a download left that never ended"),
    ("leftover", "a temporary file of a create or upload"),
    ("missing", "a model needs it, and it is not there"),
    ("stray", "a file that is not Ollama's; never touched unless you mark it"),
)


def help_text(bindings: Sequence[Binding]) -> Content:
    """Keys as they are bound, and the words of the columns."""
    lines = [Content.styled("Keys", "bold")]
    for binding in bindings:
        if binding.description:
            lines.append(
                Content.assemble((f"  {_keys(binding):<16}", "$text-primary"), binding.tooltip or binding.description)
            )
    lines += [Content(""), Content.styled("Words", "bold")]
    lines += [Content.assemble((f"  {word:<16}", "$text-primary"), meaning) for word, meaning in WORDS]
    return Content("\n").join(lines)


_KEY_SIGNS = {"question_mark": "?", "slash": "/", "left": "←", "right": "→", "up": "↑", "down": "↓", "escape": "esc"}


def _keys(binding: Binding) -> str:
    return " ".join(_KEY_SIGNS.get(key, key) for key in binding.key.split(","))
