"""What ``doctor --next-start`` shows."""

from rich.console import Group, RenderableType

from prunella_core.advice.forecast import NextStart
from prunella_tui.cli.views.words import BAD, QUIET, STRONG, WARNING, line
from prunella_tui.next_start_words import Tone, next_start_lines

_STYLES = {Tone.HEAD: STRONG, Tone.PLAIN: "", Tone.QUIET: QUIET, Tone.WARNING: WARNING, Tone.BAD: BAD}


def next_start_view(coming: NextStart) -> RenderableType:
    """Return what the server does to the store when it starts."""
    return Group(*(line((told.text, _STYLES[told.tone])) for told in next_start_lines(coming)))
