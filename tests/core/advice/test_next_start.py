"""What Ollama's next start removes: as recorded with a real server, and case by case as one was seen to do it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prunella_core.advice.ollama import NextStart, dangers, is_noprune, next_start
from prunella_core.sample import Layer, StoreBuilder
from recordings import RECORDED, Recorded
from stores import DAY, HOUR, NOW, look, remove

Unpack = Callable[..., Recorded]
LIBRARY = "manifests/registry.ollama.ai/library"
STARTS = sorted(
    path.parent.name
    for path in RECORDED.glob("*/scenario.json")
    if any(action["argv"][1] == "serve" for action in json.loads(path.read_text())["actions"])
)


def test_every_kind_of_start_is_recorded() -> None:
    assert {name.rpartition("-")[0] for name in STARTS} == {
        "bad-manifest",
        "pull-partials",
        "startup",
        "v2-older",
        "v2-startup",
    }


@pytest.mark.parametrize("name", STARTS)
def test_it_is_what_the_server_did(recorded: Unpack, name: str) -> None:
    recording = recorded(name)
    environment: dict[str, str] = recording.scenario["actions"][0]["env"]
    inventory = look(recording.store.root, recording.now)
    version = "0.33.0" if name == "v2-older-server" else None
    coming = next_start(inventory, recording.now, is_noprune(environment), version)
    assert list(coming.files) == sorted(recording.scenario["removed"])
    assert sorted(new for _old, new in coming.renamed) == sorted(recording.scenario["added"])
    told_corrupt = any("corrupt manifests" in line for line in recording.scenario.get("server_log", ()))
    assert coming.skipped == (told_corrupt or "OLLAMA_NOPRUNE" in environment)


V2_MODELS = ("127.0.0.1:5052/library/listed:latest", "127.0.0.1:5052/library/three:8b", "copied:v2")


def test_where_no_server_answers_both_kinds_are_foretold(recorded: Unpack) -> None:
    recording = recorded("v2-older-server")
    coming = next_start(look(recording.store.root, recording.now), recording.now, noprune=False)
    assert coming.older_server
    assert (coming.files, coming.would_break) == ((), ())
    assert list(coming.older_server.files) == sorted(recording.scenario["removed"])
    assert coming.older_server.would_break == V2_MODELS
    (danger,) = dangers(coming)
    assert danger.message == "Ollama 0.33 would delete 10 blobs, 3 models, at its next start"
    assert not danger.blocks_prune


def test_without_the_newer_tree_an_older_server_is_no_danger(case: "Case") -> None:
    assert case.foretell().older_server is None
    assert dangers(case.foretell()) == ()


@pytest.mark.parametrize("version", ["0.33.0", "0.33.7-rc2", "v0.9.6", "0.5.1"])
def test_releases_that_do_not_know_the_newer_tree(recorded: Unpack, case: "Case", version: str) -> None:
    recording = recorded("v2-older-server")
    coming = next_start(look(recording.store.root, recording.now), recording.now, False, version)
    assert (coming.would_break, coming.server_version) == (V2_MODELS, version)
    case.builder.file(f"{LIBRARY}/x/latest", "")
    assert next_start(look(case.builder.root), NOW, False, version).skipped


@pytest.mark.parametrize("version", ["0.34.0", "1.0", "0.100.0-rc1"])
def test_releases_that_know_it_go_on_past_a_bad_manifest(case: "Case", version: str) -> None:
    case.builder.file(f"{LIBRARY}/x/latest", "")
    coming = next_start(look(case.builder.root), NOW, False, version)
    assert (coming.skipped, coming.files) == (False, (case.orphan,))


@pytest.mark.parametrize("version", ["0.0.0", "", "next", None])
def test_of_a_build_between_releases_the_store_says_what_it_knows(
    recorded: Unpack, case: "Case", version: str | None
) -> None:
    recording = recorded("v2-older-server")
    assert not next_start(look(recording.store.root, recording.now), recording.now, False, version).files
    case.builder.file(f"{LIBRARY}/x/latest", "")
    assert next_start(look(case.builder.root), NOW, False, version).skipped


def test_a_download_is_named_with_what_it_holds(recorded: Unpack) -> None:
    recording = recorded("pull-partials-aged")
    coming = next_start(look(recording.store.root, recording.now), recording.now, noprune=False)
    (lost,) = coming.downloads
    assert (lost.held, lost.size) == (528_384, 120_032_672)
    assert lost.files == coming.files


def test_a_manifest_of_braces_breaks_the_models_that_had_it(recorded: Unpack) -> None:
    recording = recorded("bad-manifest-braces")
    coming = next_start(look(recording.store.root, recording.now), recording.now, noprune=False)
    assert coming.would_break == ("b:latest", "hf.co/someone/b-GGUF:Q4_K_M")


@pytest.mark.parametrize("value", ["1", "true", "T", "yes", "no", " x "])
def test_what_the_server_takes_for_yes(value: str) -> None:
    assert is_noprune({"OLLAMA_NOPRUNE": value})


@pytest.mark.parametrize("value", ["", " ", "0", "f", "False", ' "0" ', "''"])
def test_what_the_server_takes_for_no(value: str) -> None:
    assert not is_noprune({"OLLAMA_NOPRUNE": value})
    assert not is_noprune({})


class Case:
    """A store with one sound model, a blob that nothing needs, and what a test adds."""

    def __init__(self, root: str) -> None:
        self.builder = StoreBuilder(root, NOW)
        self.config = self.builder.config(model_type="1B", age=DAY)
        self.builder.model("sound", self.weights("sound"), config=self.config, age=DAY)
        self.orphan = self.blob(self.weights("nobody's"))

    def weights(self, seed: str) -> Layer:
        return self.builder.layer("weights", seed, age=DAY)

    def blob(self, layer: Layer) -> str:
        return f"blobs/{layer.digest.replace(':', '-')}"

    def document(self, *layers: Layer, **extra: Any) -> str:
        entries = [{"digest": layer.digest, "size": layer.size} for layer in layers]
        config = {"digest": self.config.digest, "size": self.config.size}
        return json.dumps({"schemaVersion": 2, "config": config, "layers": entries, **extra})

    def foretell(self, now: float = NOW) -> NextStart:
        return next_start(look(self.builder.root, now), now, noprune=False)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """The store that every case begins with."""
    return Case(str(tmp_path))


def test_what_nothing_needs_goes_when_it_is_an_hour_old(case: Case) -> None:
    young = case.blob(case.builder.layer("weights", "young", age=HOUR - 1))
    assert case.foretell().files == (case.orphan,)
    assert case.foretell(NOW + 1).files == tuple(sorted((case.orphan, young)))
    assert not case.foretell().would_break


def test_whatever_has_no_digest_for_a_name_goes(case: Case) -> None:
    names = [".DS_Store", "notes.txt", "SHA256-" + "e" * 64, "sha256--" + "f" * 63, "sha256-" + "d" * 63]
    for name in names:
        case.builder.file(f"blobs/{name}", age=DAY)
    case.builder.file("blobs/of tomorrow", age=-DAY).file("blobs/folder/file", age=DAY)
    os.mkfifo(os.path.join(case.builder.root, "blobs/pipe"))
    os.utime(os.path.join(case.builder.root, "blobs/pipe"), (NOW - DAY, NOW - DAY))
    assert case.foretell().files == tuple(sorted([case.orphan, "blobs/pipe", *(f"blobs/{name}" for name in names)]))


def test_part_of_a_download_gone_is_all_of_it_lost(case: Case) -> None:
    digest = case.builder.partial("pull", size=100_000, done=9_000, parts=2, age=DAY)
    name = f"blobs/{digest.replace(':', '-')}-partial"
    os.utime(os.path.join(case.builder.root, name), (NOW, NOW))
    coming = case.foretell()
    assert name not in coming.files
    (lost,) = coming.downloads
    assert (lost.digest, lost.files, lost.size) == (digest, (f"{name}-0", f"{name}-1"), 100_000)


def test_a_download_that_is_going_on_is_not_lost(case: Case) -> None:
    case.builder.partial("pull", size=100_000, done=9_000, parts=2, age=60)
    assert case.foretell().downloads == ()


def test_what_lies_in_our_trash_is_left_alone(case: Case) -> None:
    old = case.weights("old")
    case.builder.model("old", old, config=case.config, age=DAY)
    path = os.path.join(case.builder.root, case.blob(old))
    os.rename(path, path.replace("sha256-", "sha256:"))
    remove(case.builder.root, "sound:latest", "old:latest")
    assert case.foretell(NOW + DAY).files == (case.orphan,)


STOPS: dict[str, tuple[str, str]] = {
    "an empty manifest": (f"{LIBRARY}/x/latest", ""),
    "a truncated one": (f"{LIBRARY}/x/latest", '{"layers": ['),
    "a size that is text": (f"{LIBRARY}/x/latest", '{"layers":[{"size":"1"}]}'),
    "an editor's copy": (f"{LIBRARY}/sound/latest~", "{}"),
    "the Finder's file": (f"{LIBRARY}/sound/.DS_Store", ""),
    "the Explorer's file": (f"{LIBRARY}/sound/desktop.ini", "[.ShellClassInfo]"),
}


@pytest.mark.parametrize(("path", "content"), STOPS.values(), ids=STOPS)
def test_one_bad_manifest_stops_it_all(case: Case, path: str, content: str) -> None:
    case.builder.file(path, content, age=DAY)
    coming = case.foretell()
    assert coming.skipped
    assert [stop.path for stop in coming.stops] == [path]
    assert coming.why
    assert coming.why.startswith(path)
    assert coming.files == coming.would_break == ()


def test_a_dangling_link_stops_it_all_where_a_tag_would_be(case: Case) -> None:
    case.builder.link(f"{LIBRARY}/gone", "nowhere").link(f"{LIBRARY}/sound/a/b", "nowhere")
    assert not case.foretell().skipped
    case.builder.link(f"{LIBRARY}/sound/v2", "nowhere")
    assert case.foretell().skipped


def test_what_lies_where_no_tag_can_be_stops_nothing(case: Case) -> None:
    case.builder.file(f"{LIBRARY}/.DS_Store").file("manifests/.DS_Store").file(f"{LIBRARY}/sound/a/.DS_Store")
    assert case.foretell().files == (case.orphan,)


def test_blobs_are_renamed_even_then(case: Case) -> None:
    case.builder.file(f"{LIBRARY}/x/latest", "", age=DAY).file(f"blobs/sha256:{'7' * 64}", age=DAY)
    coming = case.foretell()
    assert coming.files == (f"blobs/sha256:{'7' * 64}",)
    assert coming.renamed == ((f"blobs/sha256:{'7' * 64}", f"blobs/sha256-{'7' * 64}"),)


def test_a_blob_under_its_old_name_that_a_model_needs_only_gets_its_new_name(case: Case) -> None:
    old = case.weights("old")
    case.builder.model("old", old, config=case.config, age=DAY)
    path = os.path.join(case.builder.root, case.blob(old))
    os.rename(path, path.replace("sha256-", "sha256:"))
    case.builder.file("blobs/folder/sha256:inner", age=DAY)
    coming = case.foretell()
    assert [new for _old, new in coming.renamed] == ["blobs/folder/sha256-inner", case.blob(old)]
    assert not coming.would_break
    assert coming.reclaims == next(
        blob.allocated for blob in look(case.builder.root).blobs if blob.files[0].path == case.orphan
    )


@pytest.mark.parametrize(("old", "new", "goes"), [(DAY, 0, True), (0, DAY, False)])
def test_of_two_spellings_the_old_one_takes_the_place_of_the_other(case: Case, old: int, new: int, goes: bool) -> None:
    colon, hyphen = f"blobs/sha256:{'c' * 64}", f"blobs/sha256-{'c' * 64}"
    case.builder.file(colon, "one", age=old).file(hyphen, "two", age=new)
    gone = {colon, hyphen} if goes else {colon}
    assert set(case.foretell().files) == {case.orphan, *gone}


DAMAGED: dict[str, Callable[[Case, Layer], str]] = {
    "digests written with a hyphen": lambda case, own: case.document(own).replace("sha256:", "sha256-"),
    "digests in upper case": lambda case, own: case.document(own).replace(own.digest[7:], own.digest[7:].upper()),
    "a list of manifests": lambda case, own: json.dumps({"schemaVersion": 2, "manifests": [{"digest": own.digest}]}),
    "a digest in a field that is not known": lambda case, own: case.document(subject={"digest": own.digest}),
    "braces": lambda case, own: "{}",
    "null": lambda case, own: "null",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_manifest_that_stops_nothing_loses_its_layers(
    case: Case, content: Callable[[Case, Layer], str]
) -> None:
    own = case.weights("own")
    case.builder.manifest("damaged", content(case, own), age=DAY)
    coming = case.foretell()
    assert coming.would_break == ("damaged:latest",)
    assert {case.blob(own), case.orphan} == set(coming.files)


@pytest.mark.parametrize("path", [f"{LIBRARY}/deep/er/latest", f"{LIBRARY}/latest"])
def test_a_manifest_at_the_wrong_depth_is_overlooked(case: Case, path: str) -> None:
    own = case.weights("own")
    case.builder.file(path, case.document(own), age=DAY)
    coming = case.foretell()
    assert coming.overlooked == (path,)
    assert set(coming.files) == {case.blob(own), case.orphan}


def test_without_manifests_all_blobs_go(case: Case) -> None:
    os.rename(os.path.join(case.builder.root, "manifests"), os.path.join(case.builder.root, "elsewhere"))
    every = {file.path for blob in look(case.builder.root).blobs for file in blob.files}
    assert set(case.foretell().files) == every


def test_what_the_server_reads_and_we_do_not_is_kept(case: Case) -> None:
    own = case.weights("own")
    case.builder.manifest("odd", case.document(own) + " and more", age=DAY)
    assert case.foretell().files == (case.orphan,)


def test_what_the_server_cannot_read_and_we_can_stops_it(case: Case) -> None:
    own = case.weights("own")
    odd = case.document(own, subject={"digest": f"sha256:{'5' * 64}"}, SchemaVersion="two")
    case.builder.manifest("odd", odd, age=DAY)
    coming = case.foretell()
    (stop,) = coming.stops
    assert (stop.path, "cannot read" in stop.message) == (f"{LIBRARY}/odd/latest", True)
    assert coming.skipped


def test_a_blob_that_is_a_link_goes_as_one(case: Case) -> None:
    link = f"blobs/sha256-{'9' * 64}"
    case.builder.link(link, "../../nowhere")
    os.utime(os.path.join(case.builder.root, link), (NOW - DAY, NOW - DAY), follow_symlinks=False)
    assert link in case.foretell().files


def test_what_cannot_be_known_is_said(case: Case) -> None:
    case.builder.link(f"{LIBRARY}/elsewhere", "/etc")
    assert {problem.kind for problem in case.foretell().unsure} == {"outside-link"}
