"""What a scan meets in real and in hostile stores: all of it is reported, and nothing makes it guess."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prunella_core.base.errors import Cancelled
from prunella_core.inventory.problems import ADVICE, advice
from prunella_core.inventory.records import Inventory, State
from prunella_core.ollama.manifest import LARGEST_MANIFEST
from prunella_core.ollama.names import parse_digest
from prunella_core.plan.build import make_plan
from prunella_core.sample import Layer, StoreBuilder
from prunella_core.scan import scan
from prunella_core.scan.system import Progress
from prunella_core.space import space_of
from stores import DAY, NOW, for_good, look, open_store, plan_for, planned, prune

Damage = Callable[[StoreBuilder], object]

LIBRARY = "manifests/registry.ollama.ai/library"
IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.oci.image.index.v1+json"
NOWHERE = f"sha256:{'0bad' * 16}"


def listing(*digests: str) -> str:
    """A manifest list with these children."""
    return json.dumps({"schemaVersion": 2, "mediaType": LIST, "manifests": [{"digest": digest} for digest in digests]})


def image(*digests: str, **extra: Any) -> str:
    """A manifest with these layers, all declared one byte long."""
    layers = [{"digest": digest, "size": 1} for digest in digests]
    return json.dumps({"schemaVersion": 2, "mediaType": IMAGE, "layers": layers, **extra})


def _fifo(builder: StoreBuilder) -> None:
    os.makedirs(f"{builder.root}/{LIBRARY}/pipe")
    os.mkfifo(f"{builder.root}/{LIBRARY}/pipe/latest")


def _link_to_fifo(builder: StoreBuilder) -> None:
    os.mkfifo(f"{builder.root}/blobs/pipe")
    builder.link(f"{LIBRARY}/m/latest", "../../../../blobs/pipe")


def _replace(builder: StoreBuilder, folder: str) -> None:
    os.rename(f"{builder.root}/{folder}", f"{builder.root}/elsewhere")
    builder.file(folder, "a file where a folder was")


def _model(builder: StoreBuilder, *layers: Layer) -> None:
    builder.model("m", *layers, config=builder.config(age=DAY), age=DAY)


def _outside_manifest(builder: StoreBuilder) -> None:
    outside = Path(builder.root).parent / "manifest.json"
    outside.write_text(image())
    builder.link(f"{LIBRARY}/m/latest", str(outside))


M = f"{LIBRARY}/m/latest"

DAMAGES: list[tuple[str, str, Damage]] = [
    ("empty-manifest", M, lambda store: store.manifest("m", "")),
    ("empty-manifest", M, lambda store: store.manifest("m", " \n")),
    ("bad-manifest", M, lambda store: store.manifest("m", '{"schemaVersion": 2, "lay')),
    ("bad-manifest", M, lambda store: store.manifest("m", "[]")),
    ("bad-manifest", M, lambda store: store.manifest("m", b"\xff\xfe")),
    ("large-manifest", M, lambda store: store.file(M, "{", size=LARGEST_MANIFEST + 1)),
    ("no-layers", M, lambda store: store.manifest("m", "{}")),
    ("no-layers", M, lambda store: store.manifest("m", "null")),
    ("bad-digest", M, lambda store: store.manifest("m", image("sha256:../../x"))),
    ("unknown-schema", M, lambda store: store.manifest("m", image(schemaVersion=9))),
    ("unknown-schema", M, lambda store: store.manifest("m", image(mediaType="text/plain"))),
    ("bad-child", M, lambda store: store.manifest("m", listing(store.layer("list", "no manifest").digest))),
    ("bad-child", M, lambda store: store.manifest("m", listing(store.layer("list", "{}").digest))),
    (
        "same-name",
        M,
        lambda store: store.manifest("m", image()).file("manifests-v2/ollama.com/library/m/latest", image()),
    ),
    ("bad-name", f"{LIBRARY}/m/latest~", lambda store: store.file(f"{LIBRARY}/m/latest~", image())),
    ("bad-name", f"{LIBRARY}/m/.latest.tmp", lambda store: store.file(f"{LIBRARY}/m/.latest.tmp", image())),
    ("bad-name", f"{LIBRARY}/m/\udcff", lambda store: store.file(f"{LIBRARY}/m/\udcff", image())),
    ("bad-name", f"{LIBRARY}/m/a\x1b[2J\n", lambda store: store.file(f"{LIBRARY}/m/a\x1b[2J\n", image())),
    ("too-shallow", "manifests/notes.txt", lambda store: store.file("manifests/notes.txt")),
    ("too-shallow", f"{LIBRARY}/m", lambda store: store.file(f"{LIBRARY}/m", image())),
    ("too-deep", f"{M}/more", lambda store: store.file(f"{M}/more", image())),
    ("dangling-link", M, lambda store: store.link(M, "../nothing")),
    ("dangling-link", M, lambda store: store.link(M, "latest")),
    ("dangling-link", "manifests/link", lambda store: store.link("manifests/link", "/nowhere/at/all")),
    ("outside-link", M, _outside_manifest),
    ("outside-link", f"{LIBRARY}/m", lambda store: store.link(f"{LIBRARY}/m", os.path.dirname(store.root))),
    ("not-a-file", f"{LIBRARY}/pipe/latest", _fifo),
    ("not-a-file", M, _link_to_fifo),
    ("not-a-file", f"{LIBRARY}/m", lambda store: store.link(f"{LIBRARY}/m", "base")),
    ("unreadable", "manifests", lambda store: _replace(store, "manifests")),
    ("unreadable", "blobs", lambda store: _replace(store, "blobs")),
    ("unreadable", "manifests-v2", lambda store: store.link("manifests-v2", "nowhere")),
    ("no-manifests", "manifests", lambda store: os.rename(f"{store.root}/manifests", f"{store.root}/aside")),
]

HARMLESS: list[tuple[str, str, Damage]] = [
    ("missing-child", M, lambda store: store.manifest("m", listing(NOWHERE))),
    ("no-blobs", "blobs", lambda store: os.rename(f"{store.root}/blobs", f"{store.root}/aside")),
    ("dropping", "manifests/.DS_Store", lambda store: store.file("manifests/.DS_Store")),
    ("dropping", f"{LIBRARY}/m/._latest", lambda store: store.file(f"{LIBRARY}/m/._latest")),
    ("dropping", f"{LIBRARY}/THUMBS.DB", lambda store: store.file(f"{LIBRARY}/THUMBS.DB")),
    ("dropping", f"{LIBRARY}/desktop.ini", lambda store: store.file(f"{LIBRARY}/desktop.ini")),
    ("missing-blob", M, lambda store: _model(store, Layer("weights", NOWHERE, 5))),
    ("wrong-size", M, lambda store: _model(store, store.layer("weights", "short", age=DAY)._replace(size=7))),
]

NEVER_FOUND = {
    "foreign-files",  # who runs the service is not part of a scan
    "guard-limit",  # the guard's own test finds it
    "exists",  # only a restore finds it
    "ledger",  # what earlier runs saw is not part of a scan
    "unreadable-folder",  # root can read every folder
    "pins-unreadable",  # files of our own have tests of their own
    "trash-unreadable",
    "staging-unreadable",
    "flipped-digit",  # so have digests
    "older-server",  # the forecast finds it
    "wrong-hash",  # what verifying found
    "unreadable-blob",
}
"""Kinds that have advice but that no whole scan reports here."""


@pytest.mark.parametrize(("kind", "path", "damage"), DAMAGES)
def test_what_could_hide_a_reference_blocks(builder: StoreBuilder, kind: str, path: str, damage: Damage) -> None:
    damage(builder)
    inventory = look(builder.root)
    assert (path, kind) in {(problem.path, problem.kind) for problem in inventory.blocking}

    plan = make_plan(inventory, prune(force=True), NOW)
    states = {blob.files[0].path: blob.state for blob in inventory.blobs if blob.files}
    assert State.UNREFERENCED not in {states.get(item) for item in planned(plan)}
    assert path in {problem.path for problem in plan.blocked}
    there = [name for name in ("base:latest", "derived:latest", "team/solo:v1") if name in inventory.model_by_name]
    rm = make_plan(inventory, for_good(models=tuple(there)), NOW)
    assert all(item.startswith("manifests/") for item in planned(rm))


@pytest.mark.parametrize(("kind", "path", "damage"), HARMLESS)
def test_what_hides_nothing_is_told_and_blocks_nothing(
    builder: StoreBuilder, kind: str, path: str, damage: Damage
) -> None:
    damage(builder)
    inventory = look(builder.root)
    assert (path, kind) in {(problem.path, problem.kind) for problem in inventory.problems}
    assert inventory.blocking == ()
    unreferenced = {blob.files[0].path for blob in inventory.blobs if blob.state is State.UNREFERENCED}
    assert unreferenced <= planned(make_plan(inventory, prune(force=True), NOW))
    assert unreferenced or kind == "no-blobs"


def test_every_kind_of_problem_is_tried() -> None:
    assert {kind for kind, _path, _damage in (*DAMAGES, *HARMLESS)} == set(ADVICE) - NEVER_FOUND


@pytest.mark.parametrize(("kind", "path", "damage"), [*DAMAGES, *HARMLESS])
def test_every_problem_is_explained_in_clean_text(builder: StoreBuilder, kind: str, path: str, damage: Damage) -> None:
    damage(builder)
    found = next(problem for problem in look(builder.root).problems if (problem.path, problem.kind) == (path, kind))
    meaning, fix = advice(found, builder.root)
    assert meaning.endswith(".")
    assert fix.isprintable()
    assert found.message.isprintable()
    assert "{" not in fix


def test_a_sound_store_has_no_problems(builder: StoreBuilder) -> None:
    assert look(builder.root).problems == ()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("path", [M, f"{LIBRARY}/m", "manifests", "blobs"])
def test_what_may_not_be_read_blocks(builder: StoreBuilder, path: str) -> None:
    _model(builder)
    os.chmod(f"{builder.root}/{path}", 0)
    try:
        inventory = look(builder.root)
    finally:
        os.chmod(f"{builder.root}/{path}", 0o755)
    assert (path, "unreadable") in {(problem.path, problem.kind) for problem in inventory.blocking}


def test_one_bad_file_does_not_hide_the_others(builder: StoreBuilder) -> None:
    builder.manifest("a", "").manifest("b", "{}").file(f"{LIBRARY}/c/latest~")
    inventory = look(builder.root)
    assert len(inventory.problems) == 3
    assert {"base:latest", "derived:latest", "team/solo:v1", "b:latest"} == set(inventory.model_by_name)


def needs(inventory: Inventory, name: str) -> set[str]:
    return set(inventory.model_by_name[name].needs)


def test_a_list_needs_its_children_and_all_they_need(builder: StoreBuilder) -> None:
    weights = builder.layer("weights", "for a list", age=DAY)
    child = builder.layer("manifest", image(weights.digest), age=DAY)
    builder.manifest("family", listing(child.digest))
    inventory = look(builder.root)
    assert needs(inventory, "family:latest") == {weights.digest, child.digest}
    assert inventory.blocking == ()
    assert inventory.blob_by_key[weights.digest].models == ("family:latest",)
    assert inventory.blob_by_key[child.digest].state is State.REFERENCED
    assert inventory.blob_by_key[child.digest].kind == "manifest"


def test_a_child_that_is_not_here_hides_nothing(builder: StoreBuilder) -> None:
    weights = builder.layer("weights", "for a list", age=DAY)
    child = builder.layer("manifest", image(weights.digest), age=DAY)
    builder.manifest("family", listing(NOWHERE, child.digest))
    inventory = look(builder.root)
    assert needs(inventory, "family:latest") == {weights.digest, child.digest}
    assert inventory.blocking == ()


def test_a_list_within_a_list_blocks(builder: StoreBuilder) -> None:
    weights = builder.layer("weights", "for a list", age=DAY)
    child = builder.layer("manifest", image(weights.digest), age=DAY)
    inner = builder.layer("manifest", listing(child.digest), age=DAY)
    builder.manifest("family", listing(inner.digest))
    assert {problem.kind for problem in look(builder.root).blocking} == {"bad-child"}


def test_a_list_that_names_itself_ends_and_blocks(builder: StoreBuilder) -> None:
    name = f"sha256:{'5e1f' * 16}"
    builder.file(f"blobs/{name.replace(':', '-')}", listing(*[name] * 12))
    builder.manifest("family", listing(name))
    inventory = look(builder.root)
    assert [problem.kind for problem in inventory.blocking] == ["bad-child"]
    assert inventory.blob_by_key[name].state is State.REFERENCED


@pytest.mark.parametrize("damage", ["a pipe", "a folder", "{", "{}"])
def test_a_child_that_cannot_be_read_blocks(builder: StoreBuilder, damage: str) -> None:
    path = builder.blob_path(NOWHERE)
    if damage == "a pipe":
        os.mkfifo(path)
    elif damage == "a folder":
        os.mkdir(path)
    else:
        Path(path).write_text(damage)
    builder.manifest("family", listing(NOWHERE))
    assert {problem.kind for problem in look(builder.root).blocking} == {"bad-child"}


def test_only_digests_are_needed(builder: StoreBuilder) -> None:
    builder.manifest("a", listing("nonsense")).manifest("b", image("", "sha256:../../x"))
    inventory = look(builder.root)
    assert {digest for model in inventory.models for digest in model.needs if not parse_digest(digest)} == set()
    assert all(blob.key for blob in inventory.blobs)


def test_a_digest_that_is_only_mentioned_is_kept(builder: StoreBuilder) -> None:
    draft = builder.layer("draft", "named in a field of tomorrow", age=DAY)
    builder.model("m", config=builder.config(), speculative={"draft": draft.digest})
    inventory = look(builder.root)
    assert inventory.blob_by_key[draft.digest].models == ("m:latest",)
    assert f"blobs/{draft.digest.replace(':', '-')}" not in planned(make_plan(inventory, prune(force=True), NOW))


def test_digests_with_a_dash_are_needed_too(builder: StoreBuilder) -> None:
    weights = builder.layer("weights", "spelled another way", age=DAY)
    builder.manifest("m", image(weights.digest.replace(":", "-")))
    assert look(builder.root).blob_by_key[weights.digest].models == ("m:latest",)


def test_a_config_that_is_a_layer_too_is_one_blob_that_counts_twice_in_the_list(builder: StoreBuilder) -> None:
    both = builder.config(model_family="twice", age=DAY)
    builder.model("m", both, config=both)
    inventory = look(builder.root)
    model = inventory.model_by_name["m:latest"]
    assert model.needs == (both.digest,)
    assert model.size == 2 * both.size
    assert space_of(inventory).models["m:latest"].allocated == 2 * 4_096


def test_a_manifest_that_is_a_link_to_a_blob_needs_that_blob(builder: StoreBuilder) -> None:
    weights = builder.layer("weights", "behind a link", age=DAY)
    own = builder.layer("manifest", image(weights.digest), age=DAY)
    builder.link(M, f"../../../../blobs/{own.digest.replace(':', '-')}")
    inventory = look(builder.root)
    assert needs(inventory, "m:latest") == {weights.digest, own.digest}
    assert inventory.blocking == ()
    assert inventory.model_by_name["m:latest"].digest == own.digest.removeprefix("sha256:")


def test_a_blob_that_a_needed_link_leads_to_is_needed(builder: StoreBuilder) -> None:
    real = builder.layer("weights", "the real bytes", age=DAY)
    link = f"sha256:{'1111' * 16}"
    builder.link(f"blobs/{link.replace(':', '-')}", real.digest.replace(":", "-"))
    builder.model("m", Layer("weights", link, real.size))
    assert f"blobs/{real.digest.replace(':', '-')}" not in planned(plan_for(builder.root, prune(force=True)))


@pytest.mark.parametrize(
    "name",
    ["hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M", "127.0.0.1:5000/ns/m:t", "UPPER/Tuned:V1", "localhost/a/b:c"],
)
def test_models_of_every_host_are_listed_by_their_own_name(builder: StoreBuilder, name: str) -> None:
    builder.model(name, builder.layer("weights", "own"), age=DAY)
    inventory = look(builder.root)
    assert name in inventory.model_by_name
    assert inventory.problems == ()


def test_names_that_differ_in_case_only_are_two_models(builder: StoreBuilder) -> None:
    builder.model("Base", builder.layer("weights", "another base"))
    inventory = look(builder.root)
    assert needs(inventory, "Base:latest") != needs(inventory, "base:latest")


def test_files_with_a_colon_are_blobs_like_any(builder: StoreBuilder) -> None:
    weights = builder.layer("weights", "from the early days", age=DAY)
    path = builder.blob_path(weights.digest)
    os.rename(path, path.replace("sha256-", "sha256:"))
    builder.file(f"blobs/sha256:{'7' * 64}", "unreferenced", age=DAY)
    builder.model("old", weights, age=DAY)
    inventory = look(builder.root)
    assert inventory.blob_by_key[weights.digest].state is State.REFERENCED
    assert inventory.problems == ()
    gone = planned(make_plan(inventory, prune(), NOW))
    assert f"blobs/sha256:{'7' * 64}" in gone
    assert f"blobs/{os.path.basename(path)}".replace("-", ":") not in gone


def test_both_spellings_of_one_blob_are_one_row(builder: StoreBuilder) -> None:
    for spelling in (f"sha256:{'a' * 64}", f"sha256-{'a' * 64}", f"sha256-{'A' * 64}"):
        builder.file(f"blobs/{spelling}", "x", age=DAY)
    blob = look(builder.root).blob_by_key[f"sha256:{'a' * 64}"]
    assert len(blob.files) == 3
    assert blob.allocated == 3 * 4_096


def test_a_tensor_model_of_1100_layers(builder: StoreBuilder) -> None:
    tensors = [builder.layer("tensor", f"{number}", name=f"blk.{number}", age=DAY) for number in range(1_100)]
    builder.model("x/flux:4b", *tensors, config=builder.config(model_format="safetensors"), age=DAY)
    inventory = look(builder.root)
    model = inventory.model_by_name["x/flux:4b"]
    assert len(model.needs) == 1_101
    assert inventory.problems == ()
    plan = make_plan(inventory, for_good(models=("x/flux:4b",)), NOW)
    assert len(plan.files) == 1_102
    assert plan.reclaims == space_of(inventory).models["x/flux:4b"].frees == 1_101 * 4_096 + model.manifest.allocated


def test_a_cloud_model_says_where_it_runs(builder: StoreBuilder) -> None:
    config = builder.config(remote_host="https://ollama.com:443", remote_model="gpt-oss:120b", model_type="117B")
    builder.model("gpt-oss:120b-cloud", config=config)
    details = look(builder.root).model_by_name["gpt-oss:120b-cloud"].details
    assert (details.remote_host, details.remote_model) == ("https://ollama.com:443", "gpt-oss:120b")
    assert details.parameters == "117B"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"model_type": 7}', b"\xff", b"[" * 100_000, b"x" * 2_000_000],
    ids=["empty", "truncated", "list", "number", "no text", "deep", "large"],
)
def test_a_config_that_cannot_be_read_says_nothing_and_stays_needed(builder: StoreBuilder, content: bytes) -> None:
    config = builder.layer("config", content, age=DAY)
    builder.model("m", config=config)
    inventory = look(builder.root)
    assert inventory.model_by_name["m:latest"].details.family is None
    assert inventory.blob_by_key[config.digest].state is State.REFERENCED
    assert inventory.problems == ()


def test_blobs_have_their_states(builder: StoreBuilder) -> None:
    builder.file("blobs/folder/inside", "x" * 5_000, age=DAY)
    builder.file(f"blobs/sha256-{'9' * 64}/inside", "a folder with a blob's name", age=DAY)
    os.mkfifo(f"{builder.root}/blobs/sha256-{'8' * 64}")
    builder.model("m", Layer("weights", NOWHERE, 77))
    inventory = look(builder.root)
    states = {blob.key: blob.state for blob in inventory.blobs}
    assert states["blobs/COPY123"] is State.LEFTOVER
    assert states["blobs/README.txt"] is State.STRAY
    assert states["blobs/folder"] is State.STRAY
    assert states[f"blobs/sha256-{'9' * 64}"] is State.STRAY
    assert states[f"blobs/sha256-{'8' * 64}"] is State.STRAY
    assert states[NOWHERE] is State.MISSING
    assert inventory.blob_by_key[NOWHERE].size == 77
    assert inventory.blob_by_key["blobs/folder"].allocated == 8_192
    partials = [blob for blob in inventory.blobs if blob.state is State.PARTIAL]
    assert [(len(blob.files), blob.size) for blob in partials] == [(3, 100_000)]
    assert partials[0].key == f"{partials[0].digest}-partial"


@pytest.mark.parametrize("target", ["/nowhere", "sha256-loop", "../../../../etc/passwd"])
def test_a_blob_that_is_a_link_is_the_link(builder: StoreBuilder, target: str) -> None:
    digest = f"sha256:{'1111' * 16}"
    builder.link(f"blobs/{digest.replace(':', '-')}", target)
    blob = look(builder.root).blob_by_key[digest]
    assert blob.state is State.UNREFERENCED
    assert blob.files[0].target == target
    assert blob.size == len(target)


def test_a_dangling_link_has_no_bytes_for_its_model(builder: StoreBuilder) -> None:
    digest = f"sha256:{'1111' * 16}"
    builder.link(f"blobs/{digest.replace(':', '-')}", "/nowhere").model("m", Layer("weights", digest, 9))
    assert {(problem.kind, problem.model) for problem in look(builder.root).problems} == {("missing-blob", "m:latest")}


def test_a_scan_writes_nothing(builder: StoreBuilder) -> None:
    def state() -> dict[str, tuple[int, int]]:
        return {
            os.path.join(folder, name): (status.st_mtime_ns, status.st_ino)
            for folder, folders, names in os.walk(builder.root)
            for name in (".", *folders, *names)
            for status in [os.lstat(os.path.join(folder, name))]
        }

    before = state()
    look(builder.root)
    assert state() == before


def test_an_empty_store_is_an_empty_inventory(tmp_path: Path) -> None:
    StoreBuilder(str(tmp_path / "store"), NOW)
    inventory = look(tmp_path / "store")
    assert (inventory.models, inventory.blobs, inventory.problems) == ((), (), ())
    assert inventory.disk_total >= inventory.disk_free > 0


def test_progress_counts_and_can_end_a_scan(tmp_path: Path) -> None:
    builder = StoreBuilder(str(tmp_path / "store"), NOW)
    for number in range(600):
        builder.file(f"blobs/COPY{number}").manifest(f"m:{number}", image())
    steps: list[Progress] = []
    scan(open_store(builder.root), NOW, steps.append)
    assert max(step.blobs for step in steps) == 600
    assert max(step.models for step in steps) == 600
    with pytest.raises(Cancelled):
        scan(open_store(builder.root), NOW, cancelled=lambda: True)
