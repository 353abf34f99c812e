"""Filters: words and terms let through exactly the rows that they mean, and half a term never empties a table."""

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from prunella_core.base.errors import InvalidInput
from prunella_core.inventory.records import Inventory, State
from prunella_core.query import Rows, by_terms, parse, select, with_terms
from prunella_core.sample import StoreBuilder
from stores import DAY, HOUR, NOW, look, remove, small_store


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    """The small store; what is old is a day old. ``derived`` is pinned, ``young`` was written an hour ago."""
    builder = small_store(tmp_path / "store")
    builder.model("young", builder.layer("weights", "y" * 9_000, age=HOUR), age=HOUR)
    builder.file(".prunella/pins", "derived\n")
    return builder


@pytest.fixture
def inventory(builder: StoreBuilder) -> Inventory:
    return look(builder.root)


def models(inventory: Inventory, text: str) -> list[str]:
    found = select(inventory.models, parse(text, "models"), inventory, NOW)
    return [model.name.removesuffix(":latest") for model in found]


def states(inventory: Inventory, text: str) -> set[str]:
    return {blob.state.value for blob in select(inventory.blobs, parse(text, "blobs"), inventory, NOW)}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["base", "derived", "team/solo:v1", "young"]),
        ("  SOLO  ", ["team/solo:v1"]),
        ("latest ri", ["derived"]),
        ("latest 2b", ["derived"]),
        ("size>30kB", ["base", "derived"]),
        ("size<=30kb", ["team/solo:v1", "young"]),
        ("size>30KB 1B", ["base"]),
        ("age>=1d", ["base", "derived", "team/solo:v1"]),
        ("age>1d", []),
        ("age<2h", ["young"]),
        ("unused>2h size>30kB", ["base", "derived"]),
        ("shared>0", ["base", "derived"]),
        ("frees>25kB", ["team/solo:v1"]),
        ("disk<25kB", ["young"]),
        ("state:pinned", ["derived"]),
        ("state:sh", ["base", "derived"]),
        ("state=cloud", []),
        ("state:local name:ol", ["team/solo:v1"]),
        ("name=BASE", ["base"]),
        ("name=base:latest", ["base"]),
        ("name=bas", []),
        ("team/solo:v1", ["team/solo:v1"]),
    ],
)
def test_filters_of_models(inventory: Inventory, text: str, names: list[str]) -> None:
    assert models(inventory, text) == names


def test_broken_models_are_found(builder: StoreBuilder) -> None:
    solo = look(builder.root).model_by_name["team/solo:v1"]
    os.unlink(builder.blob_path(solo.needs[1]))
    assert models(look(builder.root), "state:broken") == ["team/solo:v1"]
    assert states(look(builder.root), "state:missing used=team/solo:V1") == {"missing"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("state:partial", {"partial"}),
        ("state:re", {"referenced"}),
        ("state=re", set()),
        ("state=partial,stray", {"partial", "stray"}),
        ("state:un,le kind:weights", set()),
        ("state:un disk>15kB", {"unreferenced"}),
        ("unused>2h", {"unreferenced", "partial", "leftover", "stray"}),
        ("age>2h kind:weights", {"referenced"}),
        ("kind=weight", set()),
        ("size=>5", None),
        ("used:solo", {"referenced"}),
        ("used=base kind:temp", {"referenced"}),
        ("name:copy", {"leftover"}),
        ("name:readme", {"stray"}),
        ("partial", {"partial"}),
        ("size>90kB", {"partial"}),
        ("size>90kB age<1h", set()),
    ],
)
def test_filters_of_blobs(inventory: Inventory, text: str, expected: set[str] | None) -> None:
    if expected is None:
        with pytest.raises(InvalidInput):
            states(inventory, text)
    else:
        assert states(inventory, text) == expected


def test_a_missing_blob_has_no_age(inventory: Inventory) -> None:
    blob = next(blob for blob in inventory.blobs if blob.state is State.REFERENCED)
    missing = replace(blob, state=State.MISSING, files=(), declared=5)
    for text in ("age>=0", "age<9w", "unused>=0"):
        assert select([missing], parse(text, "blobs"), inventory, NOW) == []


def test_the_name_of_a_nameless_blob_is_the_likely_one(inventory: Inventory) -> None:
    loose = next(blob for blob in inventory.blobs if blob.state is State.UNREFERENCED)
    known = replace(loose, last_model="llama3.2:latest")
    assert select([known, loose], parse("name:LLAMA", "blobs"), inventory, NOW) == [known]
    assert select([known], parse("used:llama", "blobs"), inventory, NOW) == []


def test_filters_of_the_trash(builder: StoreBuilder) -> None:
    remove(builder.root, "team/solo:v1", now=NOW - 3 * DAY)
    remove(builder.root, "young:latest", now=NOW - DAY)
    inventory = look(builder.root)
    old, new = inventory.trash
    cases = {"age>2d": [old], "disk>25kB": [old], "name:young": [new], "latest": [new], "": [old, new]}
    for text, found in cases.items():
        assert select(inventory.trash, parse(text, "trash"), inventory, NOW) == found


def test_a_time_in_the_future_counts_as_now(inventory: Inventory) -> None:
    assert len(models(inventory, "age>=0")) == 4
    found = select(inventory.models, parse("age>=0 age<1m", "models"), inventory, NOW - 9 * DAY)
    assert len(found) == 4


@pytest.mark.parametrize(
    ("text", "rows", "message"),
    [
        ("size>", "models", "incomplete filter “size>”"),
        ("size>5X", "models", "invalid size “5x”"),
        ("age>5", "models", "invalid age “5”"),
        ("size:5GB", "models", "size takes >, >=, < or <=, as in size>5GB"),
        ("unused=5d", "blobs", "unused takes >, >=, < or <=, as in unused>30d"),
        ("state>partial", "blobs", "state takes : or ="),
        ("state:nothing", "blobs", "invalid state “nothing”: use referenced,"),
        ("state:missing", "models", "use pinned, broken,"),
        ("kind:weights", "models", "unknown filter “kind” for models: use age, unused,"),
        ("size>1GB \x1b[2J:x size>\x1b", "models", "invalid size “\\x1b”"),
        ("used:", "blobs", "incomplete filter “used:”"),
        ("sise>5GB", "models", "unknown filter “sise” for models: use age, unused,"),
        ("name=llama used=x", "models", "unknown filter “used” for models"),
        ("stale=true", "blobs", "unknown filter “stale” for blobs: use age, unused, size, disk, state,"),
        ("size>20", "models", "“20” has no unit: use 20GB or 20MB"),
    ],
)
def test_what_is_not_understood_is_one_clear_line(text: str, rows: Rows, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse(text, rows)
    assert message in str(raised.value)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    "word", ["llama3.2:latest", "sha256:3f1a", "hf.co/user/m:q4", "mistral:7b", "5>3", ":", ">", "size"]
)
def test_what_is_no_field_is_a_word(word: str) -> None:
    query = parse(word, "models")
    assert (query.words, query.terms) == ((word,), ())


def test_words_and_terms_are_apart() -> None:
    query = parse("Llama size>5GB 8B unused>=1d12h", "models")
    assert query.words == ("llama", "8b")
    assert [(term.field, term.operator, term.value) for term in query.terms] == [
        ("size", ">", 5_000_000_000),
        ("unused", ">=", 129_600),
    ]


@given(
    st.text(alphabet="sizeagun:=<>0159dGBtkw \x1b\udcff*-", max_size=40), st.sampled_from(["models", "blobs", "trash"])
)
def test_every_text_is_a_filter_or_says_what_is_wrong(text: str, rows: Rows) -> None:
    with contextlib.suppress(InvalidInput):
        query = parse(text, rows)
        assert len(query.words) + len(query.terms) == len(text.split())


def test_no_terms_need_no_predicate(inventory: Inventory) -> None:
    assert by_terms(parse("only words", "models"), inventory, NOW) is None


def test_terms_can_be_added_as_flags_say_them(inventory: Inventory) -> None:
    query = with_terms(parse("a", "models"), ("name", ":", "two words"), ("size", ">=", "5GB"))
    assert [term.value for term in query.terms] == ["two words", 5_000_000_000]
    with pytest.raises(InvalidInput, match="invalid size “x”"):
        with_terms(query, ("size", ">=", "x"))
