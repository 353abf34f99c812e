"""What lies in a store and is not Ollama's: counted once, on one device, and nothing of it is followed."""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunella_core.base.errors import Cancelled
from prunella_core.guard.status import Settings
from prunella_core.guard.sync import turn_on
from prunella_core.sample import StoreBuilder
from prunella_core.scan import scan
from prunella_core.scan.system import other_files
from prunella_core.space.totals import totals
from recordings import RECORDED, Recorded
from stores import DAY, NOW, disk_use, look, open_store, remove


def test_a_store_that_is_all_ollamas_has_none(builder: StoreBuilder) -> None:
    assert other_files(look(builder.root)).entries == ()


def test_the_largest_entries_of_the_root_come_first(builder: StoreBuilder) -> None:
    builder.file("notes.txt", "x").file("mine/a", "x" * 9_000).file("mine/deep/b", "x" * 5_000)
    other = other_files(look(builder.root))
    assert other.entries == (("mine", 12_288 + 8_192), ("notes.txt", 4_096))
    assert other.notes == ()


def test_nothing_is_counted_twice_or_followed(builder: StoreBuilder, tmp_path: Path) -> None:
    blob = look(builder.root).model_by_name["base:latest"].layers[1]
    builder.file("mine/a", "x")
    os.link(f"{builder.root}/mine/a", f"{builder.root}/also")
    os.link(builder.blob_path(blob.digest), f"{builder.root}/mine/held")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "large").write_text("x" * 100_000)
    os.symlink("../outside", f"{builder.root}/way")
    assert other_files(look(builder.root)).allocated == 4_096


def test_what_is_ours_is_among_it_but_for_the_trash(builder: StoreBuilder) -> None:
    remove(builder.root, "base:latest")
    builder.file(".prunella/pins", "base")
    assert other_files(look(builder.root)).entries == ((".prunella", 4_096),)


def test_it_can_be_cancelled(builder: StoreBuilder) -> None:
    with pytest.raises(Cancelled):
        other_files(look(builder.root), lambda: True)


@pytest.mark.parametrize("name", sorted(folder.name for folder in RECORDED.iterdir()))
def test_all_of_a_recorded_store_is_accounted_for(recorded: Callable[[str], Recorded], name: str) -> None:
    recording = recorded(name)
    inventory = scan(recording.store, recording.now)
    assert totals(inventory).allocated + other_files(inventory).allocated == disk_use(recording.store.root)


NAMES = st.sampled_from(["x", "y", "z"])
THINGS = st.one_of(
    st.tuples(st.just("model"), NAMES, st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True)),
    st.tuples(st.just("unused"), NAMES),
    st.tuples(st.just("sidecar"), st.sampled_from("abcd")),
    st.tuples(st.just("partial"), NAMES),
    st.tuples(st.just("conversion"), NAMES),
    st.tuples(st.just("split"), NAMES),
    st.tuples(st.just("other"), NAMES),
    st.tuples(st.just("hard link"), NAMES),
    st.tuples(st.just("link"), NAMES),
    st.tuples(st.just("trashed"), NAMES),
    st.tuples(st.just("guard"), NAMES),
)


@given(st.lists(THINGS, max_size=12))
@settings(max_examples=60, deadline=None)
def test_df_adds_up_to_a_walk_of_the_root(things: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory(prefix="prunella-") as root:
        builder = StoreBuilder(root, NOW)
        builder.model("first", builder.layer("weights", "first" * 900), config=builder.config(model_type="1B"))
        for thing in things:
            put(builder, *thing)
        inventory = look(root)
        other = other_files(inventory)
        assert other.notes == ()
        assert totals(inventory).allocated + other.allocated == disk_use(root)


def put(builder: StoreBuilder, what: str, name: str, letters: Sequence[str] = ()) -> None:
    """Add something to a store, as Ollama, Prunella or a person leaves it there."""
    match what:
        case "model":
            layers = [builder.layer("weights", letter * 5_000) for letter in letters]
            builder.model(name, *layers, config=builder.config(model_type=name))
        case "unused":
            builder.layer("weights", f"unused {name}" * 700)
        case "sidecar":
            layer = builder.layer("weights", name * 5_000)
            builder.file(f"metadata/{layer.digest.replace(':', '-')}.json", "{}" * 90)
        case "partial":
            builder.partial(name, size=50_000, done=9_000, parts=2)
        case "conversion":
            builder.file(f"ollama-safetensors{ord(name)}/model.safetensors", name * 6_000)
        case "split":
            builder.file(f"blobs/COPY{ord(name)}", name * 4_100)
        case _:
            put_beside(builder, what, name)


def put_beside(builder: StoreBuilder, what: str, name: str) -> None:
    """Add what is there because of another program, or of Prunella."""
    first = look(builder.root).model_by_name["first:latest"].layers[1]
    match what:
        case "other":
            builder.file(f"notes/{name}", name * 8_000)
        case "hard link" if not os.path.lexists(f"{builder.root}/held-{name}"):
            os.link(builder.blob_path(first.digest), f"{builder.root}/held-{name}")
        case "link" if not os.path.lexists(f"{builder.root}/way-{name}"):
            os.symlink("blobs", f"{builder.root}/way-{name}")
        case "trashed" if f"{name}:latest" in look(builder.root).model_by_name:
            remove(builder.root, f"{name}:latest", now=NOW + DAY)
        case "guard":
            turn_on(open_store(builder.root), Settings(), NOW + DAY)
