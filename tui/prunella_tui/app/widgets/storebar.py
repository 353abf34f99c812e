"""The bar of the whole store: what its bytes are, in shape and in words as well as in colour."""

from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from prunella_core.space.totals import Totals
from prunella_tui.report import format as show

_SHARES = (
    ("exclusive", "one model", "$primary"),
    ("shared", "shared", "$secondary"),
    ("unreferenced", "unreferenced", "$warning"),
    ("partial", "partial", "$accent"),
    ("leftover", "leftover", "$success"),
    ("stray", "stray", "$text-muted"),
    ("trashed", "trash", "$error"),
)


class StoreBar(Widget):
    """Two lines: the bar, and its legend in the same order. A gap ends each share, for screens without colour."""

    DEFAULT_CSS = """
    StoreBar { height: 2; padding: 0 1; }
    """

    totals: reactive[Totals | None] = reactive(None)

    def render(self) -> RenderResult:
        """Draw the bar over the store's own bytes; the disk's free bytes are only in the legend."""
        if self.totals is None:
            return Content("…")
        width = max(self.size.width, 10)
        return Content("\n").join([_bar(self.totals, width), _legend(self.totals, width)])


def _bar(totals: Totals, width: int) -> Content:
    whole = totals.allocated
    if not whole:
        return Content("─" * width).stylize("$foreground 30%")
    parts = []
    drawn = 0
    passed = 0
    for field, _word, color in _SHARES:
        passed += getattr(totals, field)
        end = max(round(passed / whole * width), drawn)
        if getattr(totals, field) and end == drawn:
            end += 1  # what is there is seen, however small
        end = min(end, width)
        parts.append(Content.styled("█" * (end - drawn - 1) + "▊" if end > drawn else "", color))
        drawn = end
    return Content("").join(parts)


def _legend(totals: Totals, width: int) -> Content:
    """The shares in words, the smallest left out where there is no room for all."""
    parts = {
        field: Content.assemble(("■", color), f" {word} {show.size(getattr(totals, field))}")
        for field, word, color in _SHARES
        if getattr(totals, field)
    }
    free = Content(f"free {show.size(totals.disk_free)}")
    while parts and sum(len(part) + 2 for part in parts.values()) + len(free) > width:
        del parts[min(parts, key=lambda field: getattr(totals, field))]
    return Content("  ").join([*parts.values(), free])
