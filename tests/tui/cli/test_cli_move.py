"""Moves by the command line: what arrived whole is deleted here, and nothing else."""

import os
import shutil
from pathlib import Path
from unittest.mock import patch

import pytest

from commandline import DAY, Terminal, call, model_names
from prunella_core.copy.run import copy_models
from prunella_core.sample import StoreBuilder
from stores import broken_models, of_ollama, tree


def _weights(store: str, model: str) -> Path:
    blobs = call("show", model, "--json", store=store).document["blobs"]
    paths = [Path(store, "blobs", digest.replace(":", "-")) for digest in blobs]
    return max(paths, key=lambda path: path.stat().st_size)


@pytest.mark.parametrize("names", [["team/solo:v1"], ["base", "derived"], ["--all"]])
@pytest.mark.parametrize("now", [(), ("--now",)])
def test_there_and_back_the_store_is_as_before(
    builder: StoreBuilder, target: str, names: list[str], now: tuple[str, ...]
) -> None:
    before, models = of_ollama(builder.root), model_names(builder.root)
    there = call("move", *names, target, "-y", *now, store=builder.root)
    assert there.code == 0
    assert sorted([*model_names(builder.root), *model_names(target)]) == models
    assert broken_models(target) == {}
    back = call("move", *names, builder.root, "-y", *now, store=target)
    assert back.code == 0
    assert model_names(builder.root) == models
    assert of_ollama(builder.root) == before
    assert model_names(target) == []


def test_what_other_models_use_stays(builder: StoreBuilder, target: str) -> None:
    result = call("move", "derived", target, "-y", "--now", "--json", store=builder.root)
    assert result.code == 0
    document = result.document
    assert document["done"]
    assert document["copied"] == ["derived:latest"]
    assert document["freed"] == sum(file["reclaims"] for file in document["files"]) < 42_000 < document["written"]
    assert model_names(builder.root) == ["base:latest", "team/solo:v1"]
    assert broken_models(builder.root) == {}
    assert model_names(target) == ["derived:latest"]


def test_to_the_trash_it_can_be_restored(builder: StoreBuilder, target: str) -> None:
    before = of_ollama(builder.root)
    result = call("move", "base", target, "-y", store=builder.root)
    assert "Moved to trash" in result.text
    assert "Not recoverable" not in result.text
    assert call("restore", "base", store=builder.root).code == 0
    assert of_ollama(builder.root) == before


def test_what_was_there_already_is_verified_and_replaced_where_it_is_damaged(
    builder: StoreBuilder, target: str
) -> None:
    assert call("copy", "--all", target, store=builder.root).code == 0
    damaged = _weights(target, "team/solo:v1")
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    document = call("move", "team/solo:v1", target, "-y", "--json", store=builder.root).document
    assert document["done"]
    assert document["written"] == damaged.stat().st_size
    assert document["verified"] > 0
    assert broken_models(target) == {}


def test_a_model_that_does_not_arrive_stays(builder: StoreBuilder, target: str) -> None:
    damaged = _weights(builder.root, "team/solo:v1")
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    result = call("move", "--all", target, "-y", store=builder.root)
    assert result.code == 4
    assert "is damaged" in result.text
    assert model_names(builder.root) == ["team/solo:v1"]
    assert model_names(target) == ["base:latest", "derived:latest"]
    alone = call("move", "team/solo:v1", target, "-y", store=builder.root)
    assert alone.code == 1
    assert model_names(builder.root) == ["team/solo:v1"]


def test_another_manifest_there_is_never_taken_for_ours(builder: StoreBuilder, target: str) -> None:
    other = StoreBuilder(target, builder.now)
    other.model("base", other.layer("weights", "another version", age=DAY), age=DAY)
    before = tree(builder.root)
    result = call("move", "base", target, "-y", store=builder.root)
    assert (result.code, result.out) == (3, b"")
    assert tree(builder.root) == before
    assert call("move", "base", target, "--as", "ours", "-y", store=builder.root).code == 0
    assert model_names(target) == ["base:latest", "ours:latest"]


def test_without_an_answer_nothing_is_written(builder: StoreBuilder, target: str) -> None:
    before = tree(builder.root)
    plan = call("move", "base", target, "--dry-run", "--json", store=builder.root)
    assert plan.code == 0
    assert plan.document["mode"] == "trash"
    assert plan.document["written"] > 42_000
    refused = call("move", "base", target, store=builder.root)
    assert (refused.code, refused.out) == (3, b"")
    assert "use --yes or --dry-run" in refused.complaint
    terminal = Terminal("move", "base", target, store=builder.root)
    terminal.wait_for(f"Copy 1 model to {target}, then move it to the trash here? [y/N]")
    terminal.type("n")
    assert terminal.end() == 3
    assert "Nothing was copied or deleted" in terminal.screen
    assert not os.path.exists(target)
    assert tree(builder.root) == before


def test_pinned_models_stay_unless_they_are_named(builder: StoreBuilder, target: str) -> None:
    assert call("pin", "base", store=builder.root).code == 0
    result = call("move", "--all", target, "-y", store=builder.root)
    assert result.code == 4
    assert "base:latest is pinned" in result.text
    assert model_names(builder.root) == ["base:latest"]
    assert call("move", "base", target, "-y", store=builder.root).code == 0
    assert model_names(builder.root) == []


def test_a_store_that_changed_meanwhile_keeps_its_models(builder: StoreBuilder, target: str) -> None:
    manifest = Path(builder.root, "manifests/registry.ollama.ai/library/base/latest")

    def pulled(*given: object, **options: object) -> object:
        receipt = copy_models(*given, **options)  # type: ignore[arg-type]
        shutil.copy(manifest.parent.parent / "derived" / "latest", manifest)
        return receipt

    with patch("prunella_tui.cli.copying.copy_models", pulled):
        result = call("move", "base", target, "-y", store=builder.root)
    assert result.code == 4
    assert "Nothing was deleted here: the store changed since this was planned" in result.text
    assert model_names(builder.root) == ["base:latest", "derived:latest", "team/solo:v1"]
    assert broken_models(builder.root) == {}


def test_with_nothing_to_move_nothing_is_asked(builder: StoreBuilder, target: str) -> None:
    result = call("move", "--unused", "60d", target, store=builder.root)
    assert result.code == 0
    assert "Nothing to copy" in result.text
    assert not os.path.exists(target)


@pytest.mark.parametrize("now", [(), ("--now",)])
def test_the_log_says_where_models_were_moved_to(builder: StoreBuilder, target: str, now: tuple[str, ...]) -> None:
    assert call("move", "team/solo:v1", target, "-y", *now, store=builder.root).code == 0
    document = call("log", "--json", store=builder.root).document
    (entry,) = document["entries"]
    assert (entry["action"], entry["mode"], entry["target"]) == ("move", "delete" if now else "trash", target)
    assert document["pull"] == document["lost"] == []
    assert f"team/solo:v1 → {target}" in " ".join(call("log", store=builder.root).text.split())
