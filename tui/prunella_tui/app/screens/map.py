"""The map: the whole store at a glance, as tiles as large as what they take on the disk."""

from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Static

from prunella_core.base.text import clean
from prunella_core.inventory.records import Inventory, State
from prunella_core.space.space import space_of
from prunella_core.space.totals import Area, AreaKind, areas
from prunella_tui.app.screens.dialog import Reading
from prunella_tui.app.session import Session
from prunella_tui.app.widgets.mapview import Label, MapView, Spot
from prunella_tui.report import format as show
from prunella_tui.report.model import sharing_lines
from prunella_tui.report.textual import Drawing

_OF_MODELS = {AreaKind.FAMILY, AreaKind.MODEL, AreaKind.SHARED}
_SIGNS = {
    AreaKind.FAMILY: "▓",
    AreaKind.MODEL: "●",
    AreaKind.SHARED: "▓",
    AreaKind.COMMON: "▓",
    AreaKind.BROKEN: "✗",
    AreaKind.UNREFERENCED: show.STATE_MARKS[State.UNREFERENCED],
    AreaKind.PARTIAL: show.STATE_MARKS[State.PARTIAL],
    AreaKind.LEFTOVER: show.STATE_MARKS[State.LEFTOVER],
    AreaKind.STRAY: show.STATE_MARKS[State.STRAY],
    AreaKind.TRASH: show.STATE_MARKS[State.TRASHED],
}
_FILLS = {
    AreaKind.SHARED: "░",
    AreaKind.COMMON: "░",
    AreaKind.UNREFERENCED: "▒",
    AreaKind.PARTIAL: "░",
    AreaKind.LEFTOVER: "┄",
    AreaKind.STRAY: "·",
    AreaKind.TRASH: "╱",
}
_TITLES = {
    AreaKind.COMMON: "small blobs of many",
    AreaKind.BROKEN: "no manifests",
    AreaKind.TRASH: "trash",
}


class Place(NamedTuple):
    """A row to go to: the ID of its tab and its key."""

    tab: str
    key: str


class Level(NamedTuple):
    """What is shown: the whole store, or one area of it; and the tile that was opened."""

    title: str
    areas: tuple[Area, ...]
    allocated: int
    """Bytes on the disk."""
    came_from: Area | None = None


class MapScreen(Screen[Place | None]):
    """Tiles to walk over, look into and mark. It ends with the Place that was chosen, if one was."""

    DEFAULT_CSS = """
    MapScreen { layout: vertical; }
    MapScreen .line { height: 1; padding: 0 1; background: $panel; text-wrap: nowrap; text-overflow: ellipsis; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Look inside", tooltip="look inside the tile, or go to its row", id="map.open"),
        Binding("space", "mark", "Mark", tooltip="mark or unmark what the tile stands for", id="map.mark"),
        Binding("w", "sharing", "Sharing", tooltip="which models share its data", id="map.sharing"),
        Binding("escape,backspace", "back", "Back", tooltip="one step back", id="map.back"),
        Binding("m,q", "leave", "Leave", show=False, tooltip="leave the map", id="map.leave"),
    ]

    def __init__(self, session: Session, inventory: Inventory) -> None:
        super().__init__()
        self.session = session
        self.inventory = inventory
        whole = areas(inventory)
        self.levels = [Level("the store", whole, sum(area.allocated for area in whole))]

    def compose(self) -> ComposeResult:
        yield Static(id="map-title", classes="line")
        yield MapView(self._label)
        yield Static(id="map-status", classes="line")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.view.focus()
        self._show()

    @property
    def view(self) -> MapView:
        """The tiles."""
        return self.query_one(MapView)

    @property
    def level(self) -> Level:
        """What is looked at."""
        return self.levels[-1]

    # Looking

    def _show(self, cursor: Area | None = None) -> None:
        is_whole = len(self.levels) == 1
        main = [area for area in self.level.areas if not is_whole or area.kind in _OF_MODELS]
        apart = [area for area in self.level.areas if is_whole and area.kind not in _OF_MODELS]
        self.view.show(main, apart, cursor)
        path = " › ".join(level.title for level in self.levels[1:])
        parts = [Content.styled("Map", "bold $text-primary"), Content(path or "the whole store")]
        parts.append(Content(show.size(self.level.allocated)))
        self.query_one("#map-title", Static).update(Content("  ").join(parts))

    def action_open(self) -> None:
        """Look into the tile; where it is one thing, go to its row."""
        spot = self.view.spot
        if spot is None:
            return
        parts = spot.area.parts if spot.area else spot.areas
        if parts:
            self.levels.append(Level(self._title(spot), parts, spot.allocated, spot.areas[0]))
            self._show()
        elif place := _place(spot.areas[0]):
            self.dismiss(place)

    @on(MapView.Opened)
    def _open(self) -> None:
        self.action_open()

    def action_back(self) -> None:
        """Go back to where the tile was seen from, or leave."""
        if len(self.levels) == 1:
            self.dismiss(None)
        else:
            self._show(self.levels.pop().came_from)

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_sharing(self) -> None:
        """Show which models share data with the model, or with the oldest of a family."""
        spot = self.view.spot
        if spot and spot.area and spot.area.models:
            name = self._oldest(spot.area)
            self.app.push_screen(Reading(f"What {clean(name)} shares", Drawing(sharing_lines(self.inventory, name))))

    # Marking

    def action_mark(self) -> None:
        """Mark what the tile stands for; unmark it when all of it is marked."""
        spot = self.view.spot
        if spot is None:
            return
        wanted = {tab: keys for tab, keys in _keys(spot).items() if keys}
        if not wanted:
            self.notify("This tile cannot be marked as a whole: look inside with enter", timeout=3)
        change = self.session.unmark if self._is_marked(spot) else self.session.mark
        for tab, keys in wanted.items():
            change(tab, keys)
        self.view.redraw()

    def _is_marked(self, spot: Spot) -> bool:
        wanted = {tab: keys for tab, keys in _keys(spot).items() if keys}
        return bool(wanted) and all(keys <= getattr(self.session.marks, tab) for tab, keys in wanted.items())

    # Words

    def _label(self, spot: Spot) -> Label:
        kind = spot.area.kind if spot.area else None
        share = spot.allocated / (self.level.allocated or 1)
        lines = (self._title(spot), f"{show.size(spot.allocated)} · {share:.0%}", *self._more(spot))
        sign = _SIGNS[kind] if kind else "…"
        titled = lines if kind in (AreaKind.MODEL, None) else (f"{sign} {lines[0]}", *lines[1:])
        is_alike = len(self.levels) > 1 and kind is not AreaKind.SHARED
        fill = " " if kind is None or is_alike else _FILLS.get(kind, " ")
        return Label(sign, titled, fill, _tone(kind), self._is_marked(spot))

    def _title(self, spot: Spot) -> str:
        area = spot.area
        if area is None:
            return f"{show.number(len(spot.areas))} others"
        if area.kind is AreaKind.SHARED:
            return f"shared by {show.names(area.models, 2)}"
        if area.kind in _OF_MODELS:
            more = f" +{len(area.models) - 1}" if len(area.models) > 1 else ""
            return clean(self._oldest(area)) + more
        if len(self.levels) > 1 and area.blobs and not area.parts:
            return show.blob_title(self.inventory.blob_by_key[area.blobs[0]])
        if len(self.levels) > 1 and area.entries and not area.parts:
            return show.trash_title(next(entry for entry in self.inventory.trash if entry.id == area.entries[0]))
        return _TITLES.get(area.kind, area.kind.value)

    def _oldest(self, area: Area) -> str:
        """The model that gives a family its name: what was made from it came later."""
        return min(area.models, key=lambda name: self.inventory.model_by_name[name].modified_at)

    def _more(self, spot: Spot) -> tuple[str, ...]:
        """What else a large tile says."""
        area = spot.area
        if area is None:
            return ()
        if area.kind is AreaKind.FAMILY:
            shared = sum(part.allocated for part in area.parts if part.kind is AreaKind.SHARED)
            return (f"{show.counted(len(area.models), 'model')} share {show.size(shared)}",)
        if area.kind is AreaKind.MODEL:
            details = show.details(self.inventory.model_by_name[area.models[0]])
            return (details,) if len(self.levels) == 1 else (details, "needed by it alone")
        count = len(area.entries) or len(area.blobs)
        return (show.counted(count, "removal" if area.entries else "blob"),) if area.parts else ()

    @on(MapView.Highlighted)
    def _tell_spot(self, message: MapView.Highlighted) -> None:
        line = self._status(message.spot) if message.spot else Content("")
        self.query_one("#map-status", Static).update(line)

    def _status(self, spot: Spot) -> Content:
        title = Content.styled(("✓ " if self._is_marked(spot) else "") + self._title(spot), "bold")
        parts = [title, Content(f"{show.size(spot.allocated)} on disk")]
        area = spot.area
        if area and area.models and area.kind in _OF_MODELS:
            frees = show.size(space_of(self.inventory).frees_models(area.models))
            which = "together" if len(area.models) > 1 else "alone"
            parts.append(Content.assemble(f"{which} frees ", (frees, "bold $text-success")))
        marks = self.session.marks
        if count := marks.count + len(marks.trash):
            parts.append(Content.styled(f"{show.number(count)} marked", "$text-muted"))
        return Content(" · ").join(parts)


def _tone(kind: AreaKind | None) -> str:
    if kind is None or kind in (AreaKind.COMMON, AreaKind.BROKEN):
        return "rest"
    if kind in (AreaKind.FAMILY, AreaKind.SHARED):
        return "shared"
    return "model" if kind in _OF_MODELS else "unneeded"


def _place(area: Area) -> Place | None:
    """The row of what cannot be looked into."""
    if area.models and area.kind in _OF_MODELS:
        return Place("models", area.models[0])
    if area.blobs:
        return Place("blobs", area.blobs[0])
    return Place("trash", area.entries[0]) if area.entries else None


def _keys(spot: Spot) -> dict[str, frozenset[str]]:
    """What marking a tile marks. What is not Ollama's is only marked one by one, what many share not at all."""
    areas_ = [area for area in spot.areas if not (area.kind is AreaKind.STRAY and area.parts)]
    of_models = [area for area in areas_ if area.kind in _OF_MODELS]
    unneeded = [area for area in areas_ if area.kind not in _OF_MODELS and area.kind is not AreaKind.COMMON]
    return {
        "models": frozenset(name for area in of_models for name in area.models),
        "blobs": frozenset(key for area in unneeded for key in area.blobs),
        "trash": frozenset(entry for area in unneeded for entry in area.entries),
    }
