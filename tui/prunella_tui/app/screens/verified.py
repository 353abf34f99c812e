"""What a verification found: each damaged blob, and the models that it breaks."""

from collections.abc import Iterator
from typing import Literal

from textual import on
from textual.content import Content
from textual.widgets import Button

from prunella_core.base.text import clean
from prunella_core.verify import Bad, VerifyResult
from prunella_tui import presentation as show
from prunella_tui.app.screens.dialog import Dialog

_MOST_LISTED = 100
_MUTED = "$foreground 60%"


class Verified(Dialog[Literal["again"]]):
    """Returns ``again`` when blobs that an earlier run found sound are to be read once more."""

    def __init__(self, result: VerifyResult) -> None:
        super().__init__(_title(result), Content("\n").join(_lines(result)), is_dangerous=bool(result.bad))
        self.result = result

    def buttons(self) -> Iterator[Button]:
        """Back, and to read all of it again where some was not."""
        yield from super().buttons()
        if self.result.remembered:
            yield Button("Read all again", id="again", compact=True)

    def on_mount(self) -> None:
        self.query_one("#back").focus()

    @on(Button.Pressed, "#again")
    def _again(self) -> None:
        self.dismiss("again")


def _title(result: VerifyResult) -> str:
    if result.bad:
        return show.counted(len(result.bad), "damaged blob")
    if result.cancelled:
        return "Stopped"
    return "Changed while reading" if result.changed else "No damage found"


def _lines(result: VerifyResult) -> Iterator[Content]:
    for bad in result.bad[:_MOST_LISTED]:
        yield from _bad_lines(bad)
    if len(result.bad) > _MOST_LISTED:
        yield Content(f"and {show.number(len(result.bad) - _MOST_LISTED)} more: see Problems (4)\n")
    for check in result.changed[:_MOST_LISTED]:
        yield Content(f"~ {clean(check.path)} changed while it was read: verify it again")
    yield Content(f"Verified {show.counted(result.checked, 'blob')}, {show.size(result.bytes)}.")
    if result.remembered:
        more = show.counted(result.remembered, "blob")
        yield Content.styled(f"Verified by an earlier run and unchanged since: {more}.", _MUTED)
    if result.cancelled:
        yield Content.styled("The rest was not read: v resumes there.", _MUTED)
    if result.bad:
        yield Content.styled("To fix it, see Problems (4). Nothing was deleted.", _MUTED)


def _bad_lines(bad: Bad) -> Iterator[Content]:
    yield Content.assemble(("✗ ", "$text-error"), (show.short_digest(bad.digest), "bold"))
    yield Content(f"  {clean(bad.problem)}")
    yield Content(f"  breaks {show.names(bad.models, 12)}\n" if bad.models else "  no model needs it\n")
