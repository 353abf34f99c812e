"""Hints for newcomers: one at a time, of what can be done here next; each goes for good once it was done."""

import os
from contextlib import suppress
from enum import StrEnum


class Hint(StrEnum):
    """What somebody may not know yet, in the order in which it is told."""

    MARK = "space marks a row, p all that no model needs"
    REMOVE = "d reviews what would go"
    UNDO = "u brings the last removal back"
    FREE = "f proposes what to let go"
    HELP = "? explains every key and word"


_LARGEST = 1_000


class Hints:
    """What is known already, kept from run to run in the file at ``path``; without one, only until the end."""

    def __init__(self, path: str | None = None) -> None:
        self.path = path
        self._known = _read(path) if path else set()

    def learn(self, hint: Hint) -> None:
        """Never tell this one again."""
        if hint.name not in self._known:
            self._known.add(hint.name)
            self._keep()

    def told(self, *, marked: bool, has_trash: bool) -> str:
        """The one that is of use now, or nothing: with something ``marked``, with something to bring back."""
        if marked:
            return self._unless_known(Hint.REMOVE)
        of_use = (Hint.MARK, Hint.UNDO, Hint.FREE, Hint.HELP) if has_trash else (Hint.MARK, Hint.FREE, Hint.HELP)
        return next(filter(None, map(self._unless_known, of_use)), "")

    def _unless_known(self, hint: Hint) -> str:
        return "" if hint.name in self._known else hint.value

    def _keep(self) -> None:
        if self.path:
            with suppress(OSError):  # a hint that is told once more does no harm
                os.makedirs(os.path.dirname(self.path), exist_ok=True)
                with open(self.path, "w", encoding="ascii") as file:
                    file.write("".join(f"{name}\n" for name in sorted(self._known)))


def hints_path() -> str:
    """Where this platform keeps what is known: ``~/.local/state/prunella/hints`` on Linux."""
    from platformdirs import user_state_dir

    return os.path.join(user_state_dir("prunella", appauthor=False), "hints")


def _read(path: str) -> set[str]:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return set(file.read(_LARGEST).split()) & set(Hint.__members__)
    except OSError:  # nobody has learned anything yet
        return set()
