"""``df --since`` and ``diff``: what became more or less, and which models came, went or changed."""

import os
import re
from pathlib import Path

import pytest

from commandline import DAY, call, make_store
from prunella_core.sample import StoreBuilder


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """The small store, read ten days ago: since then a model came, one went, two are others, one no larger."""
    builder = make_store(tmp_path / "models")
    exported = call("export", store=builder.root, now=builder.now - 10 * DAY)
    (tmp_path / "old.json").write_bytes(exported.out)
    builder.model("new", builder.layer("weights", "brand new" * 5_000))
    builder.model("base", builder.layer("weights", "other weights" * 1_000))
    weights = builder.layer("weights", "shared weights" * 3_000, age=30 * DAY)
    template, system = builder.layer("template", "{{ .Prompt }}!"), builder.layer("system", "You are another.")
    builder.model("derived", weights, template, system, config=builder.config(model_type="3B"))
    os.unlink(f"{builder.root}/manifests/registry.ollama.ai/team/solo/v1")
    return builder


def old(builder: StoreBuilder) -> str:
    return str(Path(builder.root).parent / "old.json")


def test_df_since(builder: StoreBuilder) -> None:
    before = call("--import", old(builder), "df", "--json").document
    document = call("df", "--since", "3d", "--json", store=builder.root).document
    grown = document["growth"]["change"]
    fields = ("models", "listed", "allocated", "exclusive", "shared", "unreferenced", "partial", "trashed")
    assert {field: document[field] - before[field] for field in fields} == {field: grown[field] for field in fields}
    assert grown["unreferenced"] > 25_000
    assert [entry["allocated"] for entry in document["growth"]["history"]] == [before["allocated"]]
    assert document["growth"]["since"] == document["growth"]["history"][0]["at"]
    assert call("df", "--json", store=builder.root).document["growth"] is None


def test_df_since_for_people(builder: StoreBuilder) -> None:
    text = call("df", "--since", "30d", store=builder.root).text
    assert ", 10 days ago\n" in text
    assert re.search(r"^  On disk: [▁-▇]█$", text, re.MULTILINE)
    assert re.search(r"^  unreferenced +\+\d", text, re.MULTILINE)
    assert "stray" not in text.partition("Since")[2], "it is as it was"


def test_nothing_is_known_from_before(tmp_path: Path) -> None:
    store = make_store(tmp_path / "models").root
    result = call("df", "--since", "30d", "--json", store=store)
    assert (result.code, result.document["growth"]) == (0, None)
    assert result.complaint.startswith("Nothing was noted before")


@pytest.mark.parametrize("by_import", [True, False])
def test_diff_of_an_export_and_now(builder: StoreBuilder, tmp_path: Path, by_import: bool) -> None:
    (tmp_path / "new.json").write_bytes(call("export", store=builder.root).out)
    document = (
        call("diff", old(builder), str(tmp_path / "new.json"), "--json").document
        if by_import
        else call("diff", old(builder), "--json", store=builder.root).document
    )
    sizes = {row["name"]: row["allocated"] for row in call("ls", "--json", store=builder.root).document["models"]}
    assert document["came"] == [{"name": "new:latest", "before": 0, "after": sizes["new:latest"]}]
    assert [row["name"] for row in document["went"]] == ["team/solo:v1"]
    assert [(row["name"], row["after"]) for row in document["changed"]] == [
        (name, sizes[name]) for name in ("base:latest", "derived:latest")
    ]
    assert document["changed"][1]["before"] == document["changed"][1]["after"]
    assert document["change"]["models"] == 0
    assert (document["new"]["host"] is None) == (not by_import)
    assert document["old"]["scanned_at"] < document["new"]["scanned_at"]
    same = call("diff", old(builder), old(builder), "--json").document
    assert (same["came"], same["went"], same["changed"], set(same["change"].values())) == ([], [], [], {0})


def test_diff_for_people(builder: StoreBuilder) -> None:
    text = call("diff", old(builder), store=builder.root).text
    assert "\nModels\n" in text
    for row in (r"\+  new:latest +\+\d", r"~  base:latest +−\d", r"~  derived:latest +±0", r"−  team/solo:v1 +−\d"):
        assert re.search(f"^  {row}", text, re.MULTILINE)
    same = call("diff", old(builder), old(builder)).text
    assert same.endswith("\n  Nothing became more or less\n")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("diff", "/nowhere/x"), 1, "/nowhere/x: No such file"),
        (("diff", os.devnull), 2, "it is empty"),
        (("diff", "-"), 2, "it is empty"),
        (("df", "--since", "x"), 2, "invalid age"),
    ],
)
def test_what_is_no_export_is_one_line(builder: StoreBuilder, arguments: tuple[str, ...], code: int, said: str) -> None:
    result = call(*arguments, store=builder.root)
    assert (result.code, result.out, result.complaint.count("\n")) == (code, b"", 1)
    assert said in result.complaint


def test_an_export_has_no_history(builder: StoreBuilder) -> None:
    result = call("--import", old(builder), "df", "--since", "30d")
    assert (result.code, result.out) == (3, b"")
    assert "prunella diff" in result.complaint
