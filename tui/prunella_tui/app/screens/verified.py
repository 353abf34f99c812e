"""What a verification found: each damaged blob, and the models that it breaks."""

from collections.abc import Iterator
from typing import Literal

from textual import on
from textual.widgets import Button

from prunella_core.verify import VerifyResult
from prunella_tui.app.screens.dialog import Dialog
from prunella_tui.report.format import counted
from prunella_tui.report.textual import Drawing
from prunella_tui.report.verify import verify_lines
from prunella_tui.report.ways import KEYS


class Verified(Dialog[Literal["again"]]):
    """Returns ``again`` when blobs that an earlier run found sound are to be read once more."""

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
