"""Whether a store is guarded, and how long and how much what Ollama deletes may stay: a file in the guard's folder."""

import os

import msgspec
from msgspec import Struct

from prunella_core.base.errors import Refused
from prunella_core.base.text import clean
from prunella_core.base.units import parse_age
from prunella_core.fs.disk import Disk
from prunella_core.fs.folders import read_own
from prunella_core.store import Store

SETTINGS = ".prunella/guard/settings.json"
_LARGEST = 4096


class Settings(Struct, frozen=True, kw_only=True):
    """What the guard was turned on with."""

    keep: int = parse_age("7d")
    """Seconds for which the trash keeps what Ollama deleted."""
    max_size: int = 100_000_000_000
    """Bytes that what Ollama deleted may take; more, and the oldest is deleted for good."""
    min_free: int = 0
    """Bytes that are to stay free on the disk; less, and the oldest is deleted for good."""


_decode = msgspec.json.Decoder(Settings).decode


def read_settings(store: Store) -> Settings | None:
    """Return the settings of the guard; ``None`` when it is off. Raises Refused when they cannot be read."""
    path = store.path(SETTINGS)
    try:
        return _decode(read_own(path, _LARGEST) or b"")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        why = f"cannot read the guard's settings {clean(path)}: {error}"
        raise Refused(f"{why}; turn it off and on again (prunella guard off)") from error


def write_settings(store: Store, settings: Settings, disk: Disk) -> None:
    """Turn the guard on with ``settings``. Raises OSError."""
    path = store.path(SETTINGS)
    disk.make_folder(os.path.dirname(path))
    disk.write(path, msgspec.json.encode(settings))
