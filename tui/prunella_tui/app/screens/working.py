"""Work that takes a while: how far it is, and a way out as long as there is one."""

import asyncio
from collections.abc import Callable, Iterator
from typing import ClassVar, Generic, NamedTuple, TypeVar

from textual import on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Button, ProgressBar, Static

from prunella_core.base.errors import PrunellaError
from prunella_core.base.text import clean
from prunella_tui.app.screens.dialog import Dialog

Outcome = TypeVar("Outcome")


class Step(NamedTuple):
    """How far work is: a share (0 to 1), or ``None`` where that is not known, and a line about it."""

    share: float | None
    text: str


class Failure(NamedTuple):
    """Why work could not be done. ``is_refusal``: it did not even begin, so nothing was changed."""

    reason: str
    is_refusal: bool


Report = Callable[[Step], None]
Cancelled = Callable[[], bool]
Job = Callable[[Report, Cancelled], Outcome]
"""What is done in a thread: it reports how far it is, and asks whether it is cancelled."""


class Working(Dialog[Outcome | Failure], Generic[Outcome]):
    """Does ``job`` in a thread and returns what it returns. ``stop`` labels the button that cancels."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,ctrl+c", "leave", "Cancel", show=False)]

    class Advanced(Message):
        """The work is some way further."""

        def __init__(self, step: Step) -> None:
            super().__init__()
            self.step = step

        def can_replace(self, message: Message) -> bool:
            """Only the newest matters."""
            return isinstance(message, Working.Advanced)

    class Ended(Message):
        """The work is over."""

    def __init__(self, title: str, job: Job[Outcome], *, stop: str = "", stopping: str = "") -> None:
        super().__init__(title)
        self.job = job
        self.stop = stop
        self.stopping = stopping
        self.is_cancelled = False
        self.outcome: Outcome | Failure | None = None
        self.over = asyncio.Event()
        """Set when the work is over, whatever lies above this dialog."""
        self._is_answered = False

    def parts(self) -> Iterator[Widget]:
        """How far it is."""
        yield ProgressBar(show_eta=False)
        yield Static("…", id="step")

    def buttons(self) -> Iterator[Button]:
        """The way out, if there is one."""
        if self.stop:
            yield Button(self.stop, id="stop", compact=True)

    def on_mount(self) -> None:
        self.run_worker(self._work, thread=True)

    def on_unmount(self) -> None:
        """Quitting does not wait for a disk longer than it must."""
        self.is_cancelled = True

    def _work(self) -> None:
        try:
            self.outcome = self.job(self._report, lambda: self.is_cancelled)
        except PrunellaError as error:
            self.outcome = Failure(str(error), is_refusal=True)
        except OSError as error:
            self.outcome = Failure(f"{clean(str(error.filename or ''))}: {error.strerror}", is_refusal=False)
        finally:
            self.post_message(self.Ended())

    def _report(self, step: Step) -> None:
        self.post_message(self.Advanced(step))

    @on(Advanced)
    def _show(self, message: Advanced) -> None:
        share, text = message.step
        self.query_one(ProgressBar).update(total=None if share is None else 1, progress=share or 0)
        if not self.is_cancelled:
            self.query_one("#step", Static).update(text)

    @on(Button.Pressed, "#stop")
    def action_leave(self) -> None:
        """Ask the work to end at its next safe point."""
        if self.stop:
            self.is_cancelled = True
            self.query_one("#step", Static).update(self.stopping)

    @on(Ended)
    def _end(self) -> None:
        self.over.set()
        self._end_on_top()

    def on_screen_resume(self) -> None:
        """Something that lay above, such as the palette, went away."""
        self._end_on_top()

    def _end_on_top(self) -> None:
        if self.over.is_set() and self.app.screen is self and not self._is_answered:  # dismiss ends what is on top
            self._is_answered = True
            self.dismiss(self.outcome)
