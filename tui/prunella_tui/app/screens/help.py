"""The help: every key, from the one list of them, and the words of the columns."""

from collections.abc import Iterable, Iterator

from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Static

from prunella_tui.app.bindings import KEYS, shown
from prunella_tui.app.screens.dialog import Reading
from prunella_tui.report.lines import Block, line, section
from prunella_tui.report.textual import Drawing

WORDS = (
    ("Size", "what `ollama list` shows: shared layers count for every model"),
    ("On disk", "bytes that the files take on the disk"),
    ("Frees", "what deleting it alone gives back; its bar: of the whole store"),
    ("Shared", "bytes on the disk that other models need too"),
    ("Idle", "time since last change or use"),
    ("Age", "time since last needed; if in use, since written"),
    ("unreferenced", "a blob that no manifest names: no model needs it"),
    ("partial", "an interrupted download"),
    ("leftover", "a temporary file of a create or upload"),
    ("missing", "a model needs it, and it is not there"),
    ("stray", "not a file of Ollama's; never deleted unless you mark it"),
    ("✓ ▪", "marked; deleted because of a mark"),
    ("! ▸ ⚑ ☁", "has a problem; loaded in the server; pinned; runs in the cloud"),
    ("blocks", "could hide a model: no blob counts as unreferenced until it is fixed"),
    ("broken", "a model that cannot run as it is"),
    ("/ filter", "words, and terms: size>5GB disk> frees> shared> age>30d unused> state: kind: name: used:"),
)
_WIDTH = 14


_COLUMNS = (("Move", "Tabs", "Look", "Map", "Prunella"), ("Mark and delete", "Sort"))


class Help(Reading):
    """Keys by group and words, in two columns where they have room."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 -- Textual's own name and type

    def __init__(self) -> None:
        super().__init__("Help")

    def body(self) -> Iterator[Widget]:
        """Two columns of about the same height."""
        left, right = ([block for group in groups for block in _group(group)][1:] for groups in _COLUMNS)
        words = section("Words", "head", _rows(WORDS))
        yield Horizontal(Static(Drawing(left)), Static(Drawing([*right, *words])), id="columns")


def _group(group: str) -> Iterator[Block]:
    return section(group, "head", _rows((shown(key.keys), key.about) for key in KEYS if key.group == group))


def _rows(rows: Iterable[tuple[str, str]]) -> Iterator[Block]:
    return (line((f"{name:<{_WIDTH}}", "accent"), meaning, hang=_WIDTH) for name, meaning in rows)
