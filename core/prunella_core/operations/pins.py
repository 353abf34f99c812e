"""Pins and unpins models, for every front end."""

from collections.abc import Iterable
from contextlib import closing

from prunella_core.base.errors import NotFound, Refused
from prunella_core.base.text import clean
from prunella_core.fs.disk import Disk
from prunella_core.inventory.records import Model
from prunella_core.store import Store, pins_path, read_pins
from prunella_core.store.access import lock


def pin(store: Store, patterns: Iterable[str]) -> None:
    """Add ``patterns``. Raises Refused when the store may not be changed or the pins cannot be written."""
    write_pins(store, (*read_pins(store), *patterns))


def unpin(store: Store, patterns: Iterable[str]) -> None:
    """Remove ``patterns``. Raises NotFound for one that is not pinned, and Refused as ``pin``."""
    store.check_changeable()
    pins, gone = read_pins(store), tuple(patterns)
    if unknown := [pattern for pattern in gone if pattern not in pins]:
        raise NotFound(f"no pin “{clean(unknown[0])}”: prunella pin lists them")
    write_pins(store, (pattern for pattern in pins if pattern not in gone))


def toggle_pin(store: Store, model: Model) -> str:
    """Pin ``model``, or unpin it if it is pinned by name; return a sentence on what was done. Raises Refused."""
    name = clean(model.name)
    forms = (model.name.casefold(), model.name.removesuffix(":latest").casefold())
    if by_name := [pattern for pattern in read_pins(store) if pattern.casefold() in forms]:
        unpin(store, by_name)
        return f"{name} is no longer pinned"
    if model.is_pinned:
        return f"{name} is pinned by a pattern; prunella pin lists them"
    pin(store, (model.name,))
    return f"{name} is pinned: prune --all never deletes it"


def write_pins(store: Store, patterns: Iterable[str]) -> None:
    """Replace the pins of ``store``. Raises Refused, with the pins as they were, when that cannot be written."""
    store.check_changeable()
    path = pins_path(store)
    try:
        with lock(store), closing(Disk()) as disk:
            disk.make_folder(store.own)
            disk.write(path, "".join(f"{pattern}\n" for pattern in dict.fromkeys(patterns)).encode())
    except OSError as error:
        raise Refused(f"cannot write {clean(path)}: {error.strerror}; the pins are as they were") from error
