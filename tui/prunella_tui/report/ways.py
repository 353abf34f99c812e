"""How a reader does what a report suggests: a command in the terminal, a key in the application."""

from typing import NamedTuple


class Ways(NamedTuple):
    """Phrases that complete a sentence; ``{}`` is the ID of the trash entry."""

    fix: str
    include: str
    now: str
    unload: str
    empty: str
    restore: str
    again: str


COMMANDS = Ways(
    fix="prunella doctor",
    include="--force includes them",
    now=", or at once with --now",
    unload="space returns when it is unloaded: --unload",
    empty="prunella empty",
    restore="prunella restore {}",
    again=" (--again reads all)",
)
KEYS = Ways(
    fix="Problems (4)",
    include="“Include recent files” includes them",
    now="",
    unload="it is unloaded first",
    empty="e",
    restore="u, or prunella restore {}",
    again="",
)
