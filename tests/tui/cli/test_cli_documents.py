"""``--json``: the fields of the design, for every command, as one document and nothing else."""

import os
from pathlib import Path
from typing import Any

import pytest

from commandline import call, digest_of, make_store, run
from stores import facts

MODEL = {
    "name": str,
    "id": str,
    "digest": str,
    "size": int,
    "allocated": int,
    "reclaims": int,
    "shared": int,
    "shared_with": list,
    "modified_at": str,
    "last_used": None,
    "family": (str, None),
    "parameters": (str, None),
    "quantization": (str, None),
    "location": str,
    "problems": list,
    "blobs": list,
}
BLOB = {
    "digest": (str, None),
    "state": str,
    "kind": (str, None),
    "size": int,
    "allocated": int,
    "files": list,
    "models": list,
    "age_seconds": (int, None),
    "age_from": (str, None),
    "links": (int, None),
    "target": (str, None),
    "identity": (str, None),
    "likely": (str, None),
}
TOTALS = dict.fromkeys(("models", "size", "allocated", "unreferenced", "partial", "leftover", "trashed"), int)
PROBLEM = {"path": str, "kind": str, "message": str, "blocks_prune": bool}
PLAN = {"mode": str, "models": list, "files": list, "kept": list, "held_back": list, "blocked": list, "reclaims": int}
RECEIPT = {**PLAN, "done": bool, "freed": int, "trashed": int, "id": (str, None), "errors": list}
FILE = {"path": str, "allocated": int, "reclaims": int, "digest": (str, None), "reason": str}
STORE = {"path": str, "why": str, "owner": str, "writable": bool, "other_stores": list}


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The small store, with one damaged manifest that blocks and one dropping that does not."""
    return make_store(tmp_path / "models").root


def has(found: dict[str, Any], fields: dict[str, Any]) -> None:
    """Check that ``found`` has at least these fields, each of one of its types."""
    for name, wanted in fields.items():
        kinds = wanted if isinstance(wanted, tuple) else (wanted,)
        value = found[name]
        assert type(value) in kinds or (value is None and None in kinds), (name, value)


def test_ls(store: str) -> None:
    document = call("ls", "--json", store=store).document
    assert document["store"] == store
    assert [model["name"] for model in document["models"]] == ["derived:latest", "base:latest", "team/solo:v1"]
    for model in document["models"]:
        has(model, MODEL)
    has(document["totals"], TOTALS)
    assert document["problems"] == []


def test_ls_tells_problems(store: str) -> None:
    Path(store, "manifests/registry.ollama.ai/library/base/broken").write_text("{")
    (problem,) = call("ls", "--json", store=store).document["problems"]
    has(problem, PROBLEM)
    assert (problem["kind"], problem["blocks_prune"]) == ("bad-manifest", True)


def test_blobs(store: str) -> None:
    document = call("blobs", "--json", store=store).document
    for row in document["blobs"]:
        has(row, BLOB)
    states = {row["state"] for row in document["blobs"]}
    assert states == {"referenced", "unreferenced", "partial", "leftover", "stray"}
    (readme,) = (row for row in document["blobs"] if row["files"] == ["blobs/README.txt"])
    assert (readme["digest"], readme["age_from"], readme["links"]) == (None, "written", 1)


def test_a_missing_blob_has_no_age_and_no_files(store: str) -> None:
    os.unlink(
        max(Path(store, "blobs").iterdir(), key=lambda path: path.stat().st_size if "partial" not in path.name else 0)
    )
    (row,) = call("blobs", "--state", "missing", "--json", store=store).document["blobs"]
    has(row, BLOB)
    assert (row["files"], row["age_seconds"], row["links"]) == ([], None, None)


def test_show(store: str) -> None:
    document = call("show", "DERIVED", "--json", store=store).document
    has(document, {**MODEL, "layers": list})
    assert document["name"] == "derived:latest"
    shared = {layer["kind"]: layer["shared_with"] for layer in document["layers"]}
    assert shared == {"config": [], "weights": ["base:latest"], "template": ["base:latest"], "system": []}


def test_why(store: str) -> None:
    document = call("why", digest_of(store, "unreferenced")[:10], "--json", store=store).document
    has(document, {**BLOB, "blocked": list})
    assert (document["state"], document["models"], document["age_from"]) == ("unreferenced", [], "written")


def test_df_adds_up(store: str) -> None:
    document = call("df", "--json", store=store).document
    shares = ("exclusive", "shared", "unreferenced", "partial", "leftover", "stray", "trashed")
    has(document, dict.fromkeys(("listed", "allocated", "difference", "disk_free", "disk_total", *shares), int))
    assert document["allocated"] == sum(document[share] for share in shares)
    assert document["difference"] == document["allocated"] - document["listed"]


def test_doctor(store: str) -> None:
    Path(store, "manifests/registry.ollama.ai/library/base/.DS_Store").write_text("x")
    document = call("doctor", "--json", store=store).document
    has(document["store"], STORE)
    assert document["store"] == {**document["store"], "path": store, "why": "--store"}
    (problem,) = document["problems"]
    has(problem, {**PROBLEM, "meaning": str, "fix": str})
    assert document["server"] == {**document["server"], "reachable": False, "loaded": [], "serves_this_store": None}


@pytest.mark.parametrize("arguments", [("rm", "--now", "derived", "base"), ("prune", "--age", "0")])
def test_a_dry_run_is_the_plan_and_the_run_is_its_receipt(store: str, arguments: tuple[str, ...]) -> None:
    plan = call(*arguments, "--dry-run", "--json", store=store).document
    has(plan, PLAN)
    assert "done" not in plan
    for file in plan["files"]:
        has(file, FILE)
    receipt = call(*arguments, "--yes", "--json", store=store).document
    has(receipt, RECEIPT)
    assert {name: receipt[name] for name in PLAN} == {name: plan[name] for name in PLAN}
    assert (receipt["done"], receipt["freed"], receipt["errors"]) == (True, plan["reclaims"], [])


def test_what_stays_is_told_with_its_users(store: str) -> None:
    plan = call("rm", "derived", "-n", "--json", store=store).document
    assert {tuple(kept["used_by"]) for kept in plan["kept"]} == {("base:latest",)}
    assert plan["mode"] == "trash"
    assert plan["models"] == ["derived:latest"]


def test_what_rm_moves_to_the_trash_is_measured_listed_and_restored(store: str) -> None:
    before = facts(store)
    receipt = call("rm", "derived", "base", "-y", "--json", store=store).document
    has(receipt, RECEIPT)
    assert (receipt["done"], receipt["freed"], receipt["trashed"]) == (True, 0, receipt["reclaims"])
    (entry,) = call("trash", "--json", store=store).document["entries"]
    has(entry, {"id": str, "removed_at": str, "expires_at": str, "models": list, "reclaims": int})
    assert (entry["id"], entry["models"]) == (receipt["id"], ["base:latest", "derived:latest"])
    plan = call("restore", "base", "-n", "--json", store=store).document
    assert (plan["mode"], plan["models"]) == ("restore", ["base:latest"])
    assert call("restore", entry["id"], "--json", store=store).document["done"]
    assert facts(store) == before


def test_empty_frees_what_the_trash_says_it_holds(store: str) -> None:
    call("rm", "derived", "-y", store=store)
    (entry,) = call("trash", "--json", store=store).document["entries"]
    receipt = call("empty", entry["id"], "-y", "--json", store=store).document
    assert (receipt["done"], receipt["freed"]) == (True, entry["reclaims"])
    assert call("trash", "--json", store=store).document["entries"] == []


def test_pins_are_listed_with_what_they_hold(store: str) -> None:
    assert call("pin", "DER*", "--json", store=store).document["models"] == ["derived:latest"]
    plan = call("prune", "--all", "--age", "0", "-n", "--json", store=store).document
    assert "derived:latest" not in plan["models"]
    assert "derived:latest is pinned" in {held["reason"] for held in plan["held_back"]}
    assert call("pin", "--remove", "DER*", "--json", store=store).document["pins"] == []


def test_nothing_to_prune_is_a_receipt_too(store: str) -> None:
    receipt = call("prune", "--age", "60d", "--json", store=store).document
    has(receipt, RECEIPT)
    assert (receipt["done"], receipt["freed"], receipt["files"], receipt["id"]) == (True, 0, [], None)


@pytest.mark.parametrize(
    "arguments",
    [("ls",), ("blobs",), ("show", "base"), ("df",), ("doctor",), ("rm", "base", "-n"), ("prune", "--yes")],
)
def test_stderr_stays_empty(store: str, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, "--json", store=store)
    assert (result.code, result.err) == (0, b"")
    assert result.document
    assert result.out.endswith(b"}\n")


@pytest.mark.parametrize(
    "arguments",
    [("show", "nothing"), ("why", "ffff"), ("rm", "nothing"), ("prune", "--age", "x"), ("prune", "--age", "0")],
)
def test_an_error_leaves_stdout_empty(store: str, arguments: tuple[str, ...]) -> None:
    result = call(*arguments, "--json", store=store)
    assert result.code != 0
    assert result.out == b""
    assert result.complaint.startswith("prunella: ")
    assert result.complaint.count("\n") == 1
