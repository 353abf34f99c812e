"""What the application is given from outside, and one look at the store, its server and the server's log.

What the first frame does not need is imported after it.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from prunella_core.advice.ollama import NextStart, dangers, is_noprune, next_start, with_barred
from prunella_core.base.errors import Refused
from prunella_core.base.text import DEFAULT_RETENTION, clean, parse_age
from prunella_core.guard.status import SETTINGS
from prunella_core.inventory.records import Inventory, Problem, State
from prunella_core.ledger.memory import scan_store
from prunella_core.ledger.uses import Follower, with_uses
from prunella_core.query import WORDS
from prunella_core.scan.system import Capacity, Progress, Report, capacity_of, never
from prunella_core.space import space_of
from prunella_core.space.totals import totals
from prunella_core.store import Store
from prunella_tui.app.columns import NEXT_START, Snapshot

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
        """Return what is in the store, or in the export. Raises Cancelled, and OSError only when the store vanishes."""
        return self.imported or scan_store(
            self.store, self.now(), report, capacity_of=self.capacity_of, cancelled=cancelled
        )


class Scan:
    """How far a scan is; its methods are steps for a thread. Once it ``is_over`` its thread ends, at the next file."""

    models = blobs = 0
    is_over = False
    guard_trouble = ""
    """Why the guard could not be brought up to date."""
    is_interrupted = False
    """Whether a killed run left something to repair."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def read(self) -> Snapshot:
        """Return what is there now. Where the guard is on, what Ollama deleted goes to the trash first."""
        store = self.setup.store
        if not store.read_only and os.path.lexists(store.path(SETTINGS)):
            from prunella_core.guard.sync import sync

            try:
                sync(store, self.setup.now())
            except (Refused, OSError) as error:
                self.guard_trouble = clean(str(error))
        return self._snapshot(self.setup.survey(self._count, lambda: self.is_over))

    def _count(self, progress: Progress) -> None:
        self.models, self.blobs = progress

    def ask_server(self, snapshot: Snapshot) -> "tuple[Server | None, Snapshot]":
        """Return the server, if there is one, and the snapshot with what it says of itself and of this store."""
        from prunella_core.apply import has_unfinished
        from prunella_core.operations.server import loaded_here, version_of

        self.is_interrupted = has_unfinished(self.setup.store)
        server = self.setup.connect()
        version = version_of(server)
        inventory = with_barred(snapshot.inventory, self.setup.service_user())
        if version or inventory is not snapshot.inventory:
            snapshot = self._snapshot(inventory, version)
        return server, replace(snapshot, loaded=loaded_here(server, snapshot.inventory) or frozenset())

    def read_log(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with what Ollama's log says of its models; the same where it says nothing new."""
        if self.setup.follow is None:
            return snapshot
        follower = self.setup.follow(lambda: self.is_over)
        follower.read_journal()
        follower.read_files()
        follower.save()
        inventory = with_uses(snapshot.inventory, follower.uses)
        if inventory is snapshot.inventory:
            return snapshot
        return replace(self._snapshot(inventory, snapshot.coming.server_version), loaded=snapshot.loaded)

    def _snapshot(self, inventory: Inventory, version: str | None = None) -> Snapshot:
        """Work out what the screens need of ``inventory``; ``version`` is the server's."""
        space_of(inventory).models, inventory.blob_by_key
        coming = next_start(inventory, inventory.scanned_at, is_noprune(self.setup.environ), version)
        rows: dict[str, Sequence[Any]] = {
            "models": inventory.models,
            "blobs": [blob for blob in inventory.blobs if blob.state is not State.TRASHED],
            "trash": [entry for entry in inventory.trash if not entry.is_spent],
            "problems": [*inventory.problems, *dangers(coming), *_coming_row(coming)],
        }
        texts: dict[str, list[str]] = {
            tab: [words(row).casefold() for row in rows[tab]] for tab, words in WORDS.items()
        }
        texts["problems"] = [f"{p.path} {p.kind} {p.message} {p.model or ''}".casefold() for p in rows["problems"]]
        return Snapshot(
            inventory=inventory,
            retention=self.setup.retention,
            totals=totals(inventory),
            coming=coming,
            rows=rows,
            texts=texts,
        )


def _coming_row(coming: NextStart) -> Iterator[Problem]:
    """A row for what Ollama's next start does, if that is anything."""
    if coming.files or coming.why or coming.would_break:
        from prunella_tui.report.rows import forecast_summary

        message = forecast_summary(coming)
        yield Problem(path="Ollama's next start", kind=NEXT_START, message=message, blocks_prune=False)
