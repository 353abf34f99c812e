"""Keeps everything readable in every theme: a colour that is too close to its background is moved away from it."""

from collections.abc import Sequence
from functools import lru_cache

from rich.color import Color as RichColor
from rich.color import ColorType
from rich.segment import Segment
from rich.style import Style
from textual.color import BLACK, WHITE, Color
from textual.filter import LineFilter

TEXT, SHAPE = 4.5, 3.0
"""What WCAG asks of text, and of shapes that say something."""
BARS = frozenset("█▉▊▋▌▍▎▏■●○◔◌▲□▷▶ ")
_LINES = frozenset("─│╭╮╰╯┃━┏┓┗┛┌┐└┘▔▁▂▃▄▅▆▇▕ ")
_STEPS = 20


class Contrast(LineFilter):
    """Gives text and bars the contrast that they lack. Lines that only part things stay as the theme has them."""

    before: Sequence[LineFilter] = ()
    """The filters that come first: this one sees the colours as they are drawn."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return ``segments`` with colours that can be read."""
        for earlier in self.before:
            segments = earlier.apply(segments, background)
        return [
            Segment(text, _readable(style, _wanted(text)), None) if style and not control else segment
            for segment in segments
            for text, style, control in (segment,)
        ]


@lru_cache(8192)
def _wanted(text: str) -> float:
    characters = set(text)
    return 0 if characters <= _LINES else SHAPE if characters <= BARS else TEXT


@lru_cache(8192)
def _readable(style: Style, wanted: float) -> Style:
    color, background = style.color, style.bgcolor
    if not wanted or color is None or background is None:
        return style
    if ColorType.TRUECOLOR not in (color.type, background.type):  # the terminal's own colours are its user's choice
        return style
    return style + Style(color=_moved(Color.from_rich_color(color), Color.from_rich_color(background), wanted))


def _moved(color: Color, background: Color, wanted: float) -> RichColor:
    """Blend a colour with white or black, whichever is further from its background, just as much as is needed."""
    goal = max((WHITE, BLACK), key=lambda end: contrast(end, background))
    shades = (color.blend(goal, step / _STEPS) for step in range(_STEPS + 1))
    return next((shade for shade in shades if contrast(shade, background) >= wanted), goal).rich_color


def contrast(one: Color, other: Color) -> float:
    """Return the contrast of two colours as WCAG 2 defines it: 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: Color) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color.normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
