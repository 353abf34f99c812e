"""Work that takes a while: how far it is, a way out as long as there is one, and its result."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar, Generic, Literal, TypeVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Button, ProgressBar, Static

from prunella_core.base.errors import PrunellaError
from prunella_core.plan.records import Receipt
from prunella_core.verify import VerifyResult
from prunella_tui.app.screens.dialog import Dialog, Reading
from prunella_tui.report.format import KEYS, counted
from prunella_tui.report.health import verify_lines
from prunella_tui.report.lines import Block
from prunella_tui.report.plan import receipt_lines, receipt_title
from prunella_tui.report.textual import Drawing

Outcome = TypeVar("Outcome")
_SHOW_SECONDS = 0.1


Report = Callable[[float | None, str], None]
"""How far work is: a share (0 to 1), or ``None`` where that is not known, and a line about it."""
Cancelled = Callable[[], bool]
Job = Callable[[Report, Cancelled], Outcome]
"""What is done in a thread: it reports how far it is, and asks whether it is cancelled."""


class Working(Dialog[Outcome | Exception], Generic[Outcome]):
    """Does ``job`` in a thread and returns what it returns, or the PrunellaError or OSError that it raises.

    ``stop`` labels the button that cancels.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,ctrl+c", "leave", "Cancel", show=False)]

    def __init__(self, title: str, job: Job[Outcome], *, stop: str = "", stopping: str = "") -> None:
        super().__init__(title, buttons=[Button(stop, id="stop")] if stop else [])
        self.job = job
        self.stop = stop
        self.stopping = stopping
        self.is_cancelled = False
        self.outcome: Outcome | Exception | None = None
        self.over = asyncio.Event()
        """Set when the work is over, whatever lies above this dialog."""
        self._step: tuple[float | None, str] = (None, "…")
        self._is_answered = False

    def parts(self) -> Iterator[Widget]:
        yield ProgressBar(show_eta=False)
        yield Static("…", id="step")

    def on_mount(self) -> None:
        self.set_interval(_SHOW_SECONDS, self._show)
        self.run_worker(self._work, thread=True)

    def on_unmount(self) -> None:
        """Quitting does not wait for a disk longer than it must."""
        self.is_cancelled = True

    def _work(self) -> None:
        try:
            self.outcome = self.job(self._report, lambda: self.is_cancelled)
        except (PrunellaError, OSError) as error:
            self.outcome = error
        finally:
            self.call_later(self._end)

    def _report(self, share: float | None, text: str) -> None:
        self._step = share, text

    def _show(self) -> None:
        share, text = self._step
        self.query_one(ProgressBar).update(total=None if share is None else 1, progress=share or 0)
        self.query_one("#step", Static).update(self.stopping if self.is_cancelled else text)

    def press(self, way: str) -> None:
        self.action_leave()

    def action_leave(self) -> None:
        """Ask the work to end at its next safe point."""
        if self.stop:
            self.is_cancelled = True
            self._show()

    def _end(self) -> None:
        self.over.set()
        self.on_screen_resume()

    def on_screen_resume(self) -> None:
        """End when the work is over and nothing lies above, such as the palette: dismiss ends what is on top."""
        if self.over.is_set() and self.app.screen is self and not self._is_answered:
            self._is_answered = True
            self.dismiss(self.outcome)


class Result(Reading):
    """What really happened: measured and expected sizes, how to undo it, and everything that went otherwise.

    ``before`` says what was done first.
    """

    def __init__(self, receipt: Receipt, before: Iterable[Block] = ()) -> None:
        lines = [*before, *receipt_lines(receipt, KEYS)]
        super().__init__(receipt_title(receipt), Drawing(lines))
        self.set_class(not receipt.done, "-danger")
        self.receipt = receipt


class Verified(Dialog[Literal["again"]]):
    """What a verification found. Returns ``again`` when what an earlier run found sound is to be read again."""

    def __init__(self, result: VerifyResult) -> None:
        title = "Changed while reading" if result.changed else "No damage found"
        if result.bad:
            title = counted(len(result.bad), "damaged blob")
        elif result.cancelled:
            title = "Stopped"
        again = [Button("Read all again", id="again")] if result.remembered else []
        super().__init__(title, Drawing(verify_lines(result, 0.0, KEYS)), [Button("Back", id="back"), *again])
        self.set_class(bool(result.bad), "-danger")
        self.answers = {"again": "again"}
        self.result = result
