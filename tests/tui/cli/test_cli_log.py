"""``prunella log``, and ``df`` that fails when too much could be pruned."""

from pathlib import Path

import pytest

from commandline import call, control_bytes, make_store, run
from prunella_core.sample import StoreBuilder


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    return make_store(tmp_path / "models")


def done(builder: StoreBuilder, *arguments: str) -> None:
    result = call(*arguments, store=builder.root)
    assert (result.code, result.complaint) == (0, "")


def test_a_new_store_has_no_history(builder: StoreBuilder) -> None:
    assert "The log is empty" in call("log", store=builder.root).text
    assert call("log", "--json", store=builder.root).document == {
        "store": builder.root,
        "entries": [],
        "pull": [],
        "lost": [],
    }
    assert call("log", "--pull-list", store=builder.root)[:2] == (0, b"")


def test_what_went_when_and_what_became_of_it(builder: StoreBuilder) -> None:
    done(builder, "rm", "derived", "team/solo:v1", "-y")
    done(builder, "restore", "derived")
    done(builder, "rm", "--now", "base", "-y")
    done(builder, "empty", "-y")
    document = call("log", "--json", store=builder.root).document
    assert [(entry["action"], entry["mode"]) for entry in document["entries"]] == [
        ("rm", "trash"),
        ("restore", "restore"),
        ("rm", "delete"),
        ("empty", "delete"),
    ]
    first = document["entries"][0]
    states = {model["name"]: model["state"] for model in first["models"]}
    assert states == {"derived:latest": "restored", "team/solo:v1": "gone"}
    assert (first["files"], first["state"], type(first["size"])) == (6, None, int)
    assert first["at"].endswith("Z")
    text = call("log", store=builder.root).text
    assert [line.split("UTC")[1].split()[0] for line in text.splitlines()[1:5]] == [
        *("emptied", "deleted", "restored", "to"),
    ]
    assert "1 restored, 1 gone" in text
    assert "prunella log --pull-list" in text
    pulls = call("log", "--pull-list", store=builder.root)
    assert pulls.text.splitlines() == [f"ollama pull {name}" for name in document["pull"]]
    assert set(document["pull"]) == {"team/solo:v1", "base:latest"}


def test_what_the_trash_holds_needs_no_pull(builder: StoreBuilder) -> None:
    done(builder, "rm", "team/solo:v1", "-y")
    result = call("log", "--pull-list", store=builder.root)
    assert result.text == ""
    assert result.complaint == "Still in the trash (prunella restore): team/solo:v1\n"


def test_what_no_pull_brings_back_is_told_apart(builder: StoreBuilder) -> None:
    path = Path(builder.root, builder.manifest_path("team/solo:v1"))
    path.rename(path := Path(builder.root, "manifests/registry.ollama.ai/library/base/mine"))
    path.write_bytes(path.read_bytes() + b"\n")
    done(builder, "rm", "--now", "base:mine", "-y")
    result = call("log", "--pull-list", store=builder.root)
    assert (result.text, result.complaint) == ("", "Not recoverable: base:mine\n")
    assert call("log", "--json", store=builder.root).document["lost"] == ["base:mine"]


def test_a_log_that_cannot_be_written_is_told_beside_the_receipt(builder: StoreBuilder) -> None:
    call("ls", store=builder.root)
    own = Path(builder.root, ".prunella")
    (own / "ledger.sqlite").unlink()
    (own / "ledger.sqlite").mkdir()
    result = call("rm", "--now", "base", "-y", "--json", store=builder.root)
    assert result.code == 0
    assert result.document["done"]
    assert result.document["notes"] == ["prunella log will not show this: its ledger could not be written"]
    assert result.complaint == ""
    assert result.document["notes"][0] in call("rm", "--now", "derived", "-y", store=builder.root).text


def test_an_entry_of_any_name_is_shown_harmlessly(builder: StoreBuilder) -> None:
    folder = b"\x1b[2J\xff"
    Path(builder.root, ".prunella/trash").mkdir(parents=True)
    entry = Path(builder.root, ".prunella/trash", folder.decode(errors="surrogateescape"))
    entry.mkdir()
    (entry / "record.json").write_text("{}")
    for arguments in (("log",), ("log", "--json"), ("log", "--pull-list")):
        result = run(*arguments, store=builder.root)
        assert result.code == 0
        assert control_bytes(result.out) == set()


# df


def test_df_fails_when_so_much_could_be_pruned(builder: StoreBuilder) -> None:
    waste = call("df", "--json", store=builder.root).document["reclaimable"]
    plan = call("prune", "--age", "0", "-n", "--json", store=builder.root).document
    assert waste == plan["reclaims"] > 0
    for amount in (f"{waste}B", "1kB", "0"):
        result = call("df", "--fail-if-reclaimable", amount, store=builder.root)
        assert result.code == 1
        assert "on disk" in result.text
        assert result.complaint.startswith("prunella: a prune would free ")
        assert result.complaint.count("\n") == 1
    for amount in (f"{waste + 1}B", "20GB"):
        result = call("df", "--fail-if-reclaimable", amount, "--json", store=builder.root)
        assert (result.code, result.complaint, result.document["reclaimable"]) == (0, "", waste)


def test_what_is_held_back_or_blocked_does_not_count(builder: StoreBuilder) -> None:
    before = call("df", "--json", store=builder.root).document["reclaimable"]
    builder.manifest("broken", "{")
    blocked = call("df", "--json", store=builder.root).document["reclaimable"]
    builder.partial("young", size=50_000, done=20_000)
    held = call("df", "--json", store=builder.root).document["reclaimable"]
    assert before > blocked == held > 0
    call("rm", "base", "derived", "-y", store=builder.root)
    assert call("df", "--json", store=builder.root).document["reclaimable"] == held, "the trash does not count"


def test_df_has_nothing_to_fail_for_in_a_tidy_store(builder: StoreBuilder) -> None:
    done(builder, "prune", "--age", "0", "-y")
    assert call("df", "--fail-if-reclaimable", "0", store=builder.root).code == 0
    result = call("df", "--fail-if-reclaimable", "much", store=builder.root)
    assert (result.code, result.out) == (2, b"")
    assert "invalid size “much”" in result.complaint
    result = call("df", "--fail-if-reclaimable", "20", store=builder.root)
    assert (result.code, result.complaint) == (2, "prunella: “20” has no unit: use 20GB or 20MB\n")


def test_what_free_proposed_is_logged_as_free(builder: StoreBuilder) -> None:
    done(builder, "free", "1kB", "-y")
    assert [entry["action"] for entry in call("log", "--json", store=builder.root).document["entries"]] == ["free"]
