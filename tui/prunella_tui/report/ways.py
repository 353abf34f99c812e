"""How a reader does what a report suggests: a command in the terminal, a key in the application."""

from typing import NamedTuple


class Ways(NamedTuple):
    """Phrases that complete a sentence; ``{}`` is the ID of the trash entry."""

    fix: str = "prunella doctor"
    include: str = "--force includes them"
    now: str = ", or at once with --now"
    unload: str = "space returns when it is unloaded: --unload"
    empty: str = "prunella empty"
    restore: str = "prunella restore {}"
    repair: str = "prunella doctor --repair"
    again: str = " (--again reads all)"


COMMANDS = Ways()
KEYS = Ways(
    fix="Problems (4)",
    include="“Include recent files” includes them",
    now="",
    unload="it is unloaded first",
    empty="e",
    restore="u, or prunella restore {}",
    repair="R",
    again="",
)
