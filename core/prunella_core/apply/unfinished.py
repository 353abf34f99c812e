"""Whether a killed run left something to be set right, asked without importing what removes."""

import os

from prunella_core.store.locate import Store

_LASTING = {"trash", "pins", "lock"}


def is_unfinished(store: Store) -> bool:
    """Whether a killed run left something in ``store``.

    What can tell is only imported where other than lasting things lie in our folder: that takes longer than to read a
    small store.
    """
    try:
        names = {name for name in os.listdir(store.own) if not name.startswith("ledger.")}
    except OSError:  # not there, or not for us to see: then nothing is known of it either
        return False
    if names <= _LASTING:
        return False
    from prunella_core.apply import has_unfinished

    return has_unfinished(store)
