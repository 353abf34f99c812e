"""The line below the tables: how far a scan is, else what the marks do."""

from collections.abc import Iterator

from textual.content import Content

from prunella_core.inventory.records import Inventory
from prunella_tui.app.scanning import Scan
from prunella_tui.app.session import Session
from prunella_tui.app.widgets.lines import Line, muted
from prunella_tui.report import format as show

_COUNT_SECONDS = 0.1


class StatusLine(Line):
    """Counts while a scan is going on."""

    def __init__(self, session: Session) -> None:
        super().__init__(id="status")
        self.session = session

    def on_mount(self) -> None:
        self._counting = self.set_interval(_COUNT_SECONDS, self._count, pause=True)

    def show(self, filtered: str, error: str) -> None:
        """Show why the filter is wrong, else what the marks do; and how much the filter lets through."""
        if self.session.scan:
            self._count()
            self._counting.resume()
        else:
            self._counting.pause()
            self.say(*self._parts(filtered, error))

    def _count(self) -> None:
        if scan := self.session.scan:
            self.say("Reading the store …", _counts(scan), muted("esc stops"))

    def _parts(self, filtered: str, error: str) -> Iterator[Content | str]:
        session = self.session
        if error:
            yield Content.styled(error, "$text-error")
        elif session.failure:
            yield Content.styled(f"The store cannot be read: {session.failure}", "$text-error")
            yield muted("r tries again")
        elif session.inventory is None:
            yield from ("Scan stopped", muted("r reads the store"))
        else:
            yield from _mark_parts(session, session.inventory)
            yield muted(filtered)


def _counts(scan: Scan) -> str:
    if not (scan.models or scan.blobs):
        return ""
    return f"{show.counted(scan.models, 'manifest')}, {show.counted(scan.blobs, 'blob')}"


def _mark_parts(session: Session, inventory: Inventory) -> Iterator[Content | str]:
    marks, marked = session.marks, session.marked
    count = marks.count + len(marks.trash)
    if not count or not marked:
        yield muted("Nothing marked")
        return
    yield Content.styled(f"{show.number(count)} marked", "bold")
    if marks.trash:  # what is in the trash can only be deleted permanently, and all of it together
        plan = session.removal_plans(inventory, force=False)[0]
        yield from (_frees(plan.reclaims), Content.styled("permanently", "$text-error"))
        if plan.kept:
            yield f"{show.size(sum(kept.allocated for kept in plan.kept))} stays"
        return
    if marked.implied:
        yield Content.styled(f"also deletes {show.names(sorted(marked.implied), 2)}", "$text-warning")
    yield _frees(marked.frees)
    if keeps := marked.keeps:
        users = marked.users_of_kept()
        why = f"used by {show.names(users, 2)}" if users else "because of a problem"
        yield f"{show.size(keeps)} stays, {why}"
    if marked.held_back:
        yield Content.styled(f"{show.number(marked.held_back)} held back", "$text-warning")


def _frees(count: int) -> Content:
    return Content.assemble("frees ", (show.size(count), "bold $text-success"))
