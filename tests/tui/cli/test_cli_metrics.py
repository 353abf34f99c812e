"""``prunella metrics``: the official parser reads it, the numbers are those of ``df``, and a file is never half."""

import json
import os
import re
import threading
from datetime import datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from commandline import call, make_store
from prunella_core import __version__
from prunella_core.sample import StoreBuilder

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]
BUILD = "prunella_build_info"
DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """The small store, with something in the trash, deleted and damaged, a problem, and files of others."""
    builder = make_store(tmp_path / "models")
    builder.file("notes/mine", "x" * 9_000)
    for arguments in (("rm", "--now", "-y", "team/solo:v1"), ("rm", "-y", "derived")):
        assert call(*arguments, store=builder.root).code == 0
    weights = builder.blob_path(builder.layer("weights", "shared weights" * 3_000).digest)
    with open(weights, "r+b") as file:
        file.write(b"X")
    assert call("verify", store=builder.root).code == 1
    return builder.manifest("broken", "{")


def series(text: str, store: str) -> Series:
    """Every value by its name and labels, but ``store``, which each has."""
    found: Series = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        assert family.documentation.endswith(".")
        for sample in family.samples:
            assert sample.labels.pop("store", None) == (None if sample.name == BUILD else store)
            key = sample.name.removeprefix("prunella_"), frozenset(sample.labels.items())
            assert key not in found
            found[key] = sample.value
    return found


def metrics(builder: StoreBuilder, *arguments: str) -> Series:
    result = call("metrics", *arguments, store=builder.root)
    assert (result.code, result.complaint) == (0, "")
    return series(result.text, builder.root)


def of(found: Series, name: str) -> dict[str, float]:
    """The values of a metric with one label."""
    return {dict(labels).popitem()[1]: value for (each, labels), value in found.items() if each == name}


def test_its_numbers_are_those_of_df(builder: StoreBuilder) -> None:
    found, df = metrics(builder), call("df", "--json", store=builder.root).document
    shares = of(found, "store_allocated_bytes")
    assert shares["other"] > 9_000
    assert min(shares[share] for share in ("exclusive", "unreferenced", "partial", "leftover", "stray", "trash")) > 0
    assert shares.pop("trash") == df["trashed"]
    assert shares == {share: df[share] for share in shares}
    assert sum(of(found, "store_allocated_bytes").values()) == df["allocated"] + df["other"]
    plain = {name: value for (name, labels), value in found.items() if not labels}
    assert plain["store_listed_bytes"] == df["listed"]
    assert plain["store_reclaimable_bytes"] == df["reclaimable"]
    assert plain["filesystem_size_bytes"] == df["disk_total"]
    assert plain["filesystem_avail_bytes"] > 0
    assert plain["scan_duration_seconds"] > 0


def test_all_shares_add_up_to_what_the_disk_counts(builder: StoreBuilder) -> None:
    shares = of(metrics(builder), "store_allocated_bytes")
    inodes = {}
    for where, _folders, files in os.walk(builder.root):
        for name in files:
            status = os.lstat(os.path.join(where, name))
            inodes[status.st_dev, status.st_ino] = status.st_blocks * 512
    assert sum(shares.values()) == sum(inodes.values())


def test_its_counts_are_those_of_the_other_commands(builder: StoreBuilder) -> None:
    found = metrics(builder)
    rows = call("blobs", "--json", store=builder.root).document["blobs"]
    states = {state: [row["state"] for row in rows].count(state) for state in of(found, "store_blobs")}
    assert of(found, "store_blobs") == states
    assert len(states) == 7
    assert of(found, "store_models") == {"local": 1, "cloud": 0}
    start = call("doctor", "--next-start", "--json", store=builder.root).document
    assert found["store_next_start_bytes", frozenset()] == start["reclaims"]
    problems = call("doctor", "--json", store=builder.root).document["problems"]
    kinds = {(row["kind"], str(row["blocks_prune"]).lower()) for row in problems}
    reported = {tuple(value for _label, value in sorted(labels)) for name, labels in found if name == "store_problems"}
    assert reported == {(blocks, kind) for kind, blocks in kinds}
    assert {("bad-manifest", "true"), ("wrong-hash", "false")} <= kinds
    assert sum(value for (name, _labels), value in found.items() if name == "store_problems") == len(problems)
    assert found["store_damaged_blobs", frozenset()] == 1
    assert found["build_info", frozenset({("version", __version__)})] == 1


def test_a_blob_of_a_wrong_size_is_damaged_without_verify(tmp_path: Path) -> None:
    builder = make_store(tmp_path / "models")
    assert metrics(builder)["store_damaged_blobs", frozenset()] == 0
    os.truncate(builder.blob_path(builder.layer("weights", "shared weights" * 3_000).digest), 9)
    assert metrics(builder)["store_damaged_blobs", frozenset()] == 1
    call("verify", store=builder.root)
    assert metrics(builder)["store_damaged_blobs", frozenset()] == 1


def test_what_was_deleted_when_and_what_that_freed(builder: StoreBuilder) -> None:
    freed = call("prune", "--age", "0", "--class", "partial", "-y", "--json", store=builder.root).document["freed"]
    found = metrics(builder)
    assert of(found, "last_removal_freed_bytes") == {"rm": 0, "prune": freed}, "the last rm moved to the trash"
    at = of(found, "last_removal_timestamp_seconds")
    assert builder.now <= at["rm"] <= at["prune"] <= found["scan_timestamp_seconds", frozenset()]
    [entry] = call("trash", "--json", store=builder.root).document["entries"]
    expiry = found["trash_oldest_expiry_timestamp_seconds", frozenset()]
    assert int(expiry) == datetime.fromisoformat(entry["expires_at"]).timestamp()
    call("empty", "-y", store=builder.root)
    assert ("trash_oldest_expiry_timestamp_seconds", frozenset()) not in metrics(builder)


def test_each_model_by_wish(builder: StoreBuilder, atime: None) -> None:
    assert not [name for name, _labels in metrics(builder) if name.startswith("model_")]
    call("restore", "derived", store=builder.root)
    found, rows = metrics(builder, "--models"), call("ls", "--json", store=builder.root).document["models"]
    assert of(found, "model_allocated_bytes") == {row["name"]: row["allocated"] for row in rows}
    assert of(found, "model_reclaims_bytes") == {row["name"]: row["reclaims"] for row in rows}
    used = {labels for name, labels in found if name == "model_last_used_timestamp_seconds"}
    known = {row["name"] for row in rows if row["last_used"]}
    assert {dict(labels)["model"] for labels in used} == known
    assert {dict(labels)["clock"] for labels in used} <= {"weights-read", "seen-loaded", "loaded-in-log"}


def test_an_export_has_what_can_be_known_elsewhere(builder: StoreBuilder, tmp_path: Path) -> None:
    call("guard", "on", store=builder.root)
    export = tmp_path / "export.json"
    assert call("export", str(export), store=builder.root).code == 0
    result = call("--import", str(export), "metrics", "--models")
    assert result.code == 0, result.complaint
    there, here = series(result.text, builder.root), metrics(builder, "--models")
    unknown = {name for name, _labels in here} - {name for name, _labels in there}
    assert unknown == {"scan_duration_seconds", "last_removal_timestamp_seconds", "last_removal_freed_bytes"}
    assert "other" not in of(there, "store_allocated_bytes")


@pytest.mark.parametrize("name", ["fleet.md", "fleet-alerts.yml", "fleet-dashboard.json"])
def test_the_docs_name_series_that_are_there(builder: StoreBuilder, name: str, atime: None) -> None:
    call("prune", "--age", "0", "--class", "partial", "-y", store=builder.root)
    there = {f"prunella_{each}" for each, _labels in metrics(builder, "--models")}
    text = (DOCS / name).read_text()
    named = set(re.findall(r"\bprunella_[a-z_]+", text))
    assert named <= there
    assert (named == there) == name.endswith(".md")


def test_the_dashboard_has_panels_that_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    panels = json.loads((DOCS / "fleet-dashboard.json").read_bytes())["panels"]
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert taken.isdisjoint(cells)
        assert max(x for x, _y in cells) < 24
        taken |= cells
        assert all(target["expr"] for target in panel["targets"])
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_a_strange_path_is_a_label_like_any_other(tmp_path: Path) -> None:
    builder = make_store(os.fsdecode(os.fsencode(tmp_path) + b'/"\\\xff\n'))
    result = call("metrics", store=builder.root)
    [info] = [line for line in result.text.splitlines() if line.startswith("prunella_store_info{")]
    assert r'/\"\\\\xff\\x0a"' in info
    series(result.text, str(tmp_path) + '/"\\\\xff\\x0a')


def test_a_file_is_never_half(builder: StoreBuilder, tmp_path: Path) -> None:
    path, over = tmp_path / "prunella.prom", threading.Event()
    assert call("metrics", "--textfile", str(path), store=builder.root).out == b""
    reads: list[bytes] = []

    def read() -> None:
        while not over.is_set():
            reads.append(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _time in range(100):
            assert call("metrics", "--textfile", str(path), store=builder.root).code == 0
    finally:
        over.set()
        reader.join()
    whole = set(series(path.read_text(), builder.root))
    assert {frozenset(series(text.decode(), builder.root)) for text in set(reads)} == {frozenset(whole)}
    assert set(os.listdir(tmp_path)) == {"models", path.name}
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("name", ["nowhere/prunella.prom", "models", ""])
def test_a_file_that_cannot_be_written_is_one_line(builder: StoreBuilder, tmp_path: Path, name: str) -> None:
    before = set(os.listdir(tmp_path))
    result = call("metrics", "--textfile", str(tmp_path / name), store=builder.root)
    assert (result.code, result.out) == (1, b"")
    assert result.complaint.startswith(f"prunella: cannot write {tmp_path / name}: ")
    assert result.complaint.count("\n") == 1
    assert set(os.listdir(tmp_path)) == before
    assert [each for each in os.listdir(tmp_path.parent) if each.startswith(f"{tmp_path.name}.")] == []
