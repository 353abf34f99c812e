"""Copies by the command line: what is chosen, what is said before and after, and the exit codes."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from commandline import DAY, call, model_names, run
from prunella_core.sample import StoreBuilder
from prunella_core.scan.system import Capacity
from stores import tree


def test_all_models_and_how_to_use_them(builder: StoreBuilder, target: str) -> None:
    result = call("copy", "--all", target, store=builder.root)
    assert result.code == 0
    assert f"3 models are in {target}: " in result.text
    assert f"Use it: OLLAMA_MODELS={target} ollama serve" in result.text
    here, there = (call("ls", "--json", store=store).document["models"] for store in (builder.root, target))
    fields = ("name", "id", "digest", "size", "allocated", "reclaims", "modified_at", "shared_with", "blobs")
    assert [[row[field] for field in fields] for row in there] == [[row[field] for field in fields] for row in here]


def test_a_dry_run_says_what_is_written_skipped_and_shared(builder: StoreBuilder, target: str) -> None:
    plan = call("copy", "base", "derived", target, "--dry-run", "--json", store=builder.root)
    assert plan.code == 0
    assert not os.path.exists(target)
    document = plan.document
    assert [row["name"] for row in document["models"]] == ["base:latest", "derived:latest"]
    assert document["written"] == sum(row["size"] for row in document["blobs"] if row["action"] == "copy")
    assert (document["skipped"], document["shared"] > 42_000) == (0, True)
    assert call("copy", "base", target, store=builder.root).code == 0
    text = call("copy", "base", "derived", target, "-n", store=builder.root).text
    assert f"Copy 2 models to {target}: " in text
    assert "Already there: 42" in text
    assert "Shared by these models, copied once: 42" in text


def test_the_receipt_as_a_document(builder: StoreBuilder, target: str) -> None:
    first, second = (call("copy", "base", target, "--json", store=builder.root).document for _time in range(2))
    assert first["done"]
    assert second["done"]
    assert first["copied"] == second["copied"] == ["base:latest"]
    assert (first["written"], first["skipped"]) == (second["skipped"], second["written"])
    assert second["written"] == 0


def test_globs_and_names_each_once(builder: StoreBuilder, target: str) -> None:
    assert call("copy", "base", "*e*", target, store=builder.root).code == 0
    assert model_names(target) == ["base:latest", "derived:latest", "team/solo:v1"]


@pytest.mark.parametrize(("age", "names"), [("7d", ["base:latest", "derived:latest", "team/solo:v1"]), ("60d", [])])
def test_only_what_was_not_used_for_long(builder: StoreBuilder, target: str, age: str, names: list[str]) -> None:
    builder.model("fresh", builder.layer("weights", "fresh", age=DAY), age=DAY)
    result = call("copy", "--unused", age, target, store=builder.root)
    assert result.code == 0
    assert (model_names(target) if names else []) == names
    assert names or "Nothing to copy" in result.text


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (("DIR",), 2, "name the models, or use --all or --unused AGE"),
        (("--all", "base", "DIR"), 2, "name the models"),
        (("basis", "DIR"), 1, "did you mean base"),
        (("nothing*", "DIR"), 1, "“nothing*” matches no model"),
        (("--unused", "soon", "DIR"), 2, "invalid age"),
        (("--all", "--as", "new", "DIR"), 2, "--as takes one model"),
        (("base", "--as", "a b", "DIR"), 2, "invalid model name"),
        (("base", "."), 3, "are one store"),
    ],
)
def test_what_cannot_be_meant(
    builder: StoreBuilder, target: str, arguments: tuple[str, ...], code: int, complaint: str
) -> None:
    words = [{"DIR": target, ".": builder.root}.get(word, word) for word in arguments]
    before = tree(builder.root)
    result = call("copy", *words, store=builder.root)
    assert (result.code, result.out) == (code, b"")
    assert complaint in result.complaint
    assert not os.path.exists(target)
    assert tree(builder.root) == before


def test_a_name_that_is_taken_there(builder: StoreBuilder, target: str) -> None:
    other = StoreBuilder(target, builder.now)
    other.model("base", other.layer("weights", "another version", age=DAY), age=DAY)
    alone = call("copy", "base", target, store=builder.root)
    assert (alone.code, alone.out) == (3, b"")
    assert "nothing was copied: base:latest: another version of base:latest is there" in alone.complaint
    several = call("copy", "base", "derived", target, store=builder.root)
    assert several.code == 4
    assert "Not copied" in several.text
    assert call("copy", "base", target, "--as", "base:ours", store=builder.root).code == 0
    assert model_names(target) == ["base:latest", "base:ours", "derived:latest"]


def test_a_damaged_blob_is_partly_done_and_alone_failed(builder: StoreBuilder, target: str) -> None:
    blobs = call("show", "team/solo:v1", "--json", store=builder.root).document["blobs"]
    largest = max((Path(builder.blob_path(digest)) for digest in blobs), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1] + b"?")
    result = call("copy", "--all", target, store=builder.root)
    assert result.code == 4
    assert "is damaged: its bytes do not match its name" in result.text
    assert call("copy", "team/solo:v1", target, store=builder.root).code == 1
    assert model_names(target) == ["base:latest", "derived:latest"]


def test_a_process_of_its_own_says_nothing_on_stderr(builder: StoreBuilder, target: str) -> None:
    result = run("copy", "--all", target, "--json", store=builder.root)
    assert (result.code, result.err) == (0, b"")
    assert result.document["done"]


def test_an_interrupted_removal_there_is_undone_first(builder: StoreBuilder, target: str) -> None:
    assert call("copy", "--all", target, store=builder.root).code == 0
    staged = Path(target, ".prunella/staging/20260101T000000-000000")
    staged.mkdir(parents=True)
    result = call("copy", "base", target, store=builder.root)
    assert result.code == 0
    assert "has been finished or undone first" in result.complaint
    assert not staged.exists()


@pytest.mark.parametrize("command", [("copy",), ("move", "-y")])
def test_too_little_room_is_refused_before_anything_is_made(
    builder: StoreBuilder, target: str, command: tuple[str, ...]
) -> None:
    with patch("prunella_core.copy.plan.capacity_of", lambda _path: Capacity(1_000_000, 50_000)):
        result = call(*command, "--all", target, store=builder.root)
        plan = call(*command, "--all", target, "--dry-run", store=builder.root)
    assert (result.code, plan.code) == (3, 3)
    assert f"{target} has 50.0 kB free, and the copy needs" in result.complaint
    assert not os.path.exists(target)


@pytest.mark.parametrize("command", [("copy",), ("move", "-y")])
def test_cancelled_it_says_how_to_go_on(builder: StoreBuilder, target: str, command: tuple[str, ...]) -> None:
    @contextmanager
    def at_once() -> Iterator[Callable[[], bool]]:
        yield lambda: True

    with patch("prunella_tui.cli.removing.cancelling", at_once):
        result = call(*command, "--all", target, store=builder.root)
    assert result.code == 130
    assert "copying again resumes here" in result.text
    assert len(model_names(builder.root)) == 3
    assert call("copy", "--all", target, store=builder.root).code == 0
