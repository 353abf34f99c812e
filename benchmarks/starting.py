"""Where the time goes until the application shows its first rows: each line has all of the line above in it."""

from report import times_table
from setting import PYTHON, Setting
from timing import Task, in_turn, memory_floor, run
from whole import EMPTY_APP, FIRST_ROWS, FULL_FRAME, empty_app, shown

_TEXTUAL = "from textual.app import App; from textual.widgets import ContentSwitcher, Footer, Input, Static"


def starting(setting: Setting, big: str, small: str) -> str:
    """Return the table of what is waited for before the first rows."""
    tasks: dict[str, Task] = {
        "python -c pass": lambda: run([PYTHON, "-c", "pass"]),
        "import of Textual and of the widgets in use": lambda: run([PYTHON, "-c", _TEXTUAL]),
        "import of the application": lambda: run([PYTHON, "-c", "import prunella_tui.app"]),
        EMPTY_APP: empty_app(),
        f"small store, {FULL_FRAME}": shown(small, "model-"),
        f"big store, {FIRST_ROWS}": shown(big, "tensors-"),
    }
    return times_table(in_turn(tasks, setting.scale.rounds), memory_floor())
