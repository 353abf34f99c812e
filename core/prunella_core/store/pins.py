"""Pins: models that ``prune --all`` never takes. One name or pattern a line, in the store itself."""

import fnmatch
import os
from collections.abc import Iterable

from prunella_core.fs.files import read_small
from prunella_core.store.locate import Store

_LARGEST = 1024 * 1024


def read_pins(store: Store) -> tuple[str, ...]:
    """Return the pins of ``store``; a file that is too large pins everything. Raises OSError."""
    try:
        data = read_small(pins_path(store), _LARGEST) if not os.path.islink(store.own) else b""
    except (FileNotFoundError, NotADirectoryError):
        return ()
    if data is None:
        return ("*",)
    lines = data.decode(errors="replace").splitlines()
    return tuple(line.strip() for line in lines if line.strip())


def is_pinned(name: str, patterns: Iterable[str]) -> bool:
    """Whether a model's short name matches a pin, in any case; ``llama3`` pins ``llama3:latest``."""
    folded = name.casefold()
    bare = folded.removesuffix(":latest")
    return any(fnmatch.fnmatchcase(form, pattern.casefold()) for pattern in patterns for form in (folded, bare))


def pins_path(store: Store) -> str:
    return os.path.join(store.own, "pins")
