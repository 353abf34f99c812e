"""Key presses in the application on the big store: how long until the screen stands still again."""

import math
import statistics
from collections.abc import Iterator
from typing import NamedTuple

from generate import Truth
from report import Line, table
from setting import PRUNELLA, Setting
from terminal import Terminal
from whole import all_rows

_FRAME, _HEAVY = 0.033, 0.100
"""Seconds that a press may take: nearly all of the quick ones, and the slow ones."""
_TABS = {"1": "Models", "2": "Blobs"}
_TYPED = "odel-1"
_CLEAR = "\x1b"
_REST_SECONDS = 0.6
"""So long nothing may be written between two kinds of presses: toasts go away and come to rest."""


class Presses(NamedTuple):
    """What one kind of key took each time, in seconds."""

    tab: str
    what: str
    each: list[float]

    @property
    def percentile(self) -> float:
        """What 95 of 100 presses stay below, in seconds."""
        return sorted(self.each)[math.ceil(0.95 * len(self.each)) - 1]

    @property
    def limit(self) -> float:
        """What is promised, in seconds."""
        return _HEAVY if self.what in ("sort", "mark all") else _FRAME


def press_keys(setting: Setting, store: str, truth: Truth) -> tuple[list[Line], str]:
    """Press every kind of key many times in Models and in Blobs."""
    found: list[Presses] = []
    for key, tab in _TABS.items():
        with Terminal([PRUNELLA, "--store", store]) as terminal:
            terminal.until(*all_rows(truth))
            terminal.rest(_REST_SECONDS)
            terminal.press(key)
            for what, each in _kinds(terminal, setting.scale.presses):
                found.append(Presses(tab, what, each))
                terminal.rest(_REST_SECONDS)
    return [line_of(each) for each in found], _table(found)


def _kinds(terminal: Terminal, times: int) -> Iterator[tuple[str, list[float]]]:
    few = max(times // 5, 3)
    yield "move", [terminal.press("j") for _time in range(times)]
    yield "page", [terminal.press("\x06") for _time in range(few)]
    yield "mark one", [terminal.press(" ") for _time in range(few)]
    yield "filter letter", [each for _time in range(max(few // 5, 2)) for each in _filter(terminal)]
    yield "mark all", [_mark_all(terminal) for _time in range(few)]
    yield "sort", [terminal.press("s") for _time in range(few)]  # last: its toasts go away seconds later


def _filter(terminal: Terminal) -> list[float]:
    terminal.press("/")
    each = [terminal.press(letter) for letter in _TYPED]
    terminal.press(_CLEAR)
    terminal.rest(_REST_SECONDS)
    return each


def _mark_all(terminal: Terminal) -> float:
    taken = terminal.press("a")
    terminal.press(_CLEAR)
    return taken


def line_of(presses: Presses) -> Line:
    """Return what was promised for a key and what it took, in milliseconds."""
    what = f"{presses.tab}: {presses.what}, 95 of 100 presses"
    return Line(what, presses.percentile * 1_000, "ms", presses.limit * 1_000)


def _table(found: list[Presses]) -> str:
    rows = [[f"{each.tab}: {each.what}", str(len(each.each)), *_milliseconds(each)] for each in found]
    return table(("key", "presses", "median", "95 of 100", "most"), rows)


def _milliseconds(presses: Presses) -> list[str]:
    seconds = statistics.median(presses.each), presses.percentile, max(presses.each)
    return [f"{each * 1_000:.0f} ms" for each in seconds]
