"""The line below the tables: how far a scan is, else what the marks do."""

from collections.abc import Iterator

from textual.content import Content

from prunella_core.inventory.records import Inventory
from prunella_core.plan.marked import Marked
from prunella_core.plan.records import Plan
from prunella_tui.app.scanning import Scan
from prunella_tui.app.session import Session
from prunella_tui.app.widgets.line import Line, muted
from prunella_tui.report import format as show

_COUNT_SECONDS = 0.1


class StatusLine(Line):
    """Counts while a scan is going on."""

    def __init__(self, session: Session) -> None:
        super().__init__(id="status")
        self.session = session
        self._filtered = ""
        self._error = ""

    def on_mount(self) -> None:
        self._counting = self.set_interval(_COUNT_SECONDS, self._count, pause=True)

    def show(self, filtered: str, error: str) -> None:
        """Show why the filter is wrong, else what the marks do; and how much the filter lets through."""
        self._filtered, self._error = filtered, error
        if self.session.scan:
            self._count()
            self._counting.resume()
        else:
            self._counting.pause()
            self.say(*self._parts())

    def _count(self) -> None:
        if scan := self.session.scan:
            self.say("Reading the store …", _counts(scan), muted("esc stops"))

    def _parts(self) -> list[Content | str]:
        session = self.session
        if self._error:
            return [Content.styled(self._error, "$text-error")]
        if session.failure:
            return [
                Content.styled(f"The store cannot be read: {session.failure}", "$text-error"),
                muted("r tries again"),
            ]
        if session.inventory is None:
            return ["Scan stopped", muted("r reads the store")]
        return [*self._mark_parts(session.inventory), muted(self._filtered)]

    def _mark_parts(self, inventory: Inventory) -> Iterator[Content | str]:
        session, marks = self.session, self.session.marks
        if marks.trash:
            plan = session.removal_plans(inventory, force=False)[0]
            yield from _plan_parts(plan, marks.count + len(marks.trash))
        elif session.marked and marks.count:
            yield from _mark_parts(session.marked, marks.count)
        else:
            yield muted("Nothing marked")


def _counts(scan: Scan) -> str:
    if not (scan.models or scan.blobs):
        return ""
    return f"{show.counted(scan.models, 'manifest')}, {show.counted(scan.blobs, 'blob')}"


def _mark_parts(marked: Marked, count: int) -> Iterator[Content | str]:
    """What the marks outside the trash would free, and what is kept."""
    yield _marked(count)
    if marked.implied:
        yield Content.styled(f"also deletes {show.names(sorted(marked.implied), 2)}", "$text-warning")
    yield _frees(marked.frees)
    if keeps := marked.keeps:
        users = marked.users_of_kept()
        why = f"used by {show.names(users, 2)}" if users else "because of a problem"
        yield f"{show.size(keeps)} stays, {why}"
    if marked.held_back:
        yield Content.styled(f"{show.number(marked.held_back)} held back", "$text-warning")


def _plan_parts(plan: Plan, count: int) -> Iterator[Content | str]:
    """The same where something in the trash is marked: it can only be deleted permanently."""
    yield from (_marked(count), _frees(plan.reclaims), Content.styled("permanently", "$text-error"))
    if plan.kept:
        yield f"{show.size(sum(kept.allocated for kept in plan.kept))} stays"


def _marked(count: int) -> Content:
    return Content.styled(f"{show.number(count)} marked", "bold")


def _frees(count: int) -> Content:
    return Content.assemble("frees ", (show.size(count), "bold $text-success"))
