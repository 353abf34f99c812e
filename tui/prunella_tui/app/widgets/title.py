"""The first line: which store this is, and what may be done with it."""

from textual.content import Content

from prunella_core.apply import has_unfinished
from prunella_core.base.text import clean
from prunella_tui.app.session import Session
from prunella_tui.app.widgets.line import Line, muted
from prunella_tui.report import format as show


class Title(Line):
    """Says what is special about the store before anything is marked."""

    def show(self, session: Session) -> None:
        """Show the store of ``session`` as it is known now."""
        loaded = session.snapshot.loaded if session.snapshot else ()
        models = show.counted(len(loaded), "model")
        self.say(
            Content.styled("Prunella", "bold $text-primary"),
            *_store(session),
            muted(f"▸ {models} loaded") if loaded else "",
            between="  ",
        )


def _store(session: Session) -> tuple[Content | str, ...]:
    store = session.store
    if session.setup.is_sample:
        return ("Demo store: sizes ÷ 1000, nothing here is real",)
    if store.read_only:
        date = show.date(session.setup.now())
        return Content.styled(f"read-only, as of {date}", "$text-warning"), clean(store.place)
    return clean(store.root), _standing(session)


def _standing(session: Session) -> Content:
    store = session.store
    if has_unfinished(store):
        return Content.styled("interrupted removal: the next removal, or u, repairs it first", "$text-warning")
    if not store.named:
        others = show.counted(len(store.other_stores), "other store")
        return Content.styled(f"{store.why}; {others}: pick one with --store to delete", "$text-warning")
    if not store.writable:
        way = "the server can delete models for you" if session.server else "read-only for you"
        return Content.styled(f"belongs to {store.owner}: {way}", "$text-warning")
    return muted(store.why)
