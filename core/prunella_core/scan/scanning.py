"""One scan from beginning to end: what is read in which order, and what is known on the way."""

import gc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from prunella_core.inventory.records import Inventory
from prunella_core.scan.assemble import Assembly, Index
from prunella_core.scan.blobs import NOTHING, BlobReader
from prunella_core.scan.manifests import ManifestReader, ManifestReading
from prunella_core.scan.progress import Progress, Report, Space, silent, space_of
from prunella_core.scan.system import held_open
from prunella_core.scan.trash import read_trash
from prunella_core.store.locate import Store
from prunella_core.store.pins import read_pins


def scan(
    store: Store,
    now: float,
    report: Report = silent,
    space_of: Callable[[str], Space] = space_of,
    *,
    models_first: bool = False,
) -> Inventory:
    """Read the whole store at ``now`` (seconds, UTC). Blobs are listed before manifests are read.

    In that order a model whose pull ends in mid-scan has its manifest seen with its blobs, or not its blobs: never the
    blobs without the manifest. ``models_first`` reads the manifests before as well, so that what ``report`` is given
    has models from the beginning. What cannot be read is a Problem in the Inventory; only a store that vanishes raises
    OSError.
    """
    with _collector_at_rest(), closing(_Scanning(store, now, report, space_of)) as scanning:
        if models_first:
            scanning.glance()
        return scanning.read()


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Spare Python the search for cycles: a scan makes a hundred thousand records, and none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Scanning:
    """The readers of one scan, and what they have read."""

    def __init__(self, store: Store, now: float, report: Report, space_of: Callable[[str], Space]) -> None:
        self.store = store
        self.now = now
        self.report = report
        self.space_of = space_of
        self.blobs = BlobReader(store)
        self.manifests = ManifestReader(store)
        self.has_glanced = False
        self.has_all_manifests = False
        self.assembly = Assembly(store, read_pins(store))
        self.blobs.start()  # last: what begins here has to be ended

    def glance(self) -> None:
        """Read the manifests for an early look. They are read again, or found unchanged, after the blobs."""
        self.has_glanced = True
        self.manifests.read(self._tell)
        self.has_all_manifests = True
        self._tell()

    def read(self) -> Inventory:
        """Read everything, and look at the rest of the world once."""
        self.blobs.list_names()
        index = Index(self._read_again() if self.has_glanced else self.manifests.read(self._tell))
        self.has_all_manifests = True
        on_disk = self.blobs.look(self._count)
        match = self.assembly.match(index, on_disk)
        trash = read_trash(self.store)
        space = self.space_of(self.store.root)
        return Inventory(
            store=self.store,
            scanned_at=self.now,
            models=self.assembly.models(index, on_disk),
            rows=self.assembly.rows(index, match, on_disk, trash),
            problems=self.assembly.problems(index, match, on_disk),
            by_server=index.reading.by_server,
            trash=trash,
            held_open=held_open(self.store, on_disk.partial),
            disk_total=space.total,
            disk_free=space.free,
        )

    def close(self) -> None:
        """End what runs beside."""
        self.blobs.close()

    def _read_again(self) -> ManifestReading:
        again = ManifestReader(self.store)
        again.trust(self.manifests.so_far(), self.now)
        return again.read(self._tell)  # what is known on the way stays what the glance saw

    def _tell(self) -> None:
        """Report, and fetch what is there of the blobs."""
        self.blobs.take(lambda: None)
        self._count()

    def _count(self) -> None:
        self.report(Progress(len(self.manifests.manifests), self.blobs.count, self.so_far))

    def so_far(self) -> Inventory:
        """What is known by now. Nothing can be planned on it: it says so itself, as a Problem that blocks."""
        index = Index(self.manifests.so_far())
        on_disk = self.blobs.so_far() if self.has_all_manifests else NOTHING  # else they would look unneeded
        match = self.assembly.match(index, on_disk)
        space = self.space_of(self.store.root)
        rows = self.assembly.rows(index, match, on_disk, (), is_whole=False)
        return Inventory(
            store=self.store,
            scanned_at=self.now,
            models=self.assembly.models(index, on_disk),
            rows=rows,
            problems=self.assembly.problems(index, match, on_disk, is_whole=False),
            is_whole=False,
            disk_total=space.total,
            disk_free=space.free,
        )
