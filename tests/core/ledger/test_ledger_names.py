"""Which model a blob came from: the ledger and the trash know, as long as no model needs it again."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from prunella_core.inventory.records import Blob, Inventory, State
from prunella_core.ledger.file import NAME
from prunella_core.ledger.memory import likely_model, rescan, scan_store
from prunella_core.sample import Layer, StoreBuilder
from stores import DAY, NOW, look, open_store, remove

YEAR = 365 * DAY


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    return StoreBuilder(str(tmp_path / "store"), NOW)


@pytest.fixture
def weights(builder: StoreBuilder) -> Layer:
    """The weights of ``m`` and ``z``, a year old."""
    weights = builder.layer("weights", "downloaded a year ago", age=YEAR)
    for name in ("z", "m"):
        builder.model(name, weights, config=builder.config(model_type=name, age=YEAR), age=YEAR)
    return weights


def run(builder: StoreBuilder, now: float = NOW) -> Inventory:
    return scan_store(open_store(builder.root), now)


def row(inventory: Inventory, layer: Layer) -> Blob:
    return inventory.blob_by_key[layer.digest]


def owner(inventory: Inventory, layer: Layer) -> str | None:
    return likely_model(inventory, row(inventory, layer))


def drop(builder: StoreBuilder, *names: str) -> None:
    """Remove manifests as a tag that moves on does: the blobs stay."""
    for name in names:
        os.unlink(f"{builder.root}/{builder.manifest_path(name)}")


def ledger(builder: StoreBuilder) -> Path:
    return Path(builder.root, ".prunella", NAME)


def test_the_last_model_is_remembered(builder: StoreBuilder, weights: Layer) -> None:
    assert owner(run(builder, NOW - 3 * DAY), weights) is None
    drop(builder, "m")
    assert owner(run(builder, NOW - 2 * DAY), weights) is None, "z needs it"
    drop(builder, "z")
    assert owner(run(builder, NOW - DAY), weights) == "z:latest"
    assert owner(run(builder), weights) == "z:latest", "later runs know it too"
    assert owner(rescan(open_store(builder.root), NOW), weights) == "z:latest"


def test_a_tag_that_moved_on_has_an_old_self(builder: StoreBuilder, weights: Layer) -> None:
    run(builder, NOW - DAY)
    drop(builder, "z")
    builder.model("m", builder.layer("weights", "the newer ones"), config=builder.config(model_type="2B"))
    inventory = run(builder)
    assert owner(inventory, weights) == "m:latest"
    assert "m:latest" in inventory.model_by_name


def test_what_is_needed_again_is_nobodys_old_blob(builder: StoreBuilder, weights: Layer) -> None:
    run(builder, NOW - 3 * DAY)
    drop(builder, "m", "z")
    assert owner(run(builder, NOW - 2 * DAY), weights) == "m:latest"
    builder.model("third", weights)
    assert row(run(builder, NOW - DAY), weights).last_model is None
    drop(builder, "third")
    assert owner(run(builder), weights) == "third:latest"


def test_what_is_gone_is_forgotten(builder: StoreBuilder, weights: Layer) -> None:
    run(builder, NOW - 2 * DAY)
    drop(builder, "m", "z")
    run(builder, NOW - DAY)
    os.unlink(builder.blob_path(weights.digest))
    builder.model("other", builder.layer("weights", "another"))
    run(builder)
    with closing(sqlite3.connect(ledger(builder))) as database:
        assert database.execute("SELECT * FROM blob WHERE digest = ?", (weights.digest,)).fetchall() == []


def test_a_download_and_a_loose_blob_in_the_trash_have_names_too(builder: StoreBuilder, weights: Layer) -> None:
    run(builder, NOW - 3 * DAY)
    drop(builder, "m", "z")
    run(builder, NOW - 2 * DAY)
    remove(builder.root, blobs=(weights.digest,), now=NOW - DAY)
    (trashed,) = (blob for blob in run(builder).blobs if blob.state is State.TRASHED)
    assert (trashed.last_model, trashed.idle[1]) == ("m:latest", "removed")


def test_the_trash_knows_what_the_ledger_does_not(builder: StoreBuilder, weights: Layer) -> None:
    remove(builder.root, "m:latest", "z:latest")
    builder.layer("weights", "downloaded a year ago")  # pulled again, and the tag moved on at once
    inventory = look(builder.root)
    assert row(inventory, weights).state is State.UNREFERENCED
    assert owner(inventory, weights) in ("m:latest", "z:latest")


def test_a_download_belongs_to_the_model_that_misses_it(builder: StoreBuilder, weights: Layer) -> None:
    path = builder.blob_path(weights.digest)
    os.rename(path, f"{path}-partial")
    inventory = look(builder.root)
    assert likely_model(inventory, inventory.blob_by_key[f"{weights.digest}-partial"]) == "m:latest"
