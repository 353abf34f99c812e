"""The box that every dialog is: a title, a text that scrolls, what is typed, and buttons; and the help."""

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.visual import Visual
from textual.widget import Widget
from textual.widgets import Button, Static

from prunella_tui.app.bindings import KEYS, shown
from prunella_tui.report.lines import Block, line, section
from prunella_tui.report.textual import Drawing

_OTHER_ROWS = 7
"""Border, title, and the margins around the parts."""

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer | None], Generic[Answer]):
    """A box over the screen that returns an answer, or ``None`` when it is left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Back", show=False),
        Binding("left,h", "app.focus_previous", "Previous button", show=False),
        Binding("right,l", "app.focus_next", "Next button", show=False),
        Binding("down,j", "scroll_text(1)", "Scroll down", show=False),
        Binding("up,k", "scroll_text(-1)", "Scroll up", show=False),
        Binding("pagedown", "scroll_text(10)", "Page down", show=False),
        Binding("pageup", "scroll_text(-10)", "Page up", show=False),
    ]

    def __init__(self, title: str, text: Visual | str = "", buttons: Iterable[Button] | None = None) -> None:
        """``buttons`` begin with the one that changes nothing."""
        super().__init__()
        self.heading = title
        self.text = Content(text) if isinstance(text, str) else text
        self.buttons = (Button("Back", id="back"),) if buttons is None else tuple(buttons)
        self.answers: Mapping[str, Answer] = {}
        """What buttons answer, by their IDs; the others leave."""

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Content(self.heading), classes="title")
            with VerticalScroll(can_focus=False):
                yield from self.body()
            yield from self.parts()
            with Horizontal(id="buttons"):
                for button in self.buttons:
                    button.compact = True
                    yield button

    def body(self) -> Iterator[Widget]:
        """What scrolls."""
        if self.text:
            yield Static(self.text, id="text")

    def parts(self) -> Iterator[Widget]:
        """What stands between the text and the buttons."""
        return iter(())

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

    @on(Button.Pressed)
    def _press(self, event: Button.Pressed) -> None:
        event.stop()
        self.press(event.button.id or "")

    def press(self, way: str) -> None:
        self.dismiss(self.answers.get(way))

    def action_scroll_text(self, lines: int) -> None:
        for text in self.query(VerticalScroll):
            text.scroll_to(y=text.scroll_y + lines, animate=False)


class Reading(Dialog[None]):
    """A text to read."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark", "dismiss", "Back", show=False)]


WORDS = (
    ("Size", "what `ollama list` shows: shared layers count for every model"),
    ("On disk", "bytes that the files take on the disk"),
    ("Frees", "what deleting it alone gives back; its bar: of the whole store"),
    ("Shared", "bytes on the disk that other models need too"),
    ("Idle", "time since last change or use"),
    ("Age", "time since last needed; if in use, since written"),
    ("unreferenced", "a blob that no manifest names: no model needs it"),
    ("partial", "an interrupted download"),
    ("leftover", "a temporary file of a create or upload"),
    ("missing", "a model needs it, and it is not there"),
    ("stray", "not a file of Ollama's; never deleted unless you mark it"),
    ("✓ ▪", "marked; deleted because of a mark"),
    ("! ▸ ⚑ ☁", "has a problem; loaded in the server; pinned; runs in the cloud"),
    ("blocks", "could hide a model: no blob counts as unreferenced until it is fixed"),
    ("broken", "a model that cannot run as it is"),
    ("/ filter", "words, and terms: size>5GB disk> frees> shared> age>30d unused> state: kind: name: used:"),
)
_WIDTH = 14


_COLUMNS = (("Move", "Tabs", "Look", "Map", "Prunella"), ("Mark and delete", "Sort"))


class Help(Reading):
    """Keys by group and words, in two columns where they have room."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 -- Textual's own name and type

    def __init__(self) -> None:
        super().__init__("Help")

    def body(self) -> Iterator[Widget]:
        left, right = ([block for group in groups for block in _group(group)][1:] for groups in _COLUMNS)
        words = section("Words", "head", _rows(WORDS))
        yield Horizontal(Static(Drawing(left)), Static(Drawing([*right, *words])), id="columns")


def _group(group: str) -> Iterator[Block]:
    return section(group, "head", _rows((shown(key.keys), key.about) for key in KEYS if key.group == group))


def _rows(rows: Iterable[tuple[str, str]]) -> Iterator[Block]:
    return (line((f"{name:<{_WIDTH}}", "accent"), meaning, hang=_WIDTH) for name, meaning in rows)
