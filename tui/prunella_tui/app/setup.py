"""What the application is given from outside: the store, the time, the disk, the server."""

from collections.abc import Callable

from msgspec import Struct, field

from prunella_core.base.units import DEFAULT_RETENTION, parse_age
from prunella_core.inventory.records import Inventory
from prunella_core.ledger.ages import scan_store
from prunella_core.ollama.client import Server
from prunella_core.scan import Report, Space, never, space_of
from prunella_core.store.locate import Store
from prunella_tui.app.hints import Hints


def no_server() -> Server | None:
    """There is no server."""
    return None


class Setup(Struct, frozen=True, kw_only=True):
    """One run of the application. ``now`` is in seconds (UTC), ``retention`` in seconds."""

    store: Store
    now: Callable[[], float]
    retention: int = parse_age(DEFAULT_RETENTION)
    space_of: Callable[[str], Space] = space_of
    connect: Callable[[], Server | None] = no_server
    theme: str | None = None
    is_sample: bool = False
    collects: bool = True
    """Whether what has expired in the trash goes after every removal and restore."""
    hints: Hints = field(default_factory=Hints)
    noprune: bool = False
    """Whether Ollama's server is told, as far as our environment says, not to remove anything when it starts."""
    imported: Inventory | None = None
    """What an export says, where one is looked at instead of a store of this machine."""

    def survey(self, report: Report, cancelled: Callable[[], bool] = never) -> Inventory:
        """Look at the store: at the disk, or at what was imported.

        Raises Cancelled, and OSError when the store vanishes.
        """
        if self.imported:
            return self.imported
        return scan_store(self.store, self.now(), report, space_of=self.space_of, cancelled=cancelled)
