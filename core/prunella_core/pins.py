"""Pins: models that ``prune --all`` never takes. One name or pattern a line, in the store itself."""

import fnmatch
import os
from collections.abc import Iterable

from prunella_core.errors import Refused
from prunella_core.files import read_small
from prunella_core.store import Store
from prunella_core.text import clean

_LARGEST = 1024 * 1024


def read_pins(store: Store) -> tuple[str, ...]:
    """Return the patterns that are pinned in ``store``, in their order. Raises OSError when they cannot be read."""
    try:
        data = read_small(_path(store), _LARGEST) if not os.path.islink(store.own) else None
    except FileNotFoundError:
        return ()
    lines = (data or b"").decode(errors="replace").splitlines()
    return tuple(line.strip() for line in lines if line.strip())


def write_pins(store: Store, patterns: Iterable[str]) -> None:
    """Replace the pins of ``store``. Raises Refused, with the pins as they were, when that cannot be written."""
    path = _path(store)
    if os.path.islink(store.own):
        raise Refused(f"{clean(store.own)} is a link, and nothing is written through one; remove the link first")
    try:
        os.makedirs(store.own, exist_ok=True)
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            file.writelines(f"{pattern}\n" for pattern in dict.fromkeys(patterns))
        os.replace(f"{path}.new", path)
    except OSError as error:
        raise Refused(f"cannot write {clean(path)}: {error.strerror}; the pins are as they were") from error


def is_pinned(name: str, patterns: Iterable[str]) -> bool:
    """Whether a model's short name matches a pin, in any case; ``llama3`` pins ``llama3:latest``."""
    folded = name.casefold()
    bare = folded.removesuffix(":latest")
    return any(fnmatch.fnmatchcase(form, pattern.casefold()) for pattern in patterns for form in (folded, bare))


def _path(store: Store) -> str:
    return os.path.join(store.own, "pins")
