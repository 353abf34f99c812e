"""The box that every dialog is: a title, a text that scrolls, what is typed, and buttons."""

from collections.abc import Iterable, Iterator
from typing import ClassVar, Generic, Literal, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.visual import Visual
from textual.widget import Widget
from textual.widgets import Button, Static

from prunella_core.plan.records import Receipt
from prunella_core.verify import VerifyResult
from prunella_tui.report.format import counted
from prunella_tui.report.lines import Block
from prunella_tui.report.plan import receipt_lines, receipt_title
from prunella_tui.report.textual import Drawing
from prunella_tui.report.verify import verify_lines
from prunella_tui.report.ways import KEYS

_OTHER_ROWS = 7
"""Border, title, and the margins around the parts."""

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer | None], Generic[Answer]):
    """A box over the screen that returns an answer, or ``None`` when it is left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "Back", show=False),
        Binding("left,h", "app.focus_previous", "Previous button", show=False),
        Binding("right,l", "app.focus_next", "Next button", show=False),
        Binding("down,j", "scroll_text(1)", "Scroll down", show=False),
        Binding("up,k", "scroll_text(-1)", "Scroll up", show=False),
        Binding("pagedown", "scroll_text(10)", "Page down", show=False),
        Binding("pageup", "scroll_text(-10)", "Page up", show=False),
    ]

    def __init__(self, title: str, text: Visual | str = "", *, is_dangerous: bool = False) -> None:
        super().__init__(classes="-danger" if is_dangerous else "")
        self.heading = title
        self.text = Content(text) if isinstance(text, str) else text

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content(self.heading), classes="title")
            with VerticalScroll(can_focus=False):
                yield from self.body()
            yield from self.parts()
            with Horizontal(id="buttons"):
                yield from self.buttons()

    def body(self) -> Iterator[Widget]:
        """What scrolls."""
        if self.text:
            yield Static(self.text, id="text")

    def parts(self) -> Iterator[Widget]:
        """What stands between the text and the buttons."""
        return iter(())

    def buttons(self) -> Iterator[Button]:
        """The buttons, the one that changes nothing first."""
        yield Button("Back", id="back", compact=True)

    def on_show(self) -> None:
        """Nothing may lie over the buttons, nor stay behind the box."""
        self.app.clear_notifications()
        for screen in self.app.screen_stack:
            screen.query("ToastHolder").remove()

    def on_resize(self) -> None:
        """Leave the rows that everything but the text needs: it is never scrolled out of sight."""
        others = sum(part.outer_size.height + 1 for part in self.query("#box > .part"))
        for text in self.query(VerticalScroll):
            text.styles.max_height = max(self.size.height - _OTHER_ROWS - others, 3)

    @on(Button.Pressed, "#back")
    def action_leave(self) -> None:
        self.dismiss(None)

    def action_scroll_text(self, lines: int) -> None:
        for text in self.query(VerticalScroll):
            text.scroll_to(y=text.scroll_y + lines, animate=False)


class Reading(Dialog[None]):
    """A text to read."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark", "leave", "Back", show=False)]


class Result(Reading):
    """What really happened: measured and expected sizes, how to undo it, and everything that went otherwise.

    ``before`` says what was done first.
    """

    def __init__(self, receipt: Receipt, before: Iterable[Block] = ()) -> None:
        lines = [*before, *receipt_lines(receipt, KEYS)]
        super().__init__(receipt_title(receipt), Drawing(lines), is_dangerous=not receipt.done)
        self.receipt = receipt


class Verified(Dialog[Literal["again"]]):
    """What a verification found. Returns ``again`` when what an earlier run found sound is to be read again."""

    def __init__(self, result: VerifyResult) -> None:
        super().__init__(_title(result), Drawing(verify_lines(result, 0.0, KEYS)), is_dangerous=bool(result.bad))
        self.result = result

    def buttons(self) -> Iterator[Button]:
        """Back, and to read all of it again where some was not."""
        yield from super().buttons()
        if self.result.remembered:
            yield Button("Read all again", id="again", compact=True)

    @on(Button.Pressed, "#again")
    def _again(self) -> None:
        self.dismiss("again")


def _title(result: VerifyResult) -> str:
    if result.bad:
        return counted(len(result.bad), "damaged blob")
    if result.cancelled:
        return "Stopped"
    return "Changed while reading" if result.changed else "No damage found"
