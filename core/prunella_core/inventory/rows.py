"""The rows of a store. Tens of thousands belong to models and are alike: those are made when somebody looks at rows."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from prunella_core.inventory.records import Blob

Users = Mapping[str, tuple[str, ...]]
"""Models by the digest that they need, in their order; many digests have the very same tuple."""


class Taken(Struct, frozen=True):
    """What the needed digests take on the disk, in numbers alone: enough to add up, without a row for each."""

    allocated: dict[str, int]
    """Bytes: none, where a digest is missing."""
    linked: frozenset[str]
    """Those whose bytes do not simply add up: files with several links or names, or with shared extents."""


class Source(Protocol):
    """What rows are made from."""

    def referenced(self) -> "Iterable[Blob]":
        """The rows that are there and that models need, in the order of the models."""

    def find(self, digest: str) -> "Blob | None":
        """One of the rows that are there and that models need."""

    def taken(self) -> Taken:
        """What all take that models need."""


class BlobRows:
    """Every row of a store: first those that models need and have, then the others, which are always made."""

    def __init__(self, users: Users, shared: Users, others: "tuple[Blob, ...]", source: Source) -> None:
        self.users = users
        """Of everything that some model needs."""
        self.shared = shared
        """Of what several models need."""
        self.others = others
        self._source = source

    @classmethod
    def of(cls, blobs: "Iterable[Blob]") -> "BlobRows":
        """These rows, which somebody else made."""
        rows = tuple(blobs)
        users = {blob.key: blob.models for blob in _needed(rows)}
        shared = {digest: models for digest, models in users.items() if len(models) > 1}
        return cls(users, shared, tuple(blob for blob in rows if blob.state != "referenced"), _Made(rows))

    def with_others(self, others: "Iterable[Blob]") -> "BlobRows":
        """The same, but for the rows beside those that are there and needed."""
        return BlobRows(self.users, self.shared, tuple(others), self._source)

    @cached_property
    def referenced(self) -> "tuple[Blob, ...]":
        """The rows that are there and that models need, in the order of the models."""
        rows = tuple(self._source.referenced())
        self._source = _Made((*rows, *self.others))  # what they were made from is not needed any more
        return rows

    def find(self, key: str) -> "Blob | None":
        """One row, without making all of them."""
        return self._others_by_key.get(key) or self._source.find(key)

    @cached_property
    def _others_by_key(self) -> "dict[str, Blob]":
        return {blob.key: blob for blob in self.others}

    @cached_property
    def taken(self) -> Taken:
        """What everything takes that models need."""
        return self._source.taken()

    @cached_property
    def digests(self) -> frozenset[str]:
        """Every digest that some file is named by."""
        absent = {blob.key for blob in self.others if not blob.files}
        beside = {blob.digest for blob in self.others if blob.files and blob.digest}
        return frozenset((self.users.keys() - absent) | beside)

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


class _Made:
    """Rows that are there."""

    def __init__(self, rows: "tuple[Blob, ...]") -> None:
        self.rows = rows

    def referenced(self) -> "Iterable[Blob]":
        return [blob for blob in self.rows if blob.state == "referenced"]

    def find(self, digest: str) -> "Blob | None":
        return self._by_key.get(digest)

    @cached_property
    def _by_key(self) -> "dict[str, Blob]":
        return {blob.key: blob for blob in self.rows}

    def taken(self) -> Taken:
        rows = _needed(self.rows)
        linked = frozenset(blob.key for blob in rows if _is_linked(blob))
        return Taken({blob.key: blob.allocated for blob in rows}, linked)


def _needed(rows: "Iterable[Blob]") -> "list[Blob]":
    return [blob for blob in rows if blob.models and blob.digest == blob.key]


def _is_linked(blob: "Blob") -> bool:
    return len(blob.files) > 1 or any(file.links > 1 or file.shared for file in blob.files)
