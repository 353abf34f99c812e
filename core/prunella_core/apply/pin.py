"""Writes the pins of a store."""

import os
from collections.abc import Iterable
from contextlib import closing

from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.fs.disk import Disk
from prunella_core.store.locate import Store
from prunella_core.store.lock import lock
from prunella_core.store.pins import pins_path


def write_pins(store: Store, patterns: Iterable[str]) -> None:
    """Replace the pins of ``store``. Raises Refused, with the pins as they were, when that cannot be written."""
    path = pins_path(store)
    if os.path.islink(store.own):
        raise Refused(f"{clean(store.own)} is a link, and nothing is written through one; remove the link first")
    try:
        with lock(store), closing(Disk()) as disk:
            disk.make_folder(store.own)
            disk.write(path, "".join(f"{pattern}\n" for pattern in dict.fromkeys(patterns)).encode())
    except OSError as error:
        raise Refused(f"cannot write {clean(path)}: {error.strerror}; the pins are as they were") from error
