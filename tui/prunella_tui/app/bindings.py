"""Every key of the main screen and the map, once: for the bindings, the line of keys, the help and the palette."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from textual.binding import Binding, BindingType

Home = Literal["table", "tables", "screen", "map"]
"""What a key belongs to: it works while the focus is in there."""


class Key(NamedTuple):
    """A key (or several, with commas between them) and its action. ``about`` is what the help says."""

    keys: str
    action: str
    label: str
    about: str
    group: str
    home: Home = "screen"
    rank: int = 0
    """Its place in the line of keys: the highest leave first where room is short; 0 is never shown there."""
    short: str = ""
    """Its label where not all keys have room for theirs."""


_DELETE = "Mark and delete"
SORTS = {
    "n": "name",
    "z": "size",
    "o": "size on disk",
    "F": "what it frees",
    "H": "what is shared, or users",
    "T": "time",
    "K": "kind or state",
}
"""The letters that sort, in every tab, by what they stand for."""

KEYS = (
    Key("up,k", "move(-1)", "Up", "up", "Move", "table"),
    Key("down,j", "move(1)", "Down", "down", "Move", "table"),
    Key("pageup,ctrl+b", "page(-1)", "Page up", "page up", "Move", "table"),
    Key("pagedown,ctrl+f", "page(1)", "Page down", "page down", "Move", "table"),
    Key("home,g", "first", "First row", "first row", "Move", "table"),
    Key("end,G", "last", "Last row", "last row", "Move", "table"),
    Key("1", "show_tab('models')", "Models", "models", "Tabs", "tables"),
    Key("2", "show_tab('blobs')", "Blobs", "blobs", "Tabs", "tables"),
    Key("3", "show_tab('trash')", "Trash", "trash", "Tabs", "tables"),
    Key("4", "show_tab('problems')", "Problems", "problems", "Tabs", "tables"),
    Key("tab", "next_tab(1)", "Next tab", "next tab", "Tabs", "tables"),
    Key("shift+tab", "next_tab(-1)", "Previous tab", "previous tab", "Tabs", "tables"),
    Key("space", "mark", "Mark", "mark or unmark the row", _DELETE, "tables", 3),
    Key("a", "mark_shown", "Mark all", "mark every row shown", _DELETE, "tables"),
    Key("p", "mark_unused", "Mark unused", "mark everything that no model uses", _DELETE, "tables", 8, "Unused"),
    Key("d,delete", "flow('delete')", "Delete", "review and delete what is marked, or the row", _DELETE, rank=2),
    Key("f", "flow('free')", "Free up", "suggest what to delete to free a given amount", _DELETE, "screen", 6, "Free"),
    Key("u", "flow('undo')", "Undo", "put back dropped marks or the last removal; on Trash, the row", _DELETE, rank=4),
    Key("e", "flow('empty')", "Empty trash", "empty the trash; on Trash, the row", _DELETE, "screen", 5, "Empty"),
    Key(
        "c",
        "flow('copy')",
        "Copy or move",
        "copy or move what is marked, or the row, to another disk",
        _DELETE,
        rank=10,
        short="Copy",
    ),
    Key("P", "flow('pin')", "Pin", "pin or unpin the model: prune --all and free skip it", _DELETE),
    Key("enter,right,l", "open", "Details", "show details of the row", "Look"),
    Key("escape,left,h", "back", "Back", "clear the filter, then drop the marks", "Look"),
    Key("i", "toggle_details", "Details pane", "show or hide the details pane", "Look"),
    Key("slash", "filter", "Filter", "show only the rows that match", "Look", rank=7),
    Key("m", "flow('show_map')", "Map", "show the store as a map", "Look", rank=9),
    Key("w", "flow('sharing')", "Sharing", "which models share data with this one", "Look"),
    Key("v", "flow('verify')", "Verify", "check what is marked, or the row, against its hash", "Look"),
    Key("R", "flow('repair')", "Repair", "let Ollama pull blobs that are missing or damaged", "Look", rank=3),
    Key("y", "copy", "Copy name", "copy the name or path", "Look"),
    *(Key(key, f"sort_by('{key}')", f"Sort by {what}", what, "Sort", "table") for key, what in SORTS.items()),
    Key("s", "sort", "Sort by the next column", "the next column", "Sort", "table"),
    Key("S", "reverse", "Reverse the sort", "reverse; so does the same letter again", "Sort", "table"),
    Key("enter", "open", "Look inside", "look inside the tile, or go to its row", "Map", "map", 4),
    Key("space", "mark", "Mark", "mark or unmark what the tile stands for", "Map", "map", 3),
    Key("w", "sharing", "Sharing", "which models share its data", "Map", "map", 5),
    Key("escape,backspace", "back", "Back", "one step out", "Map", "map", 2),
    Key("question_mark", "app.help", "Help", "this help", "Map", "map", 1),
    Key("m,q", "dismiss", "Leave", "leave the map", "Map", "map"),
    Key("r", "rescan", "Rescan", "scan the store again", "Prunella"),
    Key("question_mark", "app.help", "Help", "this help", "Prunella", rank=1),
    Key("ctrl+p", "app.command_palette", "Commands", "all commands by name, and themes", "Prunella"),
    Key("q", "app.quit", "Quit", "quit; nothing is deleted", "Prunella", rank=1),
)

TYPING = (
    Key("enter", "keep_filter", "Keep the filter", "keep the filter", "Look", rank=1),
    Key("escape", "back", "Clear it", "clear the filter", "Look", rank=1),
)
"""The keys while a filter is typed."""

_SIGNS = {
    "question_mark": "?",
    "slash": "/",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "escape": "esc",
    "delete": "del",
    "pageup": "pgup",
    "pagedown": "pgdn",
}


def shown(keys: str) -> str:
    """Return keys as people write them: ``← h``."""
    return " ".join(_SIGNS.get(key, key) for key in keys.split(","))


def bindings(home: Home) -> list[BindingType]:
    """Return the bindings of a table, of the tables, of the main screen or of the map."""
    return [Binding(key.keys, key.action, key.label, show=False) for key in KEYS if key.home == home]


def keys_here(tab: str, *, has_row: bool, has_trash: bool, undoes: str) -> Iterator[Key]:
    """Yield the keys that do something on a tab now; ``undoes`` is what undo would bring back."""
    is_useless = {
        "mark_unused": tab == "problems",
        "mark": not has_row,
        "flow('repair')": tab != "problems" or not has_row,
        "flow('delete')": not has_row,
        "flow('copy')": tab != "models" or not has_row,
        "flow('empty')": not has_trash,
        "flow('undo')": not undoes,
    }
    for key in KEYS:
        if key.rank and key.home != "map" and not is_useless.get(key.action):
            yield key._replace(label=f"Undo {undoes}") if key.action == "flow('undo')" else key
