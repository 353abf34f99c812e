"""What verify checks, reports while it runs, and finds. Sizes are bytes."""

from typing import NamedTuple

from msgspec import Struct

_OPENING_COSTS = 32_768
"""Opening a file takes about as long as hashing so many bytes."""


class Check(Struct, frozen=True, gc=False):
    """A file whose bytes have to hash to ``digest``. ``path`` is relative to the store."""

    digest: str
    path: str
    models: tuple[str, ...] = ()
    """The models that it breaks when they do not."""
    declared: int | None = None
    """The size that a manifest gives it."""


class VerifyProgress(NamedTuple):
    """How far it is. Files that an earlier run verified are not counted."""

    files: int
    of_files: int
    bytes: int
    of_bytes: int

    @property
    def share(self) -> float:
        """How much of the work is done, 0 to 1: many small files take their time too."""
        effort = self.bytes + self.files * _OPENING_COSTS
        return min(effort / max(self.of_bytes + self.of_files * _OPENING_COSTS, 1), 1.0)


class Bad(Struct, frozen=True, kw_only=True):
    """A blob that does not have the bytes that its name stands for, and the models that this breaks."""

    digest: str
    path: str
    kind: str
    """The kind of Problem that it is: ``missing-blob``, ``wrong-size``, ``wrong-hash`` or ``unreadable-blob``."""
    problem: str
    models: tuple[str, ...]


class VerifyResult(Struct, frozen=True, kw_only=True):
    """What was found. Unchanged files that an earlier run found sound were not read again."""

    checked: int
    """Files judged by this run, bad ones too."""
    bytes: int
    """Read for that; hard links to one file are read once."""
    remembered: int
    """Files that an earlier run found sound."""
    bad: tuple[Bad, ...]
    changed: tuple[Check, ...]
    """Files that changed or vanished while they were read: neither sound nor bad."""
    cancelled: bool = False
