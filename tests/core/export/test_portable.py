"""An export is read back as it was; anything else is one sentence; and an import opens nothing on this machine."""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from prunella_core.apply import World, apply, has_unfinished
from prunella_core.base.errors import InvalidInput, Refused
from prunella_core.export import portable
from prunella_core.export.portable import VERSION, dump, load
from prunella_core.fs.files import File
from prunella_core.inventory.problems import ADVICE
from prunella_core.inventory.records import Blob, Details, Inventory, Model, Problem, State, TrashedModel, TrashEntry
from prunella_core.ledger.memory import scan_store
from prunella_core.ollama.manifest import Layer
from prunella_core.plan.build import make_plan
from prunella_core.plan.records import Empty, Restore
from prunella_core.scan import scan
from prunella_core.store import Store, read_pins
from prunella_core.store.access import write_pins
from recordings import RECORDED, Recorded
from stores import NOW, for_good, look, remove, small_store

HERE = Store(root="/models", why="--store", owner="me", writable=True)
FREE_TEXT = st.one_of(st.text(max_size=9), st.binary(max_size=9).map(os.fsdecode), st.just("\\udcff \\ \U0001f600"))
COUNTS = st.integers(0, 1 << 70)
DECLARED = st.integers(0, (1 << 63) - 1)
"""Ollama reads no larger size in a manifest, and neither do we."""
TIMES = st.floats(0, 1e12)
DIGESTS = st.sampled_from([f"sha256:{digit * 64}" for digit in "0123456789abcdef"])
NAMES = st.sampled_from(["a:latest", "b:7b", "ns/c:x", "hf.co/u/m:Q4_K_M", "127.0.0.1:5000/u/m:t"])


@st.composite
def files(draw: st.DrawFn, prefix: str = "") -> File:
    """A file as ``lstat`` could see it, whatever its name."""
    numbers = [draw(COUNTS) for _number in range(4)]
    return File(
        prefix + draw(FREE_TEXT),
        numbers[0],
        numbers[1],
        draw(st.integers(-(1 << 64), 1 << 64)),
        draw(st.integers(0, 0o177777)),
        numbers[2],
        numbers[3],
        draw(st.integers(0, 9)),
        draw(st.none() | FREE_TEXT),
        draw(st.integers(0, 9)),
    )


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    """A store with anything in it that a scan could have found."""
    names = draw(st.lists(NAMES, unique=True, max_size=4))
    digests = draw(st.lists(DIGESTS, unique=True, max_size=6))
    users = {
        digest: draw(st.lists(st.sampled_from(names), unique=True, max_size=3)) if names else [] for digest in digests
    }
    needs = {name: tuple(digest for digest in digests if name in users[digest]) for name in names}
    return Inventory(
        store=HERE,
        scanned_at=draw(TIMES),
        models=tuple(draw(models(name, needs[name])) for name in names),
        blobs=tuple(draw(blobs(digest, tuple(users[digest]))) for digest in digests),
        problems=tuple(draw(st.lists(problems(), max_size=3))),
        trash=tuple(draw(st.lists(entries(), max_size=2))),
        held_open=frozenset(draw(st.lists(FREE_TEXT, max_size=2))),
        disk_total=draw(COUNTS),
        disk_free=draw(COUNTS),
    )


@st.composite
def models(draw: st.DrawFn, name: str, needs: tuple[str, ...]) -> Model:
    return Model(
        name=name,
        manifest=draw(files()),
        digest="ab" * 32,
        size=draw(COUNTS),
        layers=tuple(Layer(digest, draw(DECLARED), draw(FREE_TEXT), draw(FREE_TEXT)) for digest in needs),
        needs=needs,
        details=Details(family=draw(st.none() | FREE_TEXT), remote_host=draw(st.none() | FREE_TEXT)),
        weights_read_at=draw(st.none() | TIMES),
        seen_loaded_at=draw(st.none() | TIMES),
        is_pinned=draw(st.booleans()),
    )


@st.composite
def blobs(draw: st.DrawFn, digest: str, users: tuple[str, ...]) -> Blob:
    needed = {State.REFERENCED, State.MISSING}
    state = draw(st.sampled_from(sorted(needed if users else set(State) - needed)))
    return Blob(
        key=digest,
        digest=digest,
        state=state,
        kind=draw(st.none() | FREE_TEXT),
        files=tuple(draw(st.lists(files(), max_size=2))),
        models=users,
        declared=draw(st.none() | COUNTS),
        seen_referenced_at=draw(st.none() | TIMES),
        removed_at=draw(TIMES if state is State.TRASHED else st.none() | TIMES),
    )


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    return Problem(
        path=draw(FREE_TEXT),
        kind=draw(st.sampled_from(sorted(ADVICE))),
        message=draw(FREE_TEXT),
        blocks_prune=draw(st.booleans()),
        model=draw(st.none() | NAMES),
        file=draw(st.none() | files()),
    )


@st.composite
def entries(draw: st.DrawFn) -> TrashEntry:
    prefix = ".prunella/trash/20260102T030405-abc123/"
    needs = tuple(draw(st.lists(DIGESTS, max_size=2)))
    manifest = draw(files(prefix))
    model = TrashedModel(name=draw(NAMES), manifest=manifest, digest="cd" * 32, size=draw(COUNTS), needs=needs)
    return TrashEntry(
        id=draw(FREE_TEXT),
        removed_at=draw(TIMES),
        models=(model,),
        files=tuple(draw(st.lists(files(prefix), max_size=2))),
        is_spent=draw(st.booleans()),
    )


def back(inventory: Inventory) -> Inventory:
    """What is read from the export of ``inventory``, as if it were here."""
    return replace(load(dump(inventory, "gpu1")), store=inventory.store)


@given(inventories())
def test_whatever_is_exported_is_read_back(inventory: Inventory) -> None:
    assert back(inventory) == inventory
    assert dump(inventory, "gpu1").isascii()


@pytest.mark.parametrize("name", sorted(path.name for path in RECORDED.iterdir()))
def test_recorded_stores_are_read_back(name: str, recorded: Callable[..., Recorded]) -> None:
    store, scenario = recorded(name)
    inventory = scan(store, float(scenario["recorded_at"]))
    assert back(inventory) == inventory


def test_packed_and_exported_again_it_is_the_same(tmp_path: Path) -> None:
    small_store(tmp_path)
    remove(tmp_path, "derived:latest")
    data = dump(look(tmp_path), "gpu1")
    assert load(gzip.compress(data)) == load(data)
    assert load(dump(load(data), "my-laptop")) == load(data)


@contextmanager
def closed_disk() -> Iterator[None]:
    """Whoever asks the disk for anything fails the test."""

    def fail(*_arguments: object, **_options: object) -> None:
        raise AssertionError("the disk was asked")

    with ExitStack() as closed:
        for name in ("open", "stat", "lstat", "scandir", "listdir", "readlink", "statvfs", "unlink", "rename", "mkdir"):
            closed.enter_context(patch.object(os, name, fail))
        yield


def test_an_import_opens_nothing_and_changes_nothing(tmp_path: Path) -> None:
    small_store(tmp_path)
    entry = remove(tmp_path, "derived:latest")
    found = load(dump(look(tmp_path), "gpu1\x1b"))
    assert (found.store.writable, found.store.exported_from) == (False, "gpu1\\x1b")
    assert found.store.why == "an export of gpu1\\x1b, scanned 2026-09-21T14:13:20Z"
    assert found.store.place == f"gpu1\\x1b:{found.store.root}"
    refused_everything(found, entry.id)  # what traces a run asks for the path of each module, once
    with closed_disk():
        refused_everything(found, entry.id)


def refused_everything(found: Inventory, entry: str) -> None:
    """Plan from an import, and be refused whatever would need its store."""
    assert not has_unfinished(found.store)
    for request in (for_good(models=("base:latest",)), Empty(), Restore(entry=entry)):
        plan = make_plan(found, request, NOW)
        assert plan.files
        with pytest.raises(Refused, match="read-only"):
            apply(plan, World(now=lambda: NOW))
    for ask in (lambda: scan_store(found.store, NOW), lambda: read_pins(found.store)):
        with pytest.raises(Refused, match="read-only"):
            ask()
    with pytest.raises(Refused, match="read-only"):
        write_pins(found.store, ["base"])


def changed(tmp_path: Path, change: Callable[[Any], object]) -> bytes:
    """The export of the small store, with something in its document changed."""
    small_store(tmp_path)
    remove(tmp_path, "derived:latest")
    document = json.loads(dump(look(tmp_path), "gpu1"))
    change(document)
    return json.dumps(document).encode()


SCRAPS = [b"", b"  \n", b"hello", b"{", b"[]", b"null", b"{}", b"\xff\xfe", b"\x1f\x8b damaged", b"[" * 100_000]


@pytest.mark.parametrize("data", SCRAPS, ids=lambda data: repr(data[:9]))
def test_what_is_no_export_is_told_in_a_sentence(data: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"^not an export of Prunella: [^\n]+$"):
        load(data)


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_half_an_export_is_none(tmp_path: Path, cut: float, pack: Callable[[bytes], bytes]) -> None:
    small_store(tmp_path)
    data = pack(dump(look(tmp_path), "gpu1"))
    with pytest.raises(InvalidInput, match="not an export"):
        load(data[: int(len(data) * cut)])


@pytest.mark.parametrize("is_readable", [True, False])
def test_a_newer_version_says_so(tmp_path: Path, is_readable: bool) -> None:
    def renew(document: Any) -> None:
        document["prunella_export"] = VERSION + 1
        if not is_readable:
            document["inventory"] = "something new"

    with pytest.raises(InvalidInput, match="a newer Prunella wrote this export"):
        load(changed(tmp_path, renew))


def test_more_than_any_export_has_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_store(tmp_path)
    data = dump(look(tmp_path), "gpu1")
    monkeypatch.setattr(portable, "LARGEST_EXPORT", len(data) - 1)
    with pytest.raises(InvalidInput, match="more than"):
        load(gzip.compress(data))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_small_file_that_unpacks_to_countless_values_is_not_decoded(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    small_store(tmp_path)
    data = dump(look(tmp_path), "gpu1")
    start = data.index(b'"models":["') + len(b'"models":[')
    crafted = pack(data[:start] + b'"",' * portable.MOST_VALUES + data[start:])
    with pytest.raises(InvalidInput, match="more than 6,000,000 values"):
        load(crafted)


def _first(rows: str, **fields: object) -> Callable[[Any], None]:
    return lambda document: document["inventory"][rows][0].update(fields)


HOSTILE: dict[str, Callable[[Any], object]] = {
    "a name that is a command": _first("models", name="x; rm -rf ~"),
    "a name with escapes": _first("models", name="\x1b[2J"),
    "two models of one name": lambda d: d["inventory"]["models"].append(d["inventory"]["models"][0]),
    "two blobs of one key": lambda d: d["inventory"]["blobs"].append(d["inventory"]["blobs"][0]),
    "an ID with escapes": _first("models", digest="\x1b[2J"),
    "a digest that is a path": _first("blobs", digest="sha256:../../etc/passwd"),
    "a need that is nowhere": _first("models", needs=[f"sha256:{'f' * 64}"]),
    "a user that is nowhere": _first("blobs", models=["nobody:latest"]),
    "a use twice by one": _first("blobs", models=["base:latest"] * 2),
    "a use by no model": _first("blobs", models=[], state="referenced"),
    "a use without a digest": _first("blobs", digest=None),
    "a trash of no known time": lambda d: d["inventory"]["blobs"][-1].update(state="trashed", removed_at=None),
    "a trash of a name with escapes": lambda d: d["inventory"]["blobs"][-1].update(
        state="trashed", removed_at=1.0, models=["\x1b[2J"]
    ),
    "a need of no model": _first("blobs", state="unreferenced"),
    "a negative size": _first("models", size=-1),
    "a size beyond any disk": _first("models", size=10**400),
    "a mode beyond any": lambda d: d["inventory"]["models"][0]["manifest"].update(mode=1 << 40),
    "an unknown state": _first("blobs", state="haunted"),
    "an unknown problem": lambda d: d["inventory"]["problems"].append(
        {"path": "x", "kind": "haunted", "message": "", "blocks_prune": True}
    ),
    "a trash that is elsewhere": lambda d: d["inventory"]["trash"][0]["files"][0].update(path="etc/passwd"),
    "words for numbers": lambda d: d["inventory"].update(disk_free="much"),
    "a surrogate that no byte makes": lambda d: d["inventory"]["blobs"][0]["files"][0].update(path="\ud800"),
    "no number": lambda d: d["inventory"].update(scanned_at=float("nan"), held_open=["\udcff"]),
}


@pytest.mark.parametrize("flaw", HOSTILE)
def test_what_no_scan_could_have_found_is_refused(tmp_path: Path, flaw: str) -> None:
    with pytest.raises(InvalidInput, match=r"^(this export|not an export)[^\n\x1b]+$"):
        load(changed(tmp_path, HOSTILE[flaw]))


def test_fields_of_later_programs_are_passed_over(tmp_path: Path) -> None:
    assert load(changed(tmp_path, lambda d: d["inventory"].update(mood="good"))).models
    assert msgspec.json.decode(dump(look(tmp_path), "gpu1"))["prunella_export"] == 1
