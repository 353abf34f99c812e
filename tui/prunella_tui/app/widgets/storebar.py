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
    """Two lines: the bar over the store's own bytes, and its legend in the same order, with the disk's free bytes."""

    totals: reactive[Totals | None] = reactive(None)

    def render(self) -> RenderResult:
        """Draw the two lines."""
        if self.totals is None:
            return Content("…")
        width = max(self.size.width, 10)
        shares = [(getattr(self.totals, field), word, color) for field, word, color in _SHARES]
        present = [share for share in shares if share[0]]
        return Content("\n").join([_bar(present, width), _legend(present, self.totals.disk_free, width)])


def _bar(shares: list[tuple[int, str, str]], width: int) -> Content:
    """What is there is seen, however small. A gap ends each share, for screens without colour."""
    whole = sum(count for count, _word, _color in shares)
    if not whole:
        return Content.styled("─" * width, "$foreground 30%")
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
