"""What people type without reading: near misses, short forms, numbers without a unit, two runs at once."""

import os
import signal
from unittest.mock import patch

import pytest

from commandline import DAY, Terminal, call, heeding_ctrl_c, snapshot_guard
from prunella_core.sample import StoreBuilder
from prunella_core.store.access import lock
from stores import open_store


def names(*arguments: str, store: str) -> list[str]:
    return call("ls", "-q", *arguments, store=store).text.splitlines()


def test_ls_begins_with_the_largest_and_prints_names_alone(builder: StoreBuilder) -> None:
    assert names(store=builder.root) == ["derived:latest", "base:latest", "team/solo:v1"]
    assert names("--sort", "name", store=builder.root) == ["base:latest", "derived:latest", "team/solo:v1"]
    assert names("solo", store=builder.root) == ["team/solo:v1"]


def test_every_column_sorts(builder: StoreBuilder) -> None:
    keys = {"size": "size", "disk": "allocated", "frees": "reclaims", "shared": "shared", "age": "age_seconds"}
    for sort, key in keys.items():
        rows = [row[key] for row in call("ls", "--sort", sort, "--json", store=builder.root).document["models"]]
        assert rows == sorted(rows, reverse=True), sort
    ids = [row["id"] for row in call("ls", "--sort", "id", "--json", store=builder.root).document["models"]]
    assert ids == sorted(ids)


def test_blobs_print_their_digests_alone(builder: StoreBuilder) -> None:
    lines = call("blobs", "-q", "--sort", "digest", store=builder.root).text.splitlines()
    rows = call("blobs", "--sort", "digest", "--json", store=builder.root).document["blobs"]
    assert lines == [row["digest"] or row["files"][0] for row in rows]


def test_df_has_one_line_on_what_can_be_reclaimed(builder: StoreBuilder) -> None:
    builder.layer("weights", "recent" * 1_000, age=2 * DAY)
    prunable = call("df", "--json", store=builder.root).document["prunable"]
    assert prunable == {"now": 45_056, "later": 8_192}
    text = call("df", store=builder.root).text
    assert "Reclaimable: 53.2 kB, 33%: 45.1 kB now (prunella prune), 8.2 kB within 7 days\n" in text
    assert call("prune", "-y", "--json", store=builder.root).document["freed"] == prunable["now"]
    assert call("prune", "-y", "--age", "0", "--json", store=builder.root).document["freed"] == prunable["later"]


@pytest.mark.parametrize(("typed", "meant"), [("lss", "ls"), ("remove", "rm"), ("delete", "rm"), ("prun", "prune")])
def test_an_unknown_command_names_the_nearest(typed: str, meant: str) -> None:
    result = call(typed)
    assert (result.code, f"did you mean {meant}?" in result.complaint) == (2, True)
    assert "did you mean" not in call("xyzzy").complaint


@pytest.mark.parametrize("setting", [("--theme", "nrod"), ("--retention", "soon")])
def test_a_setting_that_this_run_does_not_use_is_checked(builder: StoreBuilder, setting: tuple[str, str]) -> None:
    result = call(*setting, "ls", store=builder.root)
    assert (result.code, f"“{setting[1]}”" in result.complaint) == (2, True)


def test_an_export_does_not_flood_a_terminal(builder: StoreBuilder) -> None:
    terminal = Terminal("export", store=builder.root)
    assert terminal.end() == 2
    assert "redirect it" in terminal.screen


@pytest.mark.parametrize("amount", ["1", "50", "999999"])
def test_a_small_number_without_a_unit_is_refused(builder: StoreBuilder, amount: str) -> None:
    result = call("free", amount, "-n", store=builder.root)
    assert result.code == 2
    assert f"“{amount}” has no unit: use {amount}GB, {amount}MB or {amount}%" in result.complaint
    for goal, units in (("--until-free", "MB or 5%"), ("--max-store", " or 5MB")):
        result = call("free", goal, "5", "-n", store=builder.root)
        assert (result.code, units in result.complaint) == (2, True), result.complaint


def test_a_large_number_is_bytes_and_a_share_is_of_the_disk(builder: StoreBuilder) -> None:
    assert call("free", "1000000", "-n", "--json", store=builder.root).document["target"] == 1_000_000
    share = call("free", "100%", "-n", "--json", store=builder.root).document["target"]
    disk = os.statvfs(builder.root)
    assert 1_000_000 < share < disk.f_blocks * disk.f_frsize


def trashed(builder: StoreBuilder, *models: str) -> str:
    """Move models to the trash; return the ID."""
    return str(call("rm", "-y", "--json", *models, store=builder.root).document["id"])


def test_an_id_may_be_shortened(builder: StoreBuilder) -> None:
    first, second = trashed(builder, "base"), trashed(builder, "team/solo:v1")
    result = call("restore", second.partition("-")[2][:4], "--json", store=builder.root)
    assert result.document["models"] == ["team/solo:v1"]
    assert call("empty", first[:-2], "-y", "--json", store=builder.root).document["done"]
    assert call("empty", "nothing", "-y", store=builder.root).code == 1


def test_an_ambiguous_id_is_refused(builder: StoreBuilder) -> None:
    trashed(builder, "base")
    trashed(builder, "team/solo:v1")
    with snapshot_guard(builder.root):
        result = call("empty", "20", "-y", store=builder.root)
    assert (result.code, "ambiguous" in result.complaint) == (2, True)


def test_a_name_without_its_tag_is_restored_when_it_is_the_only_one(builder: StoreBuilder) -> None:
    trashed(builder, "team/solo:v1")
    assert call("restore", "team/solo", "--json", store=builder.root).document["models"] == ["team/solo:v1"]
    builder.model("team/solo:v2", age=DAY)
    trashed(builder, "team/solo:v1", "team/solo:v2")
    result = call("restore", "team/solo", store=builder.root)
    assert result.code == 1
    assert {"team/solo:v1", "team/solo:v2"} <= set(result.complaint.rstrip("?\n").split())


def test_a_pin_that_matches_nothing_is_said(builder: StoreBuilder) -> None:
    result = call("pin", "bse", store=builder.root)
    assert (result.code, result.complaint) == (0, "“bse” matches no model; did you mean base:latest?\n")
    assert call("pin", "BASE", "team/*", store=builder.root).complaint == ""


def test_restore_asks_nothing_and_offers_no_yes() -> None:
    assert "--yes" not in call("restore", "--help").text
    assert "--yes" in call("rm", "--help").text


def test_the_trash_and_its_emptying_name_the_models(builder: StoreBuilder) -> None:
    with open(os.path.join(builder.root, builder.manifest_path("base")), "a", encoding="utf-8") as manifest:
        manifest.write("\n")  # as ollama create ends it
    identity = trashed(builder, "base", "derived", "team/solo:v1")
    assert "base:latest, derived:latest, team/solo:v1" in call("trash", store=builder.root).text
    text = call("empty", "-n", store=builder.root).text
    assert text.startswith("Not recoverable: ")
    places = [text.index(part) for part in ("! base:latest", "  team/solo:v1", "Delete ")]
    assert places == sorted(places)
    terminal = Terminal("empty", identity, store=builder.root)
    terminal.wait_for("This is the whole trash. Type “everything”")
    terminal.type("y")
    assert terminal.end() == 3
    assert "Restore 3 models" in call("restore", identity, "-n", store=builder.root).text


def test_a_run_waits_a_little_for_another(builder: StoreBuilder) -> None:
    with lock(open_store(builder.root)), snapshot_guard(builder.root):
        assert call("rm", "base", "-y", "--wait", "0", store=builder.root).code == 3
    held = lock(open_store(builder.root))
    held.__enter__()
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        held.__exit__(None, None, None)

    with patch("prunella_tui.cli.removing.time.sleep", sleep):
        assert call("rm", "base", "-y", store=builder.root).code == 0
    assert len(waits) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_signal_to_end_cancels_before_the_decision(builder: StoreBuilder, number: signal.Signals) -> None:
    from prunella_core.apply import Disk

    class Interrupted(Disk):
        def move(self, source: str, target: str) -> None:
            if ".prunella" not in source:
                os.kill(os.getpid(), number)
            super().move(source, target)

    with heeding_ctrl_c(), patch("prunella_core.apply.Disk", Interrupted), snapshot_guard(builder.root):
        assert call("rm", "base", "-y", store=builder.root).code == 130
