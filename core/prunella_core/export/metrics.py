"""A store as metrics for Prometheus: gauges in base units; what is unknown has no series.

Import it late: the official client takes longer to import than a small store to read.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple, get_args

from msgspec import Struct
from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily

from prunella_core.advice.ollama import NextStart
from prunella_core.base import __version__
from prunella_core.base.text import clean
from prunella_core.fs.mounts import mount_of
from prunella_core.inventory.problems import DAMAGE
from prunella_core.inventory.records import Inventory, Location, State
from prunella_core.ledger.log import LogLine
from prunella_core.ollama.names import place_of
from prunella_core.plan.build import reclaimable
from prunella_core.scan.system import OtherFiles
from prunella_core.space import space_of
from prunella_core.space.totals import totals

_SHARES = ("exclusive", "shared", "unreferenced", "partial", "leftover", "stray")


class Facts(Struct, frozen=True, kw_only=True):
    """What an inventory does not say of its store; ``retention`` and ``seconds``, which reading it took, in seconds."""

    retention: int
    coming: NextStart
    other: OtherFiles | None = None
    log: Sequence[LogLine] = ()
    seconds: float | None = None


class _Gauge(NamedTuple):
    """A metric of a store: one value, or several under those of its ``labels``."""

    name: str
    text: str
    values: float | Mapping[Any, float | None] | None
    labels: tuple[str, ...] = ()


def metrics_text(inventory: Inventory, facts: Facts, *, with_models: bool = False) -> bytes:
    """Return the metrics of a store in the text format of Prometheus, by wish those of each model too."""
    return generate_latest(SimpleNamespace(collect=lambda: _families(inventory, facts, with_models)))


def _families(inventory: Inventory, facts: Facts, with_models: bool) -> Iterator[GaugeMetricFamily]:
    build = GaugeMetricFamily("prunella_build_info", "The version of Prunella.", labels=("version",))
    build.add_metric((__version__,), 1)
    yield build
    store = clean(inventory.store.root)
    for gauge in (
        *_of_content(inventory, facts),
        *_of_state(inventory, facts),
        *_of_times(inventory, facts),
        *(_of_models(inventory) if with_models else ()),
    ):
        family = GaugeMetricFamily(f"prunella_{gauge.name}", gauge.text, labels=("store", *gauge.labels))
        values = gauge.values if isinstance(gauge.values, Mapping) else {(): gauge.values}
        for labels, value in values.items():
            if value is not None:
                family.add_metric((store, *labels), value)
        if family.samples:
            yield family


def _of_content(inventory: Inventory, facts: Facts) -> Iterator[_Gauge]:
    store, sums = inventory.store, totals(inventory)
    filesystem = "" if store.exported_from else mount_of(store.root).kind
    info = (clean(store.owner), clean(filesystem) or "unknown")
    yield _Gauge("store_info", "Owner and file system of the store.", {info: 1}, ("owner", "filesystem"))
    locations = Counter(model.location for model in inventory.models)
    models = {location: locations[location] for location in get_args(Location)}
    yield _gauges("store_models", "Models by where they run.", "location", models)
    yield _Gauge("store_listed_bytes", "What the sizes in ollama list add up to.", sums.listed)
    shares = {share: getattr(sums, share) for share in _SHARES}
    shares |= {"trash": sums.trashed, "other": facts.other and facts.other.allocated}
    yield _gauges("store_allocated_bytes", "Bytes on disk by what they are, every file once.", "share", shares)
    states = Counter(blob.state for blob in inventory.blobs)
    yield _gauges("store_blobs", "Blobs by state.", "state", {state: states[state] for state in State})


def _of_state(inventory: Inventory, facts: Facts) -> Iterator[_Gauge]:
    unused = reclaimable(inventory, inventory.scanned_at)
    yield _Gauge("store_reclaimable_bytes", "What prunella prune --age 0 frees now, without the trash.", unused)
    problems = Counter((each.kind, "true" if each.blocks_prune else "false") for each in inventory.problems)
    yield _Gauge("store_problems", "Problems by kind, and whether they block a prune.", problems, ("kind", "blocks"))
    damaged = len(_damaged(inventory))
    yield _Gauge("store_damaged_blobs", "Blobs of a wrong size, or that prunella verify found damaged.", damaged)
    lost = facts.coming.reclaims
    yield _Gauge("store_next_start_bytes", "What Ollama itself frees when it starts the next time.", lost)
    yield _Gauge("filesystem_size_bytes", "Size of the file system that holds the store.", inventory.disk_total)
    yield _Gauge("filesystem_avail_bytes", "Bytes that can still be written there.", inventory.disk_free)


def _of_times(inventory: Inventory, facts: Facts) -> Iterator[_Gauge]:
    expiries = [entry.expires_at(facts.retention) for entry in inventory.trash if not entry.is_spent]
    oldest = min(expiries, default=None)
    yield _Gauge("trash_oldest_expiry_timestamp_seconds", "When the next trash entry expires.", oldest)
    last = {str(line.action): line for line in facts.log if line.action != "restore"}
    at = {action: line.at for action, line in last.items()}
    yield _gauges("last_removal_timestamp_seconds", "When the last removal was, by action.", "action", at)
    freed = {action: line.size if line.mode == "delete" else 0 for action, line in last.items()}
    text = "Bytes that it freed; a move to the trash frees none."
    yield _gauges("last_removal_freed_bytes", text, "action", freed)
    yield _Gauge("scan_duration_seconds", "How long reading the store took.", facts.seconds)
    yield _Gauge("scan_timestamp_seconds", "When the store was read.", inventory.scanned_at)


def _of_models(inventory: Inventory) -> Iterator[_Gauge]:
    usage = space_of(inventory).models
    takes = {clean(name): used.allocated for name, used in usage.items()}
    yield _gauges("model_allocated_bytes", "Bytes on disk of a model, shared ones too.", "model", takes)
    frees = {clean(name): used.frees for name, used in usage.items()}
    yield _gauges("model_reclaims_bytes", "Bytes that deleting this model alone frees.", "model", frees)
    used = {(clean(model.name), model.last_use[1] or ""): model.last_used for model in inventory.models}
    text = "When a model was last used, and how that is known."
    yield _Gauge("model_last_used_timestamp_seconds", text, used, ("model", "clock"))


def _gauges(name: str, text: str, label: str, values: Mapping[str, float | None]) -> _Gauge:
    return _Gauge(name, text, {(key,): value for key, value in values.items()}, (label,))


def _damaged(inventory: Inventory) -> set[str]:
    found = {place_of(each.path).whole for each in inventory.problems if each.kind in DAMAGE}
    sizes = {(layer.digest, layer.size) for model in inventory.models for layer in model.layers}
    rows = ((inventory.blob_by_key.get(digest), size) for digest, size in sizes)
    wrong = {row.key for row, size in rows if row and row.files and row.files[0].is_regular and row.size != size}
    return {digest for digest in found if digest} | wrong
