"""The map: the whole store at a glance, as tiles as large as what they take on the disk."""

import asyncio
from typing import ClassVar, NamedTuple

from textual import getters, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.screen import Screen

from prunella_core.base.text import clean
from prunella_core.inventory.records import Inventory, State
from prunella_core.ledger.memory import read_totals
from prunella_core.scan.system import OtherFiles, other_files
from prunella_core.space import space_of
from prunella_core.space.totals import Area, AreaKind, areas, totals
from prunella_tui.app.bindings import KEYS, bindings
from prunella_tui.app.screens.dialog import Reading
from prunella_tui.app.session import Session
from prunella_tui.app.widgets.lines import KeyLine, Line, muted
from prunella_tui.app.widgets.mapview import Label, MapView, Spot
from prunella_tui.report import format as show
from prunella_tui.report.rows import sharing_lines
from prunella_tui.report.tables import trend
from prunella_tui.report.textual import Drawing

_OF_MODELS = {AreaKind.FAMILY, AreaKind.MODEL, AreaKind.SHARED}
_SIGNS = {AreaKind(state.value): words[0] for state, words in show.STATES.items() if state.value in set(AreaKind)} | {
    AreaKind.TRASH: show.STATES[State.TRASHED][0],
    AreaKind.MODEL: "●",
    AreaKind.BROKEN: "✗",
}
_DAY = 86_400
_WEEKS = 30 * _DAY
_TONES = {
    None: "rest",
    AreaKind.COMMON: "rest",
    AreaKind.BROKEN: "rest",
    AreaKind.FAMILY: "shared",
    AreaKind.SHARED: "shared",
    AreaKind.MODEL: "model",
}
_TITLES = {AreaKind.COMMON: "small blobs of many", AreaKind.BROKEN: "no manifests"}


class Place(NamedTuple):
    """A row to go to: the ID of its tab and its key."""

    tab: str
    key: str


class Level(NamedTuple):
    """What is shown: the whole store, or one area of it; and the tile that was opened."""

    title: str
    areas: tuple[Area, ...]
    came_from: Area | None = None

    @property
    def allocated(self) -> int:
        return sum(area.allocated for area in self.areas)


class MapScreen(Screen[Place | None]):
    """Tiles to walk over, look into and mark. It ends with the Place that was chosen, if one was."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("map")
    HOMES = ("map",)
    """The palette lists the keys of these."""

    view = getters.query_one(MapView)

    def __init__(self, session: Session, inventory: Inventory) -> None:
        super().__init__()
        self.session = session
        self.inventory = inventory
        self.levels = [Level("the whole store", areas(inventory))]
        self.other: OtherFiles | None = None
        """The other files in the root, once they are known."""
        self.trend = ""
        """How its total went in the last weeks; empty where one day at most is known."""

    def compose(self) -> ComposeResult:
        yield Line(id="map-title")
        yield MapView(self._label)
        yield Line(id="map-status")
        yield KeyLine()

    def on_mount(self) -> None:
        self.query_one(KeyLine).show([key for key in KEYS if key.home == "map" and key.rank])
        self.view.focus()
        self._show()
        if not self.inventory.store.exported_from:
            self._look_at_others()

    @work
    async def _look_at_others(self) -> None:
        now = self.inventory.scanned_at
        noted = await asyncio.to_thread(read_totals, self.inventory.store, now - _WEEKS, now)
        if noted and now - noted[0].at >= _DAY:
            self.trend = trend([*(each.totals.allocated for each in noted), totals(self.inventory).allocated])
        try:
            self.other = await asyncio.to_thread(other_files, self.inventory, lambda: not self.is_running)
        except OSError as error:
            self.notify(f"Other files cannot be read: {error.strerror}", severity="warning")
        self._show_crumbs()

    # Looking

    def _show(self, cursor: Area | None = None) -> None:
        is_whole = len(self.levels) == 1
        main = [area for area in self.levels[-1].areas if not is_whole or area.kind in _OF_MODELS]
        apart = [area for area in self.levels[-1].areas if is_whole and area.kind not in _OF_MODELS]
        self.view.show(main, apart, cursor)
        self._show_crumbs()

    def _show_crumbs(self) -> None:
        path = " › ".join(level.title for level in self.levels[1:] or self.levels)
        crumbs = [
            Content.styled("Map", "bold $text-primary"),
            Content(path),
            Content(show.size(self.levels[-1].allocated)),
        ]
        if self.trend and len(self.levels) == 1:
            crumbs.append(muted(f"{self.trend} in {show.duration(_WEEKS)}"))
        if self.other and self.other.allocated and len(self.levels) == 1:
            largest = show.names([f"{name} {show.size(count)}" for name, count in self.other.entries])
            crumbs += [muted(f"other {show.size(self.other.allocated)}: {largest}"), *map(muted, self.other.notes)]
        self.query_one("#map-title", Line).say(*crumbs, between="  ")

    @on(MapView.Opened)
    def action_open(self) -> None:
        """Look into the tile; where it is one thing, go to its row."""
        spot = self.view.spot
        if spot is None:
            return
        if parts := spot.area.parts if spot.area else spot.areas:
            self.levels.append(Level(self._title(spot), parts, spot.areas[0]))
            self._show()
        else:
            area = spot.areas[0]
            places = (("models", area.models), ("blobs", area.blobs), ("trash", area.entries))
            self.dismiss(next((Place(tab, keys[0]) for tab, keys in places if keys), Place("problems", "")))

    def action_back(self) -> None:
        """Go back to where the tile was seen from, or leave."""
        if len(self.levels) == 1:
            self.dismiss(None)
        else:
            self._show(self.levels.pop().came_from)

    def action_sharing(self) -> None:
        """Show which models share data with the model, or with the oldest of a family."""
        spot = self.view.spot
        if spot and spot.area and spot.area.models:
            name = self._oldest(spot.area)
            self.app.push_screen(Reading(f"What {clean(name)} shares", Drawing(sharing_lines(self.inventory, name))))
        else:
            self.notify("Put the cursor on a model", severity="warning")

    # Marking

    def action_mark(self) -> None:
        """Mark what the tile stands for; unmark it when all of it is marked."""
        if spot := self.view.spot:
            wanted = _keys(spot)
            if not wanted:
                self.notify("This tile cannot be marked as a whole: look inside with enter", timeout=3)
            change = self.session.unmark if self._is_marked(spot) else self.session.mark
            for tab, keys in wanted.items():
                change(tab, keys)
            self.view.redraw()

    def _is_marked(self, spot: Spot) -> bool:
        wanted = _keys(spot)
        return bool(wanted) and all(keys <= getattr(self.session.marks, tab) for tab, keys in wanted.items())

    # Words

    def _label(self, spot: Spot) -> Label:
        kind = spot.area.kind if spot.area else None
        sign = _SIGNS.get(kind, "◆") if kind else "…"
        share = spot.allocated / (self.levels[-1].allocated or 1)
        title = self._title(spot) if kind in (AreaKind.MODEL, None) else f"{sign} {self._title(spot)}"
        lines = (title, f"{show.size(spot.allocated)} · {share:.0%}", *self._more(spot))
        return Label(sign, lines, _TONES.get(kind, "unneeded"), self._is_marked(spot))

    def _title(self, spot: Spot) -> str:
        area = spot.area
        if area is None:
            return f"{len(spot.areas):,} others"
        if area.kind is AreaKind.SHARED:
            return f"shared by {show.names(area.models, 2)}"
        if area.kind in _OF_MODELS:
            return clean(self._oldest(area)) + (f" +{len(area.models) - 1}" if len(area.models) > 1 else "")
        is_row = len(self.levels) > 1 and not area.parts
        if is_row and area.blobs:
            return show.blob_title(self.inventory.blob_by_key[area.blobs[0]])
        if is_row and area.entries:
            return show.trash_title(next(entry for entry in self.inventory.trash if entry.id == area.entries[0]))
        return _TITLES.get(area.kind, area.kind.value)

    def _oldest(self, area: Area) -> str:
        """The model that gives a family its name: what was made from it came later."""
        return min(area.models, key=lambda name: self.inventory.model_by_name[name].modified_at)

    def _more(self, spot: Spot) -> tuple[str, ...]:
        """What else a large tile says."""
        area = spot.area
        if area and area.kind is AreaKind.FAMILY:
            shared = sum(part.allocated for part in area.parts if part.kind is AreaKind.SHARED)
            return (f"{show.counted(len(area.models), 'model')} share {show.size(shared)}",)
        if area and area.kind is AreaKind.MODEL:
            details = show.details(self.inventory.model_by_name[area.models[0]])
            return (details,) if len(self.levels) == 1 else (details, "needed by it alone")
        if area and area.parts:
            return (show.counted(len(area.entries) or len(area.blobs), "removal" if area.entries else "blob"),)
        return ()

    @on(MapView.Highlighted)
    def _show_status(self) -> None:
        parts: list[Content | str] = []
        if spot := self.view.spot:
            title = ("✓ " if self._is_marked(spot) else "") + self._title(spot)
            parts += [Content.styled(title, "bold"), f"{show.size(spot.allocated)} on disk"]
            area, marks = spot.area, self.session.marks
            if area and area.models and area.kind in _OF_MODELS:
                frees = show.size(space_of(self.inventory).frees_models(area.models))
                how = " if deleted together" if len(area.models) > 1 else " if deleted alone"
                parts.append(Content.assemble("frees ", (frees, "bold $text-success"), how))
            if count := marks.count + len(marks.trash):
                parts.append(muted(f"{count:,} marked"))
        self.query_one("#map-status", Line).say(*parts)


def _keys(spot: Spot) -> dict[str, frozenset[str]]:
    """What marking a tile marks. What is not Ollama's is only marked one by one, what many share not at all."""
    of_models = [area for area in spot.areas if area.kind in _OF_MODELS]
    unneeded = [area for area in spot.areas if area.kind not in (*_OF_MODELS, AreaKind.COMMON)]
    rows = [area for area in unneeded if not (area.kind is AreaKind.STRAY and area.parts)]
    found = {
        "models": frozenset(name for area in of_models for name in area.models),
        "blobs": frozenset(key for area in rows for key in area.blobs),
        "trash": frozenset(entry for area in rows for entry in area.entries),
    }
    return {tab: keys for tab, keys in found.items() if keys}
