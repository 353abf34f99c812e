"""Verifying from the tables: what is marked, else the row under the cursor, with a way out and a result to read."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, ProgressBar, Static

from prunella_core.base.text import clean
from prunella_core.inventory.records import Blob, Inventory, Model, Problem, digest_of_file
from prunella_core.verify import Bad, VerifyProgress, VerifyResult, verify_blobs
from prunella_tui import presentation as show
from prunella_tui.app.dialogs import Answer, Dialog, Text, Working

if TYPE_CHECKING:
    from prunella_tui.app.look import Look

_MOST_LISTED = 100


class Progressed(Message):
    """A verification is on its way."""

    def __init__(self, progress: VerifyProgress) -> None:
        super().__init__()
        self.progress = progress

    def can_replace(self, message: Message) -> bool:
        """Only the newest count matters."""
        return isinstance(message, Progressed)


class Ended(Message):
    """A verification ended, or was cancelled."""

    def __init__(self, result: VerifyResult) -> None:
        super().__init__()
        self.result = result


class Verifying(Working):
    """A verification on its way. It may be left at any time: what was verified is remembered."""

    def __init__(self, inventory: Inventory, blobs: list[Blob], now: Callable[[], float], again: bool) -> None:
        super().__init__("Verifying")
        self.inventory = inventory
        self.blobs = blobs
        self.now = now
        self.again = again
        self.begun = now()
        self.result: VerifyResult | None = None

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content(f"{self.doing} {show.counted(len(self.blobs), 'blob')}"), classes="title")
            yield ProgressBar(total=1, show_eta=False)
            yield Static(Content("…"), id="step")
            with Horizontal():
                yield Button("Stop, and keep what was verified", id="stop", compact=True)

    def on_mount(self) -> None:
        self.run_worker(self._work, thread=True)

    def on_unmount(self) -> None:
        """Leaving the application must not wait for a disk."""
        self.is_cancelled = True

    def _work(self) -> None:
        def report(progress: VerifyProgress) -> None:
            self.post_message(Progressed(progress))

        result = verify_blobs(
            self.inventory,
            self.blobs,
            again=self.again,
            report=report,
            cancelled=lambda: self.is_cancelled,
        )
        self.post_message(Ended(result))

    def action_cancel(self) -> None:
        self.is_cancelled = True

    @on(Progressed)
    def _show_progress(self, message: Progressed) -> None:
        self.query_one(ProgressBar).update(progress=message.progress.share)
        text = show.verifying(message.progress, self.now() - self.begun)
        self.query_one("#step", Static).update(Content(text))

    @on(Ended)
    def _end(self, message: Ended) -> None:
        self.result = message.result
        self.dismiss("cancel")


class Verified(Dialog):
    """What was found: each bad blob, and the models that it breaks."""

    def __init__(self, result: VerifyResult) -> None:
        super().__init__(classes="-danger" if result.bad else "")
        self.result = result

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Content(_title(self.result)), classes="title")
            with VerticalScroll(can_focus=False):
                yield Static(Content("\n").join(_lines(self.result)))
            with Horizontal():
                yield Button("Back", id="cancel", compact=True)
                if self.result.remembered:
                    yield Button("Read all again", id="force", compact=True)

    def on_mount(self) -> None:
        self.query_one("#cancel", Button).focus()


def _title(result: VerifyResult) -> str:
    if result.bad:
        return show.counted(len(result.bad), "bad blob")
    if result.cancelled:
        return "Stopped"
    return "Changed while it was read" if result.changed else "All sound"


def _lines(result: VerifyResult) -> Iterator[Content]:
    for bad in result.bad[:_MOST_LISTED]:
        yield from _bad_lines(bad)
    if len(result.bad) > _MOST_LISTED:
        yield Content(f"and {show.number(len(result.bad) - _MOST_LISTED)} more: see the problems (tab 4)\n")
    for check in result.changed[:_MOST_LISTED]:
        yield Content(f"~ {clean(check.path)}: changed while it was read; verify it again")
    yield Content(f"Verified {show.counted(result.checked, 'blob')}, {show.size(result.bytes)}.")
    if result.remembered:
        more = show.counted(result.remembered, "blob")
        yield Content.styled(f"Found sound by an earlier run, and unchanged since: {more}.", "$foreground 60%")
    if result.cancelled:
        yield Content.styled("The rest was not read; v goes on from there.", "$foreground 60%")
    if result.bad:
        yield Content.styled("How to mend it: the problems, tab 4. Nothing was removed.", "$foreground 60%")


def _bad_lines(bad: Bad) -> Iterator[Content]:
    yield Content.assemble(("✗ ", "$text-error"), (show.short_digest(bad.digest), "bold"))
    yield Content(f"  {clean(bad.problem)}")
    yield Content(f"  breaks {show.names(bad.models, 12)}\n" if bad.models else "  no model needs it\n")


def verify_selection(screen: "Look") -> None:
    """Verify what is marked on ``screen``, else the row under the cursor, then show what was found."""
    inventory = screen.inventory
    if inventory is None:
        return
    if refusal := screen.store.read_only:
        screen.app.push_screen(Text("Nothing can be verified here", Content(refusal)))
    elif blobs := list(_selected(screen, inventory)):
        _verify(screen, inventory, blobs)
    else:
        screen.notify("Nothing here is named by its hash: v verifies models and whole blobs (tabs 1 and 2).")


def _verify(screen: "Look", inventory: Inventory, blobs: list[Blob], again: bool = False) -> None:
    dialog = Verifying(inventory, blobs, screen.setup.now, again)

    def tell(_answer: Answer | None) -> None:
        if dialog.result:
            screen.app.push_screen(Verified(dialog.result), go_on)
            screen.action_rescan()

    def go_on(answer: Answer | None) -> None:
        if answer == "force":
            _verify(screen, inventory, blobs, again=True)

    screen.app.push_screen(dialog, tell)


def _selected(screen: "Look", inventory: Inventory) -> Iterable[Blob]:
    marks = screen.marks
    found = [inventory.blob_by_key[key] for key in marks.blobs]
    found += [blob for name in marks.models for blob in inventory.blobs_of(inventory.model_by_name[name])]
    rows = found or _under_cursor(screen, inventory)
    return {blob.key: blob for blob in rows if blob.has_hash}.values()


def _under_cursor(screen: "Look", inventory: Inventory) -> list[Blob]:
    row = screen.table.row
    if isinstance(row, Problem):
        key = digest_of_file(row.path) or ""
        row = inventory.blob_by_key.get(key) or inventory.model_by_name.get(row.model or "")
    if isinstance(row, Model):
        return inventory.blobs_of(row)
    return [row] if isinstance(row, Blob) else []
