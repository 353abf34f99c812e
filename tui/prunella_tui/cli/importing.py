"""``--import``: an export in the place of a store of this machine."""

import os
import sys

from prunella_core.base.errors import InvalidInput
from prunella_core.inventory.records import Inventory
from prunella_tui.cli.options import once, said

_STDIN = "-"


def imported() -> Inventory | None:
    """Return what ``--import`` names, read once a run; ``None`` where it was not said.

    Raises InvalidInput for what is no export, and OSError with the file's name.
    """
    option = said("import")
    return once("import", lambda: _read(option.value)) if option else None


def is_on_stdin() -> bool:
    """Whether the export comes in where the keyboard would be."""
    option = said("import")
    return option is not None and option.value == _STDIN


def open_keyboard() -> int | None:
    """Open the terminal itself, whatever stdin is; return a descriptor, or ``None`` where there is no terminal."""
    try:
        return os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # no such device, or not for this process
        return None


def take_keyboard() -> None:
    """Let stdin, when the export has been read from it, be the keyboard again. Raises InvalidInput without one."""
    keyboard = open_keyboard()
    if keyboard is None:
        raise InvalidInput("no terminal to read keys from")
    os.dup2(keyboard, 0)  # the application reads its keys from descriptor 0
    os.close(keyboard)


def _read(name: str) -> Inventory:
    from prunella_core.export.portable import load, read

    store = said("store")
    if store and store.by == "--store":
        raise InvalidInput("--store and --import cannot be combined")
    if name != _STDIN:
        with open(name, "rb") as file:
            return load(read(file))
    if sys.stdin.isatty():
        raise InvalidInput("nothing is piped into --import -: prunella export | prunella --import -")
    return load(read(sys.stdin.buffer))
