"""The lines around the tables: title, bar, tabs, status, keys. Drawing one again lays nothing out."""

from collections.abc import Iterator, Mapping, Sequence

from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from prunella_core.base.text import clean
from prunella_core.inventory.records import Inventory
from prunella_core.space.totals import Totals
from prunella_tui.app.bindings import Key, shown
from prunella_tui.app.session import Session
from prunella_tui.app.widgets.tables import TABS
from prunella_tui.report import format as show


class Line(Static):
    """One line of text. What does not fit ends in an ellipsis."""

    def say(self, *parts: Content | str, between: str = " · ") -> None:
        """Show ``parts`` that are not empty, with ``between`` between them."""
        shown = [Content(part) if isinstance(part, str) else part for part in parts if part]
        self.update(Content(between).join(shown), layout=False)


def muted(text: str) -> Content:
    return Content.styled(text, "$text-muted")


class Title(Line):
    """Which store this is, and what is special about it, before anything is marked."""

    def show(self, session: Session) -> None:
        loaded = show.counted(len(session.loaded), "model")
        self.say(
            Content.styled("Prunella", "bold $text-primary"),
            *_store(session),
            muted("guard on") if session.inventory and session.inventory.guard else "",
            muted(f"▸ {loaded} loaded") if session.loaded else "",
            between="  ",
        )


def _store(session: Session) -> tuple[Content | str, ...]:
    store, warning = session.store, ""
    if session.setup.is_sample:
        return ("Demo store: sizes ÷ 1000, nothing here is real",)
    if store.read_only:
        date = show.date(session.setup.now())
        return Content.styled(f"read-only, as of {date}", "$text-warning"), clean(store.place)
    if session.is_interrupted:
        warning = "interrupted removal: the next removal, or u, repairs it first"
    elif not store.writable:
        way = "the server can delete models for you" if session.server else "read-only for you"
        warning = f"belongs to {store.owner}: {way}"
    elif session.guard_trouble:
        warning = f"guard: {session.guard_trouble}"
    return clean(store.root), Content.styled(warning, "$text-warning") if warning else muted(store.why)


_SHARES = (
    ("exclusive", "one model", "$primary"),
    ("shared", "shared", "$secondary"),
    ("unreferenced", "unreferenced", "$warning"),
    ("partial", "partial", "$warning-darken-3"),
    ("leftover", "leftover", "$success"),
    ("stray", "stray", "$text-muted"),
    ("trashed", "trash", "$error"),
)


class StoreBar(Widget):
    """Two lines: the bar over the store's own bytes, and its legend in the same order, with the disk's free bytes."""

    totals: reactive[Totals | None] = reactive(None)

    def render(self) -> RenderResult:
        if self.totals is None:
            return Content("…")
        width = max(self.size.width, 10)
        shares = [(count, word, color) for field, word, color in _SHARES if (count := getattr(self.totals, field))]
        return Content("\n").join([_bar(shares, width), _legend(shares, self.totals.disk_free, width)])


def _bar(shares: list[tuple[int, str, str]], width: int) -> Content:
    """What is there is seen, however small. A gap ends each share, for screens without colour."""
    if not shares:
        return Content.styled("─" * width, "$foreground 30%")
    whole = sum(count for count, _word, _color in shares)
    parts = []
    drawn = passed = 0
    for count, _word, color in shares:
        passed += count
        end = min(max(round(passed / whole * width), drawn + 1), width)
        parts.append(Content.styled("█" * (end - drawn - 1) + "▊" if end > drawn else "", color))
        drawn = end
    return Content("").join(parts)


def _legend(shares: list[tuple[int, str, str]], disk_free: int, width: int) -> Content:
    """The shares in words, the smallest left out where there is no room for all."""
    parts = {share: Content.assemble(("■", share[2]), f" {share[1]} {show.size(share[0])}") for share in shares}
    free = Content(f"free {show.size(disk_free)}")
    while parts and sum(len(part) + 2 for part in parts.values()) + len(free) > width:
        del parts[min(parts)]
    return Content("  ").join([*parts.values(), free])


class TabBar(Line):
    """The names of the tabs. A click on one opens it."""

    def show(self, session: Session, counts: Mapping[str, str], current: str) -> None:
        """Show every tab with how many rows it has, and how many of them are marked; the open one in reverse."""
        has_problems = bool(session.inventory and session.inventory.problems)
        parts = []
        for number, tab in enumerate(TABS, 1):
            marked = len(getattr(session.marks, "manifests" if tab.id == "problems" else tab.id))
            label = f" {number} {tab.title} {counts.get(tab.id, '')}{f' ✓{marked:,}' if marked else ''} "
            warns = "bold $text-warning" if tab.id == "problems" and has_problems else "$text-muted"
            style = "reverse bold" if tab.id == current else warns
            parts.append(Content.styled(label, style).stylize(_click(f"show_tab('{tab.id}')")))
        self.say(*parts, between=" ")


class StatusLine(Line):
    """Counts while a scan is going on."""

    def __init__(self, session: Session) -> None:
        super().__init__(id="status")
        self.session = session

    def on_mount(self) -> None:
        self._counting = self.set_interval(0.1, self._count, pause=True)

    def show(self, filtered: str, error: str) -> None:
        """Show why the filter is wrong, else what the marks do; and how much the filter lets through."""
        session = self.session
        if session.scan:
            self._count()
            self._counting.resume()
            return
        self._counting.pause()
        if error:
            self.say(Content.styled(error, "$text-error"))
        elif session.failure:
            failure = Content.styled(f"The store cannot be read: {session.failure}", "$text-error")
            self.say(failure, muted("r tries again"))
        elif session.inventory is None:
            self.say("Scan stopped", muted("r reads the store"))
        else:
            self.say(*_mark_parts(session, session.inventory), muted(filtered))

    def _count(self) -> None:
        if scan := self.session.scan:
            counts = f"{show.counted(scan.models, 'manifest')}, {show.counted(scan.blobs, 'blob')}"
            self.say("Reading the store …", counts if scan.models or scan.blobs else "", muted("esc stops"))


def _mark_parts(session: Session, inventory: Inventory) -> Iterator[Content | str]:
    marks, marked = session.marks, session.marked
    count = marks.count + len(marks.trash)
    if not count or not marked:
        yield muted("Nothing marked")
        return
    yield Content.styled(f"{count:,} marked", "bold")
    if marks.trash:  # what is in the trash can only be deleted permanently, and all of it together
        plan = session.removal_plans(inventory, force=False)[0]
        yield _frees(plan.reclaims)
        yield Content.styled("permanently", "$text-error")
        if plan.kept:
            yield f"{show.size(sum(kept.allocated for kept in plan.kept))} stays"
        return
    if session.implied:
        yield Content.styled(f"also deletes {show.names(sorted(session.implied), 2)}", "$text-warning")
    yield _frees(marked.frees)
    if keeps := marked.keeps:
        users = marked.users_of_kept()
        why = f"used by {show.names(users, 2)}" if users else "because of a problem"
        yield f"{show.size(keeps)} stays, {why}"
    if marked.held_back:
        yield Content.styled(f"{marked.held_back:,} held back", "$text-warning")


def _frees(count: int) -> Content:
    return Content.assemble("frees ", (show.size(count), "bold $text-success"))


class KeyLine(Line):
    """The keys that do something here and now. Where room is short the least important leave first."""

    _keys: Sequence[Key] = ()

    def show(self, keys: Sequence[Key]) -> None:
        self._keys = keys
        self.on_resize()

    def on_resize(self) -> None:
        labels = {key: _label(key, key.label) for key in self._keys}
        if sum(len(label) + 2 for label in labels.values()) - 2 > self.size.width:
            labels |= {key: _label(key, key.short) for key in self._keys if key.short}
        kept, room = set[Key](), self.size.width + 2
        for key in sorted(self._keys, key=lambda key: key.rank):
            if len(labels[key]) + 2 <= room:
                kept.add(key)
                room -= len(labels[key]) + 2
        self.say(*(labels[key] for key in self._keys if key in kept), between="  ")


def _label(key: Key, label: str) -> Content:
    sign = Content.styled(shown(key.keys).split()[0], "bold $text-accent")
    click = _click(key.action) if key.home == "tables" else f"@click=screen.{key.action}"
    return Content.assemble(sign, f" {label}").stylize(click)


def _click(action: str) -> str:
    """What a click does to the tables, wherever it is."""
    return f'@click=screen.in_tables("{action}")'
