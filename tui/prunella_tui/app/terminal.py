"""The terminal: drawn on even when errors go elsewhere, readable in every theme; and an orderly end in any case."""

import asyncio
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from types import FrameType
from typing import Any, TextIO, TypeVar

from rich.color import Color as RichColor
from rich.color import ColorType
from rich.segment import Segment
from rich.style import Style
from textual import on, work
from textual.app import App
from textual.color import BLACK, WHITE, Color
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import LineFilter
from textual.message import Message

_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL
_LOOK_SECONDS = 0.25
_HUNG_UP = 129

Result = TypeVar("Result")


def is_gone(fileno: int) -> bool:
    poll = select.poll()
    poll.register(fileno, 0)
    return any(events & _GONE for _fileno, events in poll.poll(0))


class _Screen:
    """Where the application is drawn. Once the terminal is gone, what is written gets lost."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.fileno = file.fileno

    def write(self, text: str) -> None:
        self._try(self._file.write, text)

    def flush(self) -> None:
        self._try(self._file.flush)

    def _try(self, call: Callable[..., object], *arguments: str) -> None:
        try:
            call(*arguments)
        except OSError:
            if not is_gone(self.fileno()):
                raise


class Terminal(LinuxDriver):
    """Textual's driver, which draws on stderr, spins at the end of its input, and panics when that cannot be read."""

    class Gone(Message):
        """The terminal went away, whatever signals came or did not."""

    def __init__(self, app: App[object], **options: Any) -> None:
        super().__init__(app, **options)
        if sys.__stderr__ and sys.__stdout__:
            self._file = _Screen(sys.__stderr__ if os.isatty(2) else sys.__stdout__)  # type: ignore[assignment]

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self._app.set_interval(_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        if is_gone(self.fileno) and not self.exit_event.is_set():
            self.exit_event.set()  # ends the thread that reads keys
            self._app.post_message(self.Gone())

    def _run_input_thread(self) -> None:
        try:
            self.run_input_thread()
        except OSError:
            if not is_gone(self.fileno):
                raise


class Ending(App[Result]):
    """An application that ends in good order, whether a key, a signal or its terminal ends it."""

    def __init__(self, theme: str | None, css_path: str | None = None) -> None:
        super().__init__(driver_class=Terminal, css_path=css_path)
        self._contrast = Contrast()
        self._first_theme = theme
        self._main_loop: asyncio.AbstractEventLoop | None = None

    def on_load(self) -> None:
        self._main_loop = asyncio.get_running_loop()
        if self._first_theme:
            self.theme = self._first_theme

    def get_line_filters(self) -> list[LineFilter]:
        """One, which does what Textual's do and then its own: every filter copies every line."""
        self._contrast.before = super().get_line_filters()
        return [self._contrast]

    async def action_quit(self) -> None:
        self.end(0)

    @on(Terminal.Gone)
    def _hang_up(self) -> None:
        self.end(_HUNG_UP)

    def end_soon(self, code: int) -> bool:
        """Leave with an exit code as soon as that can be done, called from a signal; return whether it will."""
        loop = self._main_loop
        if loop is None or loop.is_closed():
            return False
        loop.call_soon_threadsafe(lambda: self.end(code) if self.is_running else None)
        return True

    @work(exclusive=True, group="end")
    async def end(self, code: int) -> None:
        """Leave with an exit code. What is under way is undone before its decision, and finished after it."""
        from prunella_tui.app.screens.working import Working

        for screen in self.screen_stack:
            if isinstance(screen, Working):
                screen.is_cancelled = True
                await screen.over.wait()
        self.exit(return_code=code)


@contextmanager
def ending_on_signals(app: Ending[Any]) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP end the application in good order."""

    def end(number: int, _frame: FrameType | None) -> None:
        if not app.end_soon(128 + number):
            raise SystemExit(128 + number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, end) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


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
