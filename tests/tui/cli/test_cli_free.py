"""``prunella free``: a proposal that says why, hits its target or changes nothing, and goes as planned."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from commandline import DAY, Result, Terminal, call, make_store, run, snapshot_guard
from prunella_core.ollama.server import Loaded
from prunella_core.sample import StoreBuilder
from stores import disk_use, tree

WEIGHTS = 42_000
"""More than ``base`` frees without ``derived``, whose weights these are, and less than both together."""


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """The small store: about 20 kB that nothing needs, two models that share 42 kB, and one of 24 kB."""
    return make_store(tmp_path / "models")


def dry(builder: StoreBuilder, *arguments: str) -> Any:
    return call("free", *arguments, "-n", "--json", store=builder.root).document


def all_rubbish(builder: StoreBuilder) -> int:
    return int(call("prune", "--age", "0", "-n", "--json", store=builder.root).document["reclaims"])


def test_the_document_is_the_plan_with_a_target_and_reasons(builder: StoreBuilder) -> None:
    with snapshot_guard(builder.root):
        document = dry(builder, "100kB")
    assert document["mode"] == "delete"
    assert document["target"] == 100_000 <= document["reclaims"] <= document["reachable"]
    assert [row["name"] for row in document["model_reasons"]] == document["models"]
    assert {"base:latest", "derived:latest"} <= set(document["models"])
    assert all(row["reason"] for row in (*document["model_reasons"], *document["items"], *document["files"]))
    assert sum(item["reclaims"] for item in document["items"]) == document["reclaims"]
    assert document["regret"] > 0


def test_what_is_proposed_goes_and_frees_as_much(builder: StoreBuilder) -> None:
    before = disk_use(builder.root)
    planned = dry(builder, "100kB")
    receipt = run("free", "100kB", "--yes", "--json", store=builder.root).document
    assert receipt["done"]
    assert receipt["target"] == 100_000 <= receipt["freed"] == receipt["reclaims"] == planned["reclaims"]
    assert sorted(receipt["removed"]) == sorted(file["path"] for file in planned["files"])
    assert before - disk_use(builder.root) == receipt["freed"]


def test_rubbish_is_enough_where_it_is(builder: StoreBuilder) -> None:
    document = dry(builder, f"{all_rubbish(builder)}B")
    assert document["models"] == []
    assert {item["kind"] for item in document["items"]} == {"leftover", "partial", "unreferenced"}
    assert len(dry(builder, f"{all_rubbish(builder) + 1}B")["models"]) == 1


def test_the_trash_is_emptied_along(builder: StoreBuilder) -> None:
    call("rm", "team/solo:v1", "--yes", store=builder.root)
    entry = call("trash", "--json", store=builder.root).document["entries"][0]
    wanted = f"{all_rubbish(builder) + entry['reclaims']}B"
    document = dry(builder, wanted)
    assert [item["key"] for item in document["items"] if item["kind"] == "trash"] == [entry["id"]]
    assert call("free", wanted, "--yes", store=builder.root).code == 0
    assert call("trash", "--json", store=builder.root).document["entries"] == []


def test_what_cannot_be_freed_changes_nothing_and_names_the_most(builder: StoreBuilder) -> None:
    with snapshot_guard(builder.root):
        result = call("free", "50GB", "--yes", store=builder.root)
        looked = call("free", "50GB", "-n", "--json", store=builder.root)
    assert (result.code, result.out) == (3, b"")
    assert "Can't free 50.0 GB: at most" in result.complaint
    assert "Nothing was deleted" in result.complaint
    assert looked.code == 3
    assert looked.document["reclaims"] == looked.document["reachable"] < looked.document["target"]
    assert looked.complaint.count("\n") == 1


@pytest.fixture
def guarded(builder: StoreBuilder) -> StoreBuilder:
    """``base`` is pinned; ``mine`` was created here, as the line end after its manifest shows."""
    call("pin", "base", store=builder.root)
    weights = builder.layer("weights", "mine alone" * 9_000, age=90 * DAY)
    builder.model("mine", weights, age=90 * DAY)
    with open(os.path.join(builder.root, builder.manifest_path("mine")), "a", encoding="utf-8") as manifest:
        manifest.write("\n")
    return builder


@pytest.mark.parametrize(
    ("flags", "left"),
    [
        ([], {"base:latest": ["pinned"], "mine:latest": ["local"]}),
        (["--also-pinned"], {"mine:latest": ["local"]}),
        (["--also-local"], {"base:latest": ["pinned"]}),
        (["--also-local", "--also-pinned"], {}),
    ],
)
def test_what_is_pinned_or_only_here_is_left_out_unless_asked_for(
    guarded: StoreBuilder, flags: list[str], left: dict[str, list[str]]
) -> None:
    document = dry(guarded, "50GB", *flags)
    assert {row["name"]: row["because"] for row in document["not_proposed"]} == left
    assert not left.keys() & set(document["models"])
    names = {"base:latest", "derived:latest", "team/solo:v1", "mine:latest"}
    assert set(document["models"]) | left.keys() == names


def test_people_are_told_what_is_left_out_and_what_would_help(guarded: StoreBuilder) -> None:
    printed = call("free", "50GB", "-n", store=guarded.root)
    assert "Left out: 1 model is pinned (--also-pinned)" in printed.text
    assert "Left out: 1 model can't be fully downloaded again (--also-local)" in printed.text
    assert "--also-pinned --also-local would allow" in printed.complaint
    assert "Not recoverable: 1 model" in call("free", "150kB", "-n", "--also-local", store=guarded.root).text


def test_pinned_models_come_first_in_a_plan_that_deletes_them(guarded: StoreBuilder) -> None:
    for command in ("rm base derived", "rm --now base", "free 50GB --also-pinned"):
        text = call(*command.split(), "-n", store=guarded.root).text
        assert text.startswith("⚑ Pinned: base:latest\n"), command
    assert "Pinned" not in call("rm", "derived", "-n", store=guarded.root).text


class Resident:
    """A server that has ``solo`` in memory."""

    address = "here"

    def __init__(self, digest: str) -> None:
        self.digest = digest
        self.unloaded: list[str] = []

    def version(self) -> str:
        return "0.33.0"

    def weights(self, name: str) -> str:
        return ""

    def loaded(self) -> list[Loaded]:
        return [Loaded("team/solo:v1", self.digest)]

    def unload(self, name: str) -> None:
        self.unloaded.append(name)


@pytest.fixture
def resident(builder: StoreBuilder) -> Iterator[Resident]:
    models = call("ls", "--json", store=builder.root).document["models"]
    server = Resident(next(model["digest"] for model in models if model["name"] == "team/solo:v1"))
    with patch("prunella_tui.cli.removing.connect", return_value=server):
        yield server


def test_what_is_loaded_is_left_out_or_unloaded_when_it_goes(builder: StoreBuilder, resident: Resident) -> None:
    left_out = dry(builder, "50GB")
    assert left_out["not_proposed"] == [{"name": "team/solo:v1", "because": ["loaded"]}]
    everything = f"{dry(builder, '50GB', '--also-loaded')['reachable']}B"
    dry(builder, everything, "--also-loaded")
    assert resident.unloaded == []
    assert call("free", everything, "--also-loaded", "--yes", store=builder.root).code == 0
    assert resident.unloaded == ["team/solo:v1"]


def test_until_so_much_is_free(builder: StoreBuilder) -> None:
    sizes = call("df", "--json", store=builder.root).document
    nothing = dry(builder, "--until-free", "0%")
    assert (nothing["target"], nothing["files"]) == (0, [])
    wanted = dry(builder, "--until-free", "100%")["target"]
    assert abs(wanted - (sizes["disk_total"] - sizes["disk_free"])) < 10**10  # others write to this disk too


def test_down_to_so_much(builder: StoreBuilder) -> None:
    most = call("df", "--json", store=builder.root).document["allocated"] - WEIGHTS
    assert dry(builder, "--max-store", f"{most}B")["target"] == WEIGHTS
    assert call("free", "--max-store", f"{most}B", "--yes", store=builder.root).code == 0
    assert call("df", "--json", store=builder.root).document["allocated"] <= most
    with snapshot_guard(builder.root):
        again = call("free", "--max-store", f"{most}B", "--yes", store=builder.root)
    assert again.code == 0
    assert "Nothing to do" in again.text


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["1GB", "--until-free", "20%"],
        ["--max-store", "1GB", "--until-free", "20%"],
        ["50"],
        ["999999"],
        ["--max-store", "20%"],
        ["1QB"],
        ["--until-free", "200%"],
        ["1GB\x1b[2J"],
    ],
)
def test_what_cannot_be_understood(builder: StoreBuilder, arguments: list[str]) -> None:
    result: Result = call("free", *arguments, "--yes", store=builder.root)
    assert result.code == 2
    assert result.out == b""
    assert result.complaint.strip().isprintable()


def test_it_asks(builder: StoreBuilder) -> None:
    before = tree(builder.root)
    assert call("free", "50kB", store=builder.root).code == 3
    for answer, code in (("n", 3), ("y", 0)):
        assert tree(builder.root) == before
        terminal = Terminal("free", "50kB", store=builder.root, size=(100, 24))
        terminal.wait_for("[y/N] ")
        for shown in (
            "To free 50.0 kB, delete permanently",
            "Sum",
            "Delete 1 model permanently",
            "no model has needed it",
        ):
            assert shown in terminal.screen
        terminal.type(answer)
        assert terminal.end() == code
    assert tree(builder.root) != before


def test_while_a_manifest_cannot_be_read_no_model_is_proposed(builder: StoreBuilder) -> None:
    builder.manifest("half", "")
    document = dry(builder, "50GB")
    assert {item["kind"] for item in document["items"]} == {"leftover", "partial"}
    printed = call("free", "50GB", "-n", store=builder.root).text
    assert "Models and blobs left out because of 1 problem" in printed
