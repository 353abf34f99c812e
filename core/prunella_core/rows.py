"""The rows of a store. Tens of thousands belong to models and are alike: those are made when somebody looks at rows."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from prunella_core.inventory import Blob


class Needed(Struct, frozen=True):
    """What models need, in numbers alone: enough to add up, without a row for each digest."""

    allocated: dict[str, int]
    """What each digest takes on the disk in bytes: nothing, where it is missing."""
    users: dict[str, tuple[str, ...]]
    """The models that need each digest, in their order."""
    shared: Mapping[str, tuple[str, ...]]
    """Of these, those that several models need."""
    linked: frozenset[str]
    """Those whose bytes do not simply add up: files with several links or names, or with shared extents."""


class BlobRows:
    """Every row of a store: first those that models need and have, then the others, which are always made."""

    def __init__(self, needed: Needed, make: "Callable[[], Iterable[Blob]]", others: "tuple[Blob, ...]") -> None:
        self.needed = needed
        self.others = others
        self._make = make

    @classmethod
    def of(cls, blobs: "Iterable[Blob]") -> "BlobRows":
        """These rows, which somebody else made."""
        rows = tuple(blobs)
        used = [blob for blob in rows if blob.state == "referenced"]
        return cls(_needed(rows), lambda: used, tuple(blob for blob in rows if blob.state != "referenced"))

    def with_others(self, others: "Iterable[Blob]") -> "BlobRows":
        """The same, but for the rows beside those that are there and needed."""
        return BlobRows(self.needed, lambda: self.referenced, tuple(others))

    @cached_property
    def referenced(self) -> "tuple[Blob, ...]":
        """The rows that are there and that models need, in the order of the models."""
        return tuple(self._make())

    @cached_property
    def digests(self) -> frozenset[str]:
        """Every digest that some file is named by."""
        absent = {blob.key for blob in self.others if not blob.files}
        return frozenset(
            (self.needed.users.keys() - absent) | {blob.digest for blob in self.others if blob.files and blob.digest}
        )

    @cached_property
    def all(self) -> "tuple[Blob, ...]":
        """Every row."""
        return (*self.referenced, *self.others)

    def __len__(self) -> int:
        return len(self.all)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BlobRows) and self.all == other.all

    def __hash__(self) -> int:
        return hash(self.all)


def _needed(rows: "Iterable[Blob]") -> Needed:
    used = [blob for blob in rows if blob.models and blob.digest == blob.key]
    return Needed(
        {blob.key: blob.allocated for blob in used},
        {blob.key: blob.models for blob in used},
        {blob.key: blob.models for blob in used if len(blob.models) > 1},
        frozenset(
            blob.key
            for blob in used
            if len(blob.files) > 1 or any(file.links > 1 or file.shared for file in blob.files)
        ),
    )
