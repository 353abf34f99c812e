"""Blobs that are symbolic links: what a needed link leads to, over every hop within the store, is needed as well."""

import os
from pathlib import Path

import pytest

from prunella_core.inventory.records import Inventory, State
from prunella_core.sample import Layer, StoreBuilder
from prunella_core.scan.blobs import led_to, read_blobs
from prunella_core.scan.manifests import read_manifests
from stores import DAY, look, open_store, plan_for, planned, prune


def named(digit: str) -> Layer:
    """A layer whose blob is not there yet."""
    return Layer("weights", f"sha256:{digit * 64}", 14)


def file_name(layer: Layer) -> str:
    return layer.digest.replace(":", "-")


def pruned(builder: StoreBuilder) -> set[str]:
    """The names in ``blobs/`` that a prune takes."""
    return {os.path.basename(path) for path in planned(plan_for(builder.root, prune(force=True)))}


def users(inventory: Inventory, key: str) -> tuple[State, tuple[str, ...]]:
    row = inventory.blob_by_key[key]
    return row.state, row.models


NEEDED = (State.REFERENCED, ("linked:latest",))


def test_a_blob_behind_two_links_is_needed(builder: StoreBuilder) -> None:
    real = builder.layer("weights", "the real bytes", age=DAY)
    first, second = named("1"), named("2")
    builder.link(f"blobs/{file_name(first)}", file_name(second)).link(f"blobs/{file_name(second)}", file_name(real))
    builder.model("linked", first, age=DAY)
    inventory = look(builder.root)
    assert users(inventory, real.digest) == users(inventory, second.digest) == NEEDED
    assert inventory.blob_by_key[first.digest].reaches == (second.digest, real.digest)
    assert inventory.model_by_name["linked:latest"].needs == (inventory.models[2].needs[0], first.digest)
    assert {file_name(layer) for layer in (first, second, real)}.isdisjoint(pruned(builder))


def test_a_blob_behind_a_link_with_no_digest_for_a_name_is_needed(builder: StoreBuilder) -> None:
    real, first = builder.layer("weights", "the real bytes", age=DAY), named("1")
    builder.link(f"blobs/{file_name(first)}", "COPY7").link("blobs/COPY7", f"./{file_name(real)}")
    builder.model("linked", first, age=DAY)
    inventory = look(builder.root)
    assert users(inventory, "blobs/COPY7") == users(inventory, real.digest) == NEEDED
    assert {file_name(real), "COPY7"}.isdisjoint(pruned(builder))


@pytest.mark.parametrize("name", ["weights.gguf", "COPY99", f"sha256-{'3' * 64}-partial", "mine/weights.gguf"])
def test_a_target_with_any_name_is_needed(builder: StoreBuilder, name: str) -> None:
    first = named("1")
    builder.file(f"blobs/{name}", "the real bytes", age=DAY).link(f"blobs/{file_name(first)}", name)
    builder.model("linked", first, age=DAY)
    (key,) = look(builder.root).blob_by_key[first.digest].reaches
    assert users(look(builder.root), key) == NEEDED
    assert name not in pruned(builder)
    assert look(builder.root).problems == ()


def test_a_link_that_goes_through_other_folders_of_the_store_still_leads_there(builder: StoreBuilder) -> None:
    real, first = builder.layer("weights", "the real bytes", age=DAY), named("1")
    absolute = f"{builder.root}/elsewhere/way"
    builder.link(f"blobs/{file_name(first)}", absolute).link("elsewhere/way", f"../blobs/{file_name(real)}")
    builder.model("linked", first, age=DAY)
    assert users(look(builder.root), real.digest) == NEEDED


def test_a_store_that_is_reached_by_a_link_has_the_same_links(builder: StoreBuilder, tmp_path: Path) -> None:
    real, first = builder.layer("weights", "the real bytes", age=DAY), named("1")
    os.symlink(builder.root, tmp_path / "way")
    builder.link(f"blobs/{file_name(first)}", f"{tmp_path}/way/blobs/{file_name(real)}")
    builder.model("linked", first, age=DAY)
    assert users(look(tmp_path / "way"), real.digest) == NEEDED


def test_a_link_that_spells_its_target_otherwise_leads_there(builder: StoreBuilder) -> None:
    """A start of Ollama renames ``sha256:`` to ``sha256-``, and the link works."""
    real, first = builder.layer("weights", "the real bytes", age=DAY), named("1")
    os.rename(builder.blob_path(real.digest), f"{builder.root}/blobs/{real.digest}")
    builder.link(f"blobs/{file_name(first)}", file_name(real))
    builder.model("linked", first, age=DAY)
    assert users(look(builder.root), real.digest) == NEEDED


def test_links_in_a_circle_and_out_of_the_store_end(builder: StoreBuilder, tmp_path: Path) -> None:
    one, two, out = named("1"), named("2"), named("3")
    builder.link(f"blobs/{file_name(one)}", file_name(two)).link(f"blobs/{file_name(two)}", file_name(one))
    (tmp_path / "outside").symlink_to(builder.blob_path(look(builder.root).models[0].needs[0]))
    builder.link(f"blobs/{file_name(out)}", str(tmp_path / "outside"))
    builder.model("linked", one, out, age=DAY)
    inventory = look(builder.root)
    assert inventory.blob_by_key[one.digest].reaches == (two.digest,)
    assert inventory.blob_by_key[out.digest].reaches == ()
    assert inventory.blob_by_key[two.digest].models == ("linked:latest",)


def test_what_several_models_reach_is_needed_by_all_of_them(builder: StoreBuilder) -> None:
    real, first = builder.layer("weights", "the real bytes", age=DAY), named("1")
    builder.link(f"blobs/{file_name(first)}", file_name(real))
    builder.model("linked", first, age=DAY).model("also", first, age=DAY).model("direct", real, age=DAY)
    assert look(builder.root).blob_by_key[real.digest].models == ("also:latest", "direct:latest", "linked:latest")


def test_a_link_that_nothing_needs_keeps_nothing(builder: StoreBuilder) -> None:
    real, first = builder.layer("weights", "the real bytes", age=DAY), named("1")
    builder.link(f"blobs/{file_name(first)}", file_name(real))
    assert look(builder.root).blob_by_key[real.digest].state is State.UNREFERENCED
    assert look(builder.root).blob_by_key[first.digest].reaches == (real.digest,)


def test_the_look_for_pulls_knows_what_links_lead_to(builder: StoreBuilder) -> None:
    real, first = builder.layer("weights", "the real bytes", age=DAY), named("1")
    builder.link(f"blobs/{file_name(first)}", "COPY7").link("blobs/COPY7", file_name(real))
    builder.model("linked", first, age=DAY)
    store = open_store(builder.root)
    assert led_to(store, read_manifests(store).needed, read_blobs(store)) == {"blobs/COPY7", real.digest}
