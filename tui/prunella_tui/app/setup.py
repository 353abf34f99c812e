"""What the application is given from outside: the store, the time, the disk, the server."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct, field

from prunella_core.base.units import DEFAULT_RETENTION, parse_age
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.memory import scan_store
from prunella_core.ledger.uses import Follower
from prunella_core.scan.progress import Capacity, Report, capacity_of, never
from prunella_core.store import Store

if TYPE_CHECKING:
    from prunella_core.ollama.server import Server


class Setup(Struct, frozen=True, kw_only=True):
    """One run of the application. ``now`` is in seconds (UTC), ``retention`` in seconds."""

    store: Store
    now: Callable[[], float]
    retention: int = parse_age(DEFAULT_RETENTION)
    capacity_of: Callable[[str], Capacity] = capacity_of
    connect: "Callable[[], Server | None]" = lambda: None
    theme: str | None = None
    remember_theme: Callable[[str], None] | None = None
    """Keeps the theme that was chosen for the next run. Raises OSError."""
    is_sample: bool = False
    collects: bool = True
    """Whether expired trash is emptied after every removal and restore."""
    settle: float = 10.0
    """Seconds for which what is deleted for good is watched for a pull, unless the machine is quiet."""
    follow: Callable[[Callable[[], bool]], Follower] | None = None
    """Begins to read Ollama's log, until what it is given says stop."""
    service_user: Callable[[], str | None] = lambda: None
    """The user that Ollama runs as on this store, if a unit says it."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """Our environment, as far as it says something of Ollama."""
    imported: Inventory | None = None
    """An export that is viewed instead of a store of this machine."""

    def survey(self, report: Report, cancelled: Callable[[], bool] = never) -> Inventory:
        """Return what is in the store, or in the export.

        Raises Cancelled, and OSError only when the store vanishes.
        """
        if self.imported:
            return self.imported
        return scan_store(self.store, self.now(), report, capacity_of=self.capacity_of, cancelled=cancelled)
