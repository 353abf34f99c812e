"""What servers to come keep in a store: ``manifests-v2/``, lists of manifests, sidecars, folders of conversions."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from prunella_core.inventory.origin import origins
from prunella_core.inventory.records import Inventory, State
from prunella_core.ledger.log import models_in
from prunella_core.sample import Layer, StoreBuilder
from stores import DAY, NOW, bring_back, carry_out, look, plan_for, planned, prune, remove, to_trash, tree

LIST = "application/vnd.ollama.manifest.list.v2+json"
IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
TAG = "manifests-v2/ollama.com/library/m/latest"


def image(*layers: Layer) -> dict[str, object]:
    """A manifest with these layers, the first of which is its config."""
    entries = [{"digest": layer.digest, "size": layer.size} for layer in layers]
    return {"schemaVersion": 2, "mediaType": IMAGE, "config": entries[0], "layers": entries[1:]}


def listing(*entries: dict[str, object]) -> str:
    return json.dumps({"schemaVersion": 2, "mediaType": LIST, "manifests": entries})


def tagged(builder: StoreBuilder, path: str, *layers: Layer, form: str = "link") -> Layer:
    """A manifest as a server to come writes it: a blob, and a tag that is a link to it, a hard link or a copy."""
    blob = builder.layer("manifest", json.dumps(image(builder.config(n=path, age=DAY), *layers)), age=DAY)
    name = f"{builder.root}/{path}"
    os.makedirs(os.path.dirname(name), exist_ok=True)
    if form == "link":
        os.symlink(f"../../../../blobs/{file_name(blob.digest)}", name)
    elif form == "hard link":
        os.link(builder.blob_path(blob.digest), name)
    else:
        shutil.copy2(builder.blob_path(blob.digest), name)
    return blob


def file_name(digest: str) -> str:
    return digest.replace(":", "-")


def sidecar(builder: StoreBuilder, digest: str) -> str:
    path = f"metadata/{file_name(digest)}.json"
    builder.file(path, "{}", age=DAY)
    os.chmod(f"{builder.root}/{path}", 0o600)
    return path


def leftovers(inventory: Inventory) -> dict[str, list[str]]:
    """The files of each leftover row."""
    return {blob.key: [file.path for file in blob.files] for blob in inventory.blobs if blob.state is State.LEFTOVER}


# manifests-v2


@pytest.mark.parametrize("form", ["link", "hard link", "copy"])
def test_a_tag_in_each_form_is_a_model_that_needs_its_manifest(builder: StoreBuilder, form: str) -> None:
    weights = builder.layer("weights", "of a model of tomorrow", age=DAY)
    blob = tagged(builder, TAG, weights, form=form)
    inventory = look(builder.root)
    model = inventory.model_by_name["m:latest"]
    assert model.digest == blob.digest[7:]
    assert {weights.digest, blob.digest} < set(model.needs)
    assert inventory.blob_by_key[blob.digest].kind == "manifest"
    assert inventory.problems == ()
    assert {f"blobs/{file_name(layer.digest)}" for layer in (weights, blob)}.isdisjoint(
        planned(plan_for(builder.root, prune(force=True)))
    )


def test_the_blob_of_a_copied_tag_may_be_missing(builder: StoreBuilder) -> None:
    os.unlink(builder.blob_path(tagged(builder, TAG, form="copy").digest))
    inventory = look(builder.root)
    assert inventory.problems == ()
    assert all(blob.state is not State.MISSING for blob in inventory.blobs)


def test_hosts_are_written_in_another_way(builder: StoreBuilder) -> None:
    tagged(builder, "manifests-v2/127.0.0.1%3A5052/library/m/8b")
    tagged(builder, "manifests-v2/hf.co/someone/m/Q4_K_M")
    inventory = look(builder.root)
    assert {"127.0.0.1:5052/library/m:8b", "hf.co/someone/m:Q4_K_M"} <= inventory.model_by_name.keys()
    assert origins(inventory)["hf.co/someone/m:Q4_K_M"].source == "hf.co/someone/m:Q4_K_M"


@pytest.mark.parametrize("form", ["link", "copy"])
def test_a_removal_takes_the_tag_and_a_restore_brings_it_back(builder: StoreBuilder, form: str) -> None:
    tagged(builder, TAG, builder.layer("weights", "of a model of tomorrow", age=DAY), form=form)
    before = tree(builder.root)
    entry = remove(builder.root, "m:latest")
    assert [model.name for model in entry.models] == ["m:latest"]
    assert [model.name for model in models_in([TAG], entry.id)] == ["m:latest"]
    assert not look(builder.root).problems
    bring_back(builder.root, entry)
    assert {path: line for path, line in tree(builder.root).items() if not path.startswith(".prunella")} == before


def test_a_link_in_the_trash_is_read_where_its_blob_stayed(builder: StoreBuilder) -> None:
    blob = tagged(builder, TAG)
    os.symlink(f"../../../../blobs/{file_name(blob.digest)}", f"{builder.root}/{TAG.replace('latest', 'also')}")
    entry = remove(builder.root, "m:latest")
    assert look(builder.root).blob_by_key[blob.digest].models == ("m:also",)
    assert [model.name for model in entry.models] == ["m:latest"]
    bring_back(builder.root, entry)
    assert {"m:latest", "m:also"} <= look(builder.root).model_by_name.keys()


def test_a_name_in_both_trees_is_that_of_the_newer_one_and_the_other_blocks(builder: StoreBuilder) -> None:
    blob = tagged(builder, "manifests-v2/ollama.com/library/base/latest")
    inventory = look(builder.root)
    assert inventory.model_by_name["base:latest"].digest == blob.digest[7:]
    (problem,) = inventory.blocking
    assert (problem.kind, problem.path) == ("same-name", builder.manifest_path("base"))
    assert problem.path in inventory.broken_by_path
    assert not [path for path in planned(plan_for(builder.root, prune(force=True))) if len(path) == len("blobs/") + 71]


def test_a_store_without_the_older_tree_is_sound(tmp_path: Path) -> None:
    builder = StoreBuilder(str(tmp_path / "store"), NOW)
    tagged(builder, TAG)
    os.rmdir(f"{builder.root}/manifests")
    assert look(builder.root).problems == ()


@pytest.mark.parametrize(("age", "goes"), [(60, False), (DAY, True)])
def test_a_temporary_manifest_is_a_sign_of_a_write_and_later_a_leftover(
    builder: StoreBuilder, age: int, goes: bool
) -> None:
    path = "manifests-v2/ollama.com/library/m/.manifest-123"
    builder.file(path, "{", age=age)
    assert leftovers(look(builder.root))[path] == [path]
    assert look(builder.root).problems == ()
    assert (path in planned(plan_for(builder.root, prune()))) is goes


# Lists


def test_a_list_runs_its_first_child_that_is_here(builder: StoreBuilder) -> None:
    weights = builder.layer("weights", "for the runner of this machine", age=DAY)
    child = tagged(builder, "manifests-v2/x/y/z/child", weights)
    entries: list[dict[str, object]] = [
        {"digest": f"sha256:{'c' * 64}", "runner": "mlx"},
        {"digest": child.digest, "runner": "ggml"},
    ]
    builder.file("manifests-v2/ollama.com/library/m/latest", listing(*entries), age=DAY)
    inventory = look(builder.root)
    model = inventory.model_by_name["m:latest"]
    assert model.digest == child.digest[7:]
    assert model.size == inventory.model_by_name["x/y/z:child"].size
    assert set(model.needs) >= {child.digest, weights.digest}
    assert f"sha256:{'c' * 64}" not in model.needs
    assert inventory.problems == ()


def test_a_child_may_stand_in_the_list_itself(builder: StoreBuilder) -> None:
    config, weights = builder.config(n="inline", age=DAY), builder.layer("weights", "named in a list", age=DAY)
    data = listing(image(config, weights))
    builder.file(TAG, data, age=DAY)
    inventory = look(builder.root)
    model = inventory.model_by_name["m:latest"]
    assert set(model.needs) == {config.digest, weights.digest}
    assert model.size == config.size + weights.size
    assert model.digest == hashlib.sha256(data.encode()).hexdigest()
    assert inventory.problems == ()


def test_a_list_that_stands_in_a_list_blocks(builder: StoreBuilder) -> None:
    builder.file(TAG, listing({"manifests": [{"digest": f"sha256:{'c' * 64}"}]}))
    assert [problem.kind for problem in look(builder.root).blocking] == ["bad-child"]


# Sidecars


def test_a_sidecar_belongs_to_its_blob(builder: StoreBuilder) -> None:
    weights = look(builder.root).model_by_name["team/solo:v1"].layers[1]
    path = sidecar(builder, weights.digest)
    blob = look(builder.root).blob_by_key[weights.digest]
    assert [file.path for file in blob.files] == [f"blobs/{file_name(weights.digest)}", path]
    assert [file.path for file in blob.content] == [f"blobs/{file_name(weights.digest)}"]
    assert blob.size == weights.size
    assert leftovers(look(builder.root)).keys() == {"blobs/COPY123"}


def test_a_sidecar_goes_to_the_trash_and_comes_back(builder: StoreBuilder) -> None:
    path = sidecar(builder, look(builder.root).model_by_name["team/solo:v1"].layers[1].digest)
    before = tree(builder.root)
    entry = remove(builder.root, "team/solo:v1")
    assert not os.path.exists(f"{builder.root}/{path}")
    bring_back(builder.root, entry)
    assert {path: line for path, line in tree(builder.root).items() if not path.startswith(".prunella")} == before


def test_sidecars_without_a_blob_and_temporary_ones_are_leftovers(builder: StoreBuilder) -> None:
    orphan = sidecar(builder, f"sha256:{'5' * 64}")
    temporary = "metadata/.gguf-metadata-123.tmp"
    builder.file(temporary, age=DAY).file("metadata/notes.txt", age=DAY)
    assert leftovers(look(builder.root)).keys() == {"blobs/COPY123", orphan, temporary}
    assert {orphan, temporary} < planned(plan_for(builder.root, prune()))


# Conversions


def test_folders_of_conversions_are_leftovers_one_row_each(builder: StoreBuilder) -> None:
    builder.file("ollama-safetensors12/fp16345", "half a conversion", age=DAY)
    builder.file("blobs/split-gguf-77/deep/part", "half a split", age=DAY)
    builder.link("ollama-safetensors12/model.safetensors", "../blobs/sha256-x")
    builder.file("ollama-safetensors/mine", "no digits").file("mine/ollama-safetensors12/x", "not in the root")
    found = leftovers(look(builder.root))
    assert found["ollama-safetensors12"] == ["ollama-safetensors12/fp16345", "ollama-safetensors12/model.safetensors"]
    assert found["blobs/split-gguf-77"] == ["blobs/split-gguf-77/deep/part"]
    assert found.keys() == {"blobs/COPY123", "ollama-safetensors12", "blobs/split-gguf-77"}


def test_a_link_to_a_folder_of_a_conversion_is_not_followed(builder: StoreBuilder, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "fp16345").write_text("not in the store")
    builder.link("ollama-safetensors12", str(tmp_path / "elsewhere"))
    assert leftovers(look(builder.root)).keys() == {"blobs/COPY123"}


# Spellings


def test_every_spelling_of_a_digest_comes_back(builder: StoreBuilder) -> None:
    """Two names of one blob, and two names of a model that differ only in case, come back whole."""
    weights = look(builder.root).model_by_name["team/solo:v1"].layers[1]
    name = file_name(weights.digest)
    for spelling in (name.replace("-", ":"), f"sha256-{name[7:].upper()}"):
        shutil.copy2(f"{builder.root}/blobs/{name}", f"{builder.root}/blobs/{spelling}")
    manifest = f"{builder.root}/{builder.manifest_path('team/solo:v1')}"
    other = f"{builder.root}/{builder.manifest_path('team/SOLO:V1')}"
    os.makedirs(os.path.dirname(other))
    shutil.copy2(manifest, other)
    before = tree(builder.root)
    receipt = carry_out(plan_for(builder.root, to_trash("team/solo:v1", "team/SOLO:V1")))
    (entry,) = (entry for entry in look(builder.root).trash if entry.id == receipt.id)
    assert {model.name for model in entry.models} == {"team/solo:v1", "team/SOLO:V1"}
    assert len(look(builder.root).trashed_files[weights.digest]) == 3
    bring_back(builder.root, entry)
    assert {path: line for path, line in tree(builder.root).items() if not path.startswith(".prunella")} == before
