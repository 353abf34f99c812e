"""What people read: it fits a terminal, is whole and plain in a pipe, and says what the documents say."""

import re
from functools import partial
from pathlib import Path

import pytest
from rich.cells import cell_len

from commandline import DAY, Terminal, call, digest_of, make_store, run
from prunella_core.base.errors import InvalidInput, NotFound
from prunella_core.inventory.records import State
from prunella_core.sample import StoreBuilder
from prunella_tui.cli.targets import find_row
from stores import NOW, calls_in, look

LONG = "hf.co/bartowski/a-model-with-a-very-long-name-that-no-terminal-likes-to-show-GGUF:Q4_K_M"
COMMANDS = [("ls",), ("blobs",), ("df",), ("show", LONG), ("doctor",), ("prune", "--age", "0", "--all", "-n")]
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_NAME = re.compile(rf"(?:^|\s)\S*(?:{re.escape(LONG)}|/)\S*$")
_COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3|4|9|10)[0-7]\S*m")


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """The small store, with a model of a long name and a damaged manifest."""
    builder = make_store(tmp_path / "models")
    builder.model(LONG, builder.layer("weights", "long", age=DAY), age=DAY)
    return builder.manifest("broken", "{", age=DAY)


def shown(arguments: tuple[str, ...], store: str, width: int, **environment: str) -> str:
    """What a terminal of that width shows."""
    terminal = Terminal(*arguments, store=store, size=(width, 24), environment=environment)
    assert terminal.end() == 0
    return terminal.screen


@pytest.mark.parametrize("arguments", COMMANDS)
def test_in_a_pipe_it_is_plain_and_whole(builder: StoreBuilder, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, store=builder.root, environment={"COLUMNS": "40"})
    assert (result.code, result.err) == (0, b"")
    assert "\x1b" not in result.text
    assert "…" not in re.sub("“[^”]*”", "", result.text)  # of a text, only its beginning is shown
    assert not any(line.endswith(" ") for line in result.text.splitlines())
    if arguments[0] != "df":
        assert LONG in result.text or arguments[0] == "doctor"


@pytest.mark.parametrize("width", [50, 80, 120])
@pytest.mark.parametrize("arguments", COMMANDS)
def test_it_fits_the_terminal(builder: StoreBuilder, arguments: tuple[str, ...], width: int) -> None:
    text = _ANSI.sub("", shown(arguments, builder.root, width))
    # Names and paths are never broken: the terminal wraps them, so that they can be copied.
    too_wide = [line for line in text.splitlines() if cell_len(line) > width and not _NAME.search(line)]
    assert too_wide == []


def test_no_name_is_lost_on_a_narrow_terminal(builder: StoreBuilder) -> None:
    for arguments in (("ls",), ("show", LONG), ("rm", LONG, "-n")):
        text = _ANSI.sub("", shown(arguments, builder.root, 60))
        assert LONG in "".join(re.findall(r"[\w./:-]+", re.sub(r" [\d.]+ k?B.*", "", text)))


def test_colours_follow_the_terminal_and_no_color(builder: StoreBuilder) -> None:
    assert _COLOUR.search(shown(("blobs",), builder.root, 80))
    assert not _COLOUR.search(shown(("blobs",), builder.root, 80, NO_COLOR="1"))
    assert "\x1b" not in shown(("blobs",), builder.root, 80, TERM="dumb")


def test_ls_shows_each_model_and_what_needs_attention(builder: StoreBuilder) -> None:
    text = call("ls", store=builder.root).text
    head, *rows = text.splitlines()
    assert head.split() == [
        *("NAME", "ID", "SIZE", "ON", "DISK", "FREES", "SHARED", "AGE", "SHARED", "WITH", "DETAILS")
    ]
    (derived,) = (row for row in rows if row.strip().startswith("derived:latest"))
    assert "base:latest" in derived
    assert "30d" in derived
    assert "4 models" in text
    assert re.search(r"20\.5 kB unreferenced, 20\.5 kB partial, 4\.1 kB leftover", text)
    assert "! 1 problem: prunella doctor" in text


def test_a_model_with_a_problem_is_marked(builder: StoreBuilder) -> None:
    layers = call("show", "team/solo:v1", "--json", store=builder.root).document["layers"]
    Path(builder.blob_path(layers[-1]["digest"])).unlink()
    assert re.search(r"^!  team/solo:v1 ", call("ls", store=builder.root).text, re.MULTILINE)
    assert "weights (missing)" in call("show", "team/solo:v1", store=builder.root).text
    assert "not on disk; models that use it cannot run" in call("why", layers[-1]["digest"], store=builder.root).text


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("name", "base:latest"),
        ("size", "derived:latest"),
        ("disk", "derived:latest"),
        ("frees", "team/solo:v1"),
        ("modified", LONG),
        ("shared", "base:latest"),
        ("age", "base:latest"),
    ],
)
def test_ls_sorts(builder: StoreBuilder, sort: str, first: str) -> None:
    def names(*flags: str) -> list[str]:
        found = call("ls", "--sort", sort, *flags, "--json", store=builder.root).document["models"]
        return [model["name"] for model in found]

    assert names()[0] == first
    assert names("--reverse") == names()[::-1]


@pytest.mark.parametrize(("sort", "key"), [("size", "size"), ("disk", "allocated"), ("age", "age_seconds")])
def test_blobs_sorts(builder: StoreBuilder, sort: str, key: str) -> None:
    rows = call("blobs", "--sort", sort, "--json", store=builder.root).document["blobs"]
    assert [row[key] for row in rows] == sorted((row[key] for row in rows), reverse=True)
    backwards = call("blobs", "--sort", sort, "--reverse", "--json", store=builder.root).document["blobs"]
    assert [row[key] for row in backwards] == sorted(row[key] for row in rows)


def test_blobs_filters_by_state(builder: StoreBuilder) -> None:
    text = call("blobs", "--state", "stray", "--state", "leftover", store=builder.root).text
    assert "README.txt" in text
    assert "COPY123" in text
    assert "2 rows: 1 leftover 4.1 kB, 1 stray 4.1 kB" in text
    assert "weights" not in text


def test_flags_and_the_language_filter_alike(builder: StoreBuilder) -> None:
    def found(command: str, *filters: str) -> list[str]:
        rows = call(command, *filters, "--json", store=builder.root).document[command.replace("ls", "models")]
        return sorted(row.get("name") or row["state"] for row in rows)

    assert found("ls", "--unused", "3d", "--min-size", "20kB") == ["base:latest", "derived:latest", "team/solo:v1"]
    assert found("ls", "unused>=3d", "size>=20kB") == ["base:latest", "derived:latest", "team/solo:v1"]
    assert found("ls", "--max-size", "30kB", "SOLO") == found("ls", "--name", "solo") == ["team/solo:v1"]
    assert found("ls", "--state", "shared", "--state", "pinned") == ["base:latest", "derived:latest"]
    assert found("ls", "--age", "3d", "llama") == ["base:latest"]
    wanted = ("--state", "partial", "--age", "7d", "--min-size", "90kB")
    assert found("blobs", *wanted) == found("blobs", "state:partial age>7d size>=90kB") == ["partial"]
    assert found("blobs", *wanted, "--name", "llama", "--used-by", "llama3.2") == []
    assert found("blobs", "--used-by", "SOLO:v1") == []
    assert found("blobs", "--used-by", "team/solo:V1", "--kind", "weights") == ["referenced"]
    assert set(found("blobs", "--unused", "3d")) == {"unreferenced", "partial", "leftover", "stray"}


def test_the_totals_are_those_of_the_whole_store(builder: StoreBuilder) -> None:
    every, one = (call("ls", *words, "--json", store=builder.root).document for words in ((), ("solo",)))
    assert (every["totals"], every["problems"]) == (one["totals"], one["problems"])
    assert "1 of 4 models · in all " in call("ls", "solo", store=builder.root).text
    assert "0 of 4 models · in all " in call("ls", "nothing", store=builder.root).text


def test_a_filter_that_is_not_understood_is_a_line_and_code_two(builder: StoreBuilder) -> None:
    for arguments in (("ls", "size>"), ("ls", "--min-size", "x"), ("blobs", "--unused", "soon"), ("ls", "kind:x")):
        result = call(*arguments, store=builder.root)
        assert (result.code, result.out, result.complaint.count("\n")) == (2, b"", 1)


def test_nameless_blobs_say_what_they_are_and_whose(builder: StoreBuilder) -> None:
    digest = digest_of(builder.root, "unreferenced")
    call("rm", "broken", "-y", store=builder.root)
    assert "text “nobody needs these" in call("blobs", store=builder.root).text
    text = call("why", digest, store=builder.root).text
    assert "Content  text “nobody needs these" in text
    assert "likely of" not in text
    (model,) = call("ls", "solo", "--json", store=builder.root).document["models"]
    Path(builder.root, builder.manifest_path("team/solo:v1")).unlink()
    rows = call("blobs", "--name", "solo", "--json", store=builder.root).document["blobs"]
    assert {row["digest"] for row in rows} == set(model["blobs"])
    assert {row["likely"] for row in rows} == {"team/solo:v1"}
    assert "likely from an older team/solo:v1" in call("blobs", store=builder.root).text
    why = call("why", model["blobs"][0], "--json", store=builder.root).document
    assert (why["likely"], why["identity"]) == ("team/solo:v1", "model config Q4_0")
    assert "likely from an older team/solo:v1" in call("why", model["blobs"][0], store=builder.root).text


def test_why_says_who_or_since_when(builder: StoreBuilder) -> None:
    text = call("why", digest_of(builder.root, "unreferenced"), store=builder.root).text
    assert "unreferenced: no model uses it" in text
    assert "30 days ago" in text
    assert "Written" in text
    assert "Kept while these problems" in text
    text = call("why", digest_of(builder.root, "partial"), store=builder.root).text
    assert "an interrupted download" in text
    assert "only deleted when you name it" in call("why", "README.txt", store=builder.root).text


def test_doctor_explains_and_mends(builder: StoreBuilder) -> None:
    text = call("doctor", store=builder.root).text
    assert "chosen by --store" in text
    assert "✗ manifests/registry.ollama.ai/library/broken/latest" in text
    assert "prunella rm broken:latest" in text
    assert "unreferenced blobs are kept until you fix them" in text
    assert call("rm", "broken", "-y", store=builder.root).code == 0
    assert "No problems" in call("doctor", store=builder.root).text


def test_df_tells_where_the_difference_lies(builder: StoreBuilder) -> None:
    text = call("df", store=builder.root).text
    for word in ("ollama list", "used by no model", "= on disk", "exclusive", "shared", "free on this"):
        assert word in text
    assert "█" in text


def test_a_plan_says_what_stays_and_why(builder: StoreBuilder) -> None:
    young = builder.layer("weights", "young")
    text = call("rm", "derived", "broken", young.digest, "-n", store=builder.root).text
    assert "Held back (--force includes them)" in text
    assert "a manifest that cannot be read" in text
    assert "used by base:latest" in text
    forced = call("rm", "broken", young.digest, "-n", "--force", store=builder.root).text
    assert "Forced despite" in forced
    blocked = call("prune", "-n", store=builder.root).text
    assert "Unreferenced blobs are kept until you fix this" in blocked


def test_many_rows_of_a_plan_are_summed_up(tmp_path: Path) -> None:
    builder = StoreBuilder(str(tmp_path / "models"), 1.0)
    builder.model("tensors", *(builder.layer("tensor", str(number)) for number in range(300)))
    text = call("rm", "tensors", "-n", store=builder.root).text
    assert re.search(r"301 blobs +only used by tensors:latest", text)
    assert len(text.splitlines()) < 8
    assert "300 tensor layers" in call("show", "tensors", store=builder.root).text


def test_a_hard_link_elsewhere_is_told(builder: StoreBuilder, tmp_path: Path) -> None:
    digest = digest_of(builder.root, "unreferenced")
    (tmp_path / "mine").hardlink_to(builder.blob_path(f"sha256:{digest}"))
    call("rm", "--now", "broken", "-y", store=builder.root)
    assert "other links keep its bytes" in call("rm", digest, "-n", store=builder.root).text
    assert "Freed 0 B, as planned" in call("rm", "--now", digest, "-y", store=builder.root).text


@pytest.mark.parametrize("arguments", [("ls",), ("ls", "--json"), ("blobs", "--json"), ("show", "--json", "m000")])
def test_twice_the_models_that_share_a_licence_take_twice_the_work(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    calls, sizes = [], []
    for number in (50, 100, 200):
        builder = StoreBuilder(str(tmp_path / str(number)), NOW)
        licence, config = builder.layer("license", "MIT"), builder.config()
        for each in range(number):
            builder.model(f"m{each:03}", licence, builder.layer("weights", f"{each}"), config=config)
        sizes.append(len(call(*arguments, store=builder.root).out))
        calls.append(calls_in(partial(call, *arguments, store=builder.root)))
    for few, more, many in (calls, sizes):
        assert many - more < 2.5 * (more - few)


def test_a_blob_is_found_by_any_prefix_that_is_its_own(builder: StoreBuilder) -> None:
    builder.file(f"blobs/sha256-{'ab' * 32}").file(f"blobs/sha256-{'ab' * 31}cd")
    inventory = look(builder.root)
    assert find_row(inventory, f"sha256:{'ab' * 31}c").digest == f"sha256:{'ab' * 31}cd"
    assert find_row(inventory, f"sha256:{'ab' * 32}").digest == f"sha256:{'ab' * 32}"
    with pytest.raises(InvalidInput, match="ambiguous: 2"):
        find_row(inventory, "sha256:abab")
    with pytest.raises(NotFound):
        find_row(inventory, f"sha256:{'f' * 64}")


def test_a_whole_digest_is_found_without_a_look_at_every_row(builder: StoreBuilder) -> None:
    for number in range(300):
        builder.file(f"blobs/sha256-{number:064x}")
    inventory = look(builder.root)
    digest = f"sha256:{299:064x}"
    assert find_row(inventory, digest).key == digest
    assert calls_in(lambda: find_row(inventory, digest)) < 50


def test_a_file_without_a_digest_is_found_by_its_path(builder: StoreBuilder) -> None:
    builder.file("blobs/README.txt")
    assert find_row(look(builder.root), "blobs/README.txt").state is State.STRAY


def test_a_digest_that_is_whole_and_partial_is_not_ambiguous(builder: StoreBuilder) -> None:
    digest = builder.partial("twice", size=9, done=9)
    builder.file(f"blobs/{digest.replace(':', '-')}")
    assert find_row(look(builder.root), digest[:20]).digest == digest
