"""What a scan reads first: a pull that ends in mid-scan never leaves blobs in sight without their manifest."""

import json
import os
from pathlib import Path

from prunella_core.inventory.records import State
from prunella_core.sample import StoreBuilder
from prunella_core.scan import scan
from prunella_core.scan.system import Progress
from stores import DAY, NOW, look, open_store, small_store


def test_blobs_are_listed_before_manifests_are_read(tmp_path: Path) -> None:
    builder = small_store(tmp_path / "store")
    pulled: list[str] = []

    def pull(progress: Progress) -> None:
        """A pull that begins and ends when the manifests have been read, and no file of ``blobs/`` has."""
        if progress.models and not progress.blobs and not pulled:
            weights = builder.layer("weights", "pulled meanwhile", age=DAY)
            pulled.append(weights.digest)
            builder.model("pulled", weights, age=DAY)

    found = scan(open_store(builder.root), NOW, pull)
    assert pulled
    assert "pulled:latest" not in found.model_by_name
    assert pulled[0] not in found.blob_by_key
    assert look(builder.root).blob_by_key[pulled[0]].state is State.REFERENCED


def test_digests_that_a_child_manifest_mentions_are_needed(tmp_path: Path) -> None:
    builder = StoreBuilder(str(tmp_path / "store"), NOW)
    image = "application/vnd.docker.distribution.manifest.v2+json"
    weights, mentioned = (builder.layer("weights", text, age=DAY) for text in ("named", "only mentioned"))
    layers = [{"digest": weights.digest, "size": 5}]
    document = {"schemaVersion": 2, "mediaType": image, "layers": layers, "addendum": {"uses": mentioned.digest}}
    child = builder.layer("json", json.dumps(document), age=DAY)
    listed = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"}
    builder.manifest("list", json.dumps({**listed, "manifests": [{"digest": child.digest}]}), age=DAY)
    (model,) = look(builder.root).models
    assert set(model.needs) == {child.digest, weights.digest, mentioned.digest}


def test_a_scan_leaves_no_descriptor_open(tmp_path: Path) -> None:
    builder = small_store(tmp_path / "store")
    builder.file("blobs/mine/deep/file")
    before = len(os.listdir("/dev/fd"))
    look(builder.root)
    assert len(os.listdir("/dev/fd")) == before
