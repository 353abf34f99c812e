"""Lines of text, and how things are coloured. No colour says what a word does not say too."""

from rich.text import Text

from prunella_core.base.text import clean
from prunella_core.inventory.records import State
from prunella_tui.presentation import STATE_MARKS

STATE_STYLES = {
    State.REFERENCED: "green",
    State.UNREFERENCED: "yellow",
    State.PARTIAL: "cyan",
    State.LEFTOVER: "magenta",
    State.STRAY: "dim",
    State.MISSING: "red",
    State.TRASHED: "dim",
}
STRONG, QUIET, GOOD, WARNING, BAD = "bold", "dim", "green", "yellow", "red"


def line(*parts: str | tuple[str, str], indent: int = 0) -> Text:
    """Return a line of texts, some with a style; all of them cleaned."""
    pairs = ((part, "") if isinstance(part, str) else part for part in parts)
    return Text.assemble(" " * indent, *((clean(text), style) for text, style in pairs))


def state_cell(state: State) -> tuple[str, str]:
    """Return a state's sign and word in its colour."""
    return f"{STATE_MARKS[state]} {state.value}", STATE_STYLES[state]
