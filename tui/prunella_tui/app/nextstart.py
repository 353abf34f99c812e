"""What Ollama's next start does, for the tab Problems and its detail side."""

from textual.content import Content

from prunella_core.advice.forecast import NextStart
from prunella_tui.next_start_words import Tone, next_start_lines, next_start_summary

_STYLES = {
    Tone.HEAD: "bold $text-primary",
    Tone.PLAIN: "",
    Tone.QUIET: "$foreground 60%",
    Tone.WARNING: "bold $text-warning",
    Tone.BAD: "bold $text-error",
}


def next_start_title(coming: NextStart) -> str:
    """One line for a row: what it removes, or why it removes nothing."""
    return next_start_summary(coming)


def next_start_detail(coming: NextStart) -> Content:
    """Everything about it, for the detail side."""
    return Content("\n").join(Content.styled(told.text, _STYLES[told.tone]) for told in next_start_lines(coming))
