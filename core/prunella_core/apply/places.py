"""Where an operation keeps what it sets aside, and what a path in the store is to it.

The folder of an operation says how far it came: in ``staging`` nothing is decided and all goes back, in ``removing`` it
is decided and all is unlinked. The rename between the two is the decision. Files lie there under the same path as in
the store, so that a person could put them back by hand.
"""

import os
from contextlib import suppress

import msgspec
from msgspec import Struct

from prunella_core.fs.folders import read_own
from prunella_core.ledger.log import Action
from prunella_core.ollama.digests import is_whole_name
from prunella_core.ollama.paths import place_of
from prunella_core.scan import RECORD
from prunella_core.store.locate import Store

TAKEN = "taken"
"""In the folder of an operation: what has just lost its name in the store and is being compared with the plan."""

_LARGEST_RECORD = 64 * 1024 * 1024


class Record(Struct, frozen=True):
    """What an operation says of itself, for people and for the log: paths that are made harmless for a screen."""

    files: tuple[str, ...] = ()
    action: Action = "rm"


_DECODER = msgspec.json.Decoder(Record)


def staging(store: Store, operation: str = "") -> str:
    """Where files wait for the decision."""
    return os.path.join(store.own, "staging", operation) if operation else os.path.join(store.own, "staging")


def removing(store: Store, operation: str = "") -> str:
    """Where files wait to be unlinked after the decision."""
    return os.path.join(store.own, "removing", operation) if operation else os.path.join(store.own, "removing")


def operations(folder: str) -> list[str]:
    """Return the operations that are in ``folder``; none where that is a link. Raises OSError."""
    if os.path.islink(folder):
        return []
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def read_record(folder: str) -> Record | None:
    """Return the record of the operation in ``folder``; ``None`` when it cannot be read."""
    with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _DECODER.decode(read_own(os.path.join(folder, RECORD), _LARGEST_RECORD) or b"")
    return None


def is_own(path: str) -> bool:
    """Whether a path relative to the store lies in our own folder."""
    return path.startswith(".prunella/")


def is_manifest(path: str) -> bool:
    """Whether a path relative to the store is that of a manifest there, not in the trash."""
    return path.startswith(("manifests/", "manifests-v2/"))


def is_whole(path: str) -> bool:
    """Whether it is a whole blob, of the store or of the trash."""
    return key_of(path) != path


def key_of(path: str) -> str:
    """What a manifest or a link needs a file by: the digest of a whole blob, the path of everything else."""
    folder, _slash, name = path.rpartition("/")
    if folder == "blobs" and is_whole_name(name):  # nearly always, and quick
        return f"sha256:{name[7:]}"
    return place_of(path).whole or path
