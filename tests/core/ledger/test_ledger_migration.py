"""A ledger that the release before wrote: its log, ages, uses and verdicts go on."""

import gzip
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from prunella_core.inventory.records import Inventory
from prunella_core.ledger.file import NAME, consult, fetch
from prunella_core.ledger.log import read_log
from prunella_core.ledger.memory import READ_BAD, read_sound, rescan, scan_store
from prunella_core.sample import StoreBuilder
from prunella_core.store import Store
from stores import DAY, NOW, facts, open_store

EARLIER = Path(__file__).parent / "earlier-release.sqlite.gz"
YEAR = 365 * DAY


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """The store as it was when that ledger was written: the weights of ``m`` were replaced, ``z`` is in the trash."""
    builder = StoreBuilder(str(tmp_path / "store"), NOW)
    builder.layer("weights", "downloaded a year ago", age=YEAR)
    builder.config(model_type="1B", age=YEAR)
    builder.model("m", builder.layer("weights", "the newer ones"), config=builder.config(model_type="3B"))
    os.mkdir(f"{builder.root}/.prunella")
    Path(builder.root, ".prunella", NAME).write_bytes(gzip.decompress(EARLIER.read_bytes()))
    return open_store(builder.root)


def check(inventory: Inventory) -> None:
    (weights, config) = sorted(
        (blob for blob in inventory.blobs if blob.state == "unreferenced"), key=lambda blob: blob.size
    )
    for blob in (weights, config):
        assert (blob.idle_since, blob.idle[1], blob.last_model) == (NOW - 3 * DAY, "seen-referenced", "m:latest")
    assert inventory.model_by_name["m:latest"].seen_loaded_at == NOW - 3 * DAY
    (line,) = read_log(inventory.store)
    assert ([model.name for model in line.models], line.action, line.at) == (["z:latest"], "rm", NOW - DAY)
    assert len(consult(inventory.store, read_sound) or {}) == 3
    bad = consult(inventory.store, lambda ledger: fetch(ledger, tuple[str, str, str, str], READ_BAD))
    assert [kind for _path, _identity, kind, _problem in bad or ()] == ["wrong-hash"]


def test_it_is_read_where_it_may_only_be_read(store: Store) -> None:
    before = facts(store.root), Path(store.own, NAME).read_bytes()
    check(rescan(replace(store, writable=False), NOW))
    assert (facts(store.root), Path(store.own, NAME).read_bytes()) == before


def test_it_goes_on(store: Store) -> None:
    check(scan_store(store, NOW))
    size = Path(store.own, NAME).stat().st_size
    check(scan_store(store, NOW + DAY))
    assert Path(store.own, NAME).stat().st_size == size
    assert os.listdir(store.own) == [NAME]


def test_what_changed_between_the_releases_is_known(store: Store) -> None:
    """The model that needed a blob when the old release ran last has been deleted since."""
    os.unlink(f"{store.manifests}/registry.ollama.ai/library/m/latest")
    inventory = scan_store(store, NOW)
    gone = {(blob.idle_since, blob.last_model) for blob in inventory.blobs if blob.written_at == NOW}
    assert gone == {(NOW, "m:latest")}
    recorded = consult(store, lambda ledger: fetch(ledger, tuple[float], "SELECT DISTINCT seen FROM blob"))
    assert sorted(recorded or ()) == [(NOW - 3 * DAY,), (NOW - DAY + 60,)]
