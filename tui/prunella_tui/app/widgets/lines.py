"""The lines around the tables: the title, the tabs, the keys. Drawing one again lays nothing out."""

from collections.abc import Collection, Mapping, Sequence

from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from prunella_core.apply import has_unfinished
from prunella_core.base.text import clean
from prunella_tui.app.bindings import Key, shown
from prunella_tui.app.session import Session
from prunella_tui.app.tabs import TABS
from prunella_tui.report import format as show


class Line(Static):
    """One line of text. What does not fit ends in an ellipsis."""

    def say(self, *parts: Content | str, between: str = " · ") -> None:
        """Show ``parts`` that are not empty, with ``between`` between them."""
        shown = [Content(part) if isinstance(part, str) else part for part in parts if part]
        self.update(Content(between).join(shown), layout=False)


def muted(text: str) -> Content:
    """Return text of less weight."""
    return Content.styled(text, "$text-muted")


class Title(Line):
    """Which store this is, and what is special about it, before anything is marked."""

    def show(self, session: Session) -> None:
        """Show the store of ``session`` as it is known now."""
        loaded = show.counted(len(session.loaded), "model")
        self.say(
            Content.styled("Prunella", "bold $text-primary"),
            *_store(session),
            muted("guard") if session.inventory and session.inventory.guard else "",
            muted(f"▸ {loaded} loaded") if session.loaded else "",
            between="  ",
        )


def _store(session: Session) -> tuple[Content | str, ...]:
    store = session.store
    if session.setup.is_sample:
        return ("Demo store: sizes ÷ 1000, nothing here is real",)
    if store.read_only:
        date = show.date(session.setup.now())
        return Content.styled(f"read-only, as of {date}", "$text-warning"), clean(store.place)
    warning = _warning(session)
    return clean(store.root), Content.styled(warning, "$text-warning") if warning else muted(store.why)


def _warning(session: Session) -> str:
    store = session.store
    if has_unfinished(store):
        return "interrupted removal: the next removal, or u, repairs it first"
    if not store.writable:
        way = "the server can delete models for you" if session.server else "read-only for you"
        return f"belongs to {store.owner}: {way}"
    return f"guard: {session.guard_trouble}" if session.guard_trouble else ""


class TabBar(Line):
    """The names of the tabs. A click on one asks for it."""

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, tab: str) -> None:
            super().__init__()
            self.tab = tab

    def show(self, session: Session, counts: Mapping[str, str], current: str) -> None:
        """Show every tab with how many rows it has, and how many of them are marked; the open one in reverse."""
        has_problems = bool(session.inventory and session.inventory.problems)
        parts = []
        for number, tab in enumerate(TABS, 1):
            marked = len(getattr(session.marks, "manifests" if tab.id == "problems" else tab.id))
            label = f" {number} {tab.title} {counts.get(tab.id, '')}{f' ✓{marked:,}' if marked else ''} "
            warns = "bold $text-warning" if tab.id == "problems" and has_problems else "$text-muted"
            style = "reverse bold" if tab.id == current else warns
            parts.append(Content.styled(label, style).stylize(f"@click=choose('{tab.id}')"))
        self.say(*parts, between=" ")

    def action_choose(self, tab: str) -> None:
        self.post_message(self.Chosen(tab))


class KeyLine(Line):
    """The keys that do something here and now. Where room is short the least important leave first."""

    _keys: Sequence[Key] = ()

    def show(self, keys: Sequence[Key]) -> None:
        """Show ``keys`` in their order."""
        self._keys = keys
        self.on_resize()

    def on_resize(self) -> None:
        labels = {key: _label(key, key.label) for key in self._keys}
        if not self._has_room(labels.values()):
            labels |= {key: _label(key, key.short) for key in self._keys if key.short}
        kept = dict[Key, Content]()
        for key in sorted(self._keys, key=lambda key: key.rank):
            if self._has_room([*kept.values(), labels[key]]):
                kept[key] = labels[key]
        self.say(*(kept[key] for key in self._keys if key in kept), between=_BETWEEN)

    def _has_room(self, labels: Collection[Content]) -> bool:
        return sum(len(label) for label in labels) + (len(labels) - 1) * len(_BETWEEN) <= self.size.width


_BETWEEN = "  "


def _label(key: Key, label: str) -> Content:
    sign = Content.styled(shown(key.keys).split()[0], "bold $text-accent")
    return Content.assemble(sign, f" {label}").stylize(f"@click=screen.{key.action}")
