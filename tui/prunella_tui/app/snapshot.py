"""The store at one moment, with what takes time to work out from it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from prunella_core.advice.forecast import NextStart
from prunella_core.inventory.records import Inventory
from prunella_core.space.totals import Totals


class Snapshot(Struct, frozen=True, kw_only=True):
    """An inventory, and what the screens ask of it. ``retention`` is in seconds."""

    inventory: Inventory
    retention: int
    totals: Totals
    coming: NextStart
    """What Ollama's own next start does to the store."""
    loaded: frozenset[str] = frozenset()
    """The models that the server has loaded."""
    rows: Mapping[str, Sequence[Any]] = MappingProxyType({})
    """The rows of each tab, under its ID."""
    texts: Mapping[str, list[str]] = MappingProxyType({})
    """What the filter searches in each row, likewise."""

    @property
    def now(self) -> float:
        """The moment of the scan: ages on the screen do not move under the cursor."""
        return self.inventory.scanned_at
