"""Everything that is drawn can be read, in every theme: 4.5:1 for text and 3:1 for bars and lines."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.color import Color, ColorType
from rich.segment import Segment
from textual.theme import BUILTIN_THEMES

from journeys import Journey, Open

_ANSI = {name for name in BUILTIN_THEMES if "ansi" in name}
_LINES = set("─│╭╮╰╯┃━┏┓┗┛┌┐└┘▔▁▂▃▄▅▆▇▏▕ ")  # they part things, and say nothing
_BARS = set("█▉▊▋▌▍▎▏■●○◔◌▲□▷▶ ")
SCREENS = {
    "models": ["1"],
    "blobs": ["2", "space"],
    "trash": ["3"],
    "problems": ["4"],
    "review": ["1", "d"],
    "help": ["1", "question_mark"],
    "map": ["1", "m"],
}


def luminance(color: Color) -> float:
    """The relative luminance of WCAG 2."""
    channels = (value / 255 for value in color.get_truecolor())
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ratio(one: Color, other: Color) -> float:
    """The contrast of two colours: 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def segments(journey: Journey) -> Iterator[Segment]:
    """What the screen on top draws, without blanks, and without buttons that cannot be pressed."""
    screen = journey.app.screen
    boxes = screen.query("#box")
    region = boxes.first().region if boxes else screen.region
    for strip in screen._compositor.render_strips()[region.y : region.bottom]:
        for segment in strip.crop(region.x, region.right):
            if segment.text.strip() and not segment.control:
                yield segment


def pale(journey: Journey) -> set[tuple[str, float]]:
    """The texts that cannot be read well, and their contrast."""
    found = set()
    for segment in segments(journey):
        style = segment.style
        if style and style.color and style.bgcolor and not style.dim:
            drawn = set(segment.text)
            least = 0 if drawn <= _LINES else 3.0 if drawn <= _BARS else 4.5
            if (contrast := ratio(style.color, style.bgcolor)) < least:
                found.add((segment.text.strip(), round(contrast, 2)))
    return found


@pytest.mark.parametrize("screen", SCREENS)
async def test_every_text_has_contrast_in_every_theme(demo: Path, open_app: Open, screen: str) -> None:
    async with open_app(demo, size=(120, 36)) as journey:
        await journey.press("down", "d", "t", "enter", "enter", *SCREENS[screen])
        found = {}
        for theme in sorted(BUILTIN_THEMES.keys() - _ANSI):
            journey.app.theme = theme
            await journey.pilot.pause()
            if bad := pale(journey):
                found[theme] = bad
        assert not found


@pytest.mark.parametrize("theme", sorted(_ANSI))
async def test_ansi_themes_use_the_terminals_own_colours(demo: Path, open_app: Open, theme: str) -> None:
    async with open_app(demo, size=(120, 36)) as journey:
        journey.app.theme = theme
        await journey.press("space", "d")
        for segment in segments(journey):
            if segment.style:
                for color in (segment.style.color, segment.style.bgcolor):
                    assert color is None or color.type in (ColorType.DEFAULT, ColorType.STANDARD), segment
