"""The one reader: turns a Store into an Inventory. It opens manifests and small configs, and writes nothing."""

from collections.abc import Callable

from prunella_core.inventory.records import Inventory
from prunella_core.scan.assemble import assembled
from prunella_core.scan.blobs import list_blobs, read_blobs
from prunella_core.scan.manifests import read_manifests
from prunella_core.scan.own import OwnFiles
from prunella_core.scan.progress import Capacity, Count, Report, capacity_of, never, silent
from prunella_core.scan.system import held_open
from prunella_core.scan.trash import read_trash, read_vanished
from prunella_core.store import Store


def scan(
    store: Store,
    now: float,
    report: Report = silent,
    capacity_of: Callable[[str], Capacity] = capacity_of,
    *,
    cancelled: Callable[[], bool] = never,
) -> Inventory:
    """Read the whole store at ``now`` (seconds, UTC). What cannot be read is a Problem in the Inventory.

    Blobs are listed before manifests are read. In that order a model whose pull ends in mid-scan has its manifest seen
    with its blobs, or not its blobs: never the blobs without the manifest. Raises Cancelled, and OSError when the store
    vanishes.
    """
    count = Count(report, cancelled)
    own = OwnFiles(store)
    listing = list_blobs(store)
    manifests = read_manifests(store, count=count)
    blobs = read_blobs(store, listing, count, own)
    trash = read_trash(store, own)
    found = assembled(store, manifests, blobs, own.pins, trash.entries)
    disk = capacity_of(store.root)
    return Inventory(
        store=store,
        scanned_at=now,
        models=found.models,
        blobs=found.blobs,
        problems=(*found.problems, *own.problems, *trash.problems),
        by_server=manifests.by_server,
        trash=trash.entries,
        held_open=held_open(store, blobs),
        staged=own.staged,
        guard=own.guard,
        vanished=read_vanished(store, own.guard, found.models),
        disk_total=disk.total,
        disk_free=disk.free,
    )
