"""What a verification reports while it runs, and what it found."""

from typing import NamedTuple

from msgspec import Struct

from prunella_core.verify.checks import Check

_OPENING_COSTS = 32_768
"""Opening a file takes about as long as hashing so many bytes."""


class VerifyProgress(NamedTuple):
    """How far it is. Sizes are bytes; what an earlier run verified is not counted."""

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
    """A blob whose bytes are not those that its name stands for, and the models that this breaks."""

    digest: str
    path: str
    kind: str
    """The kind of Problem that it is: ``missing-blob``, ``wrong-size``, ``wrong-hash`` or ``unreadable-blob``."""
    problem: str
    models: tuple[str, ...]


class VerifyResult(Struct, frozen=True, kw_only=True):
    """What was found. Files that an earlier run found sound and that are still the same were not read again."""

    checked: int
    """Files judged by this run, bad ones too."""
    bytes: int
    """Bytes that were read for that; hard links to one file are read once."""
    remembered: int
    """Files that an earlier run found sound."""
    bad: tuple[Bad, ...]
    changed: tuple[Check, ...]
    """Files that were changed, or taken away, while they were read: nothing can be said of them."""
    cancelled: bool = False
