"""Stores that Hypothesis makes up: whatever may lie in one, built on the disk."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st

from prunella_core.sample import Layer, StoreBuilder
from stores import NOW

AGES = st.sampled_from([-100, 0, 300, 4_000, 100_000])
"""Seconds: in the future, just written, settling, and older."""
SIZES = st.sampled_from([0, 1, 4_096, 5_000, 20_000])


class BlobRecipe(NamedTuple):
    """A blob, how it lies in ``blobs/``, and whether a link outside the store holds its bytes too."""

    form: str
    size: int
    age: int
    linked_outside: bool


class Recipe(NamedTuple):
    """A store to build; models name their blobs by number, some more than once."""

    blobs: list[BlobRecipe]
    models: list[tuple[list[int], int]]
    rubbish: list[tuple[str, int, int]]
    is_broken: bool


FORMS = ["plain", "plain", "sparse", "hard link", "link outside", "link inside", "dangling link", "colon", "missing"]
BLOBS = st.lists(st.builds(BlobRecipe, st.sampled_from(FORMS), SIZES, AGES, st.booleans()), min_size=1, max_size=9)
KINDS = ["partial", "leftover", "stray", "folder", "conversion", "split", "sidecar", "orphan", "other"]
RUBBISH = st.lists(st.tuples(st.sampled_from(KINDS), SIZES, AGES), max_size=5)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    blobs = draw(BLOBS)
    layers = st.lists(st.integers(0, len(blobs) - 1), max_size=6)
    models = draw(st.lists(st.tuples(layers, AGES), max_size=5))
    return Recipe(blobs, models, draw(RUBBISH), draw(st.sampled_from([False, False, False, True])))


def build(recipe: Recipe, top: Path) -> StoreBuilder:
    """Build the store below ``top``; what lies outside of it is in ``top/outside``."""
    builder = StoreBuilder(str(top / "store"), NOW)
    (top / "outside").mkdir()
    layers: list[Layer] = []
    for number, blob in enumerate(recipe.blobs):
        layers.append(_add_blob(builder, top / "outside", number, blob, layers))
    config = builder.config(age=4_000)
    for number, (needed, age) in enumerate(recipe.models):
        builder.model(f"m{number}", *(layers[index] for index in needed), config=config, age=age)
    for number, (kind, size, age) in enumerate(recipe.rubbish):
        _add_rubbish(builder, number, kind, size, age)
    if recipe.is_broken:
        builder.manifest("broken", "")
    return builder


def _add_blob(builder: StoreBuilder, outside: Path, number: int, blob: BlobRecipe, known: list[Layer]) -> Layer:
    seed = f"blob {number} ".encode().ljust(blob.size, b"x")
    if blob.form in ("plain", "sparse", "colon"):
        size = 200_000 if blob.form == "sparse" else None
        layer = builder.layer("weights", seed, size=size, age=blob.age)
    else:
        layer = Layer("weights", f"sha256:{hashlib.sha256(str(number).encode()).hexdigest()}", blob.size)
    path = builder.blob_path(layer.digest)
    if blob.form == "colon":
        os.rename(path, path := path.replace("sha256-", "sha256:"))
    elif blob.form == "hard link":
        source = builder.blob_path(known[0].digest) if known else ""
        if os.path.lexists(source):
            os.link(source, path, follow_symlinks=False)
        else:
            builder.file(f"blobs/{os.path.basename(path)}", seed, age=blob.age)
    elif "link" in blob.form:
        os.symlink(_target(builder, outside, number, blob, known), path)
        os.utime(path, (NOW - blob.age, NOW - blob.age), follow_symlinks=False)
    if blob.linked_outside and blob.form != "missing":
        os.link(path, outside / f"hard link {number}", follow_symlinks=False)
    return layer


def _target(builder: StoreBuilder, outside: Path, number: int, blob: BlobRecipe, known: list[Layer]) -> str:
    if blob.form == "link inside" and known:
        return os.path.basename(builder.blob_path(known[-1].digest))
    target = outside / f"target {number}"
    if blob.form == "link outside":
        target.write_bytes(f"blob {number} ".encode().ljust(blob.size, b"x"))
    return str(target)


def _add_rubbish(builder: StoreBuilder, number: int, kind: str, size: int, age: int) -> None:
    if kind == "partial":
        builder.partial(f"{number}", size=100_000, done=size, parts=2, age=age)
        return
    path = {
        "leftover": f"blobs/COPY{number}",
        "stray": f"blobs/mine {number}",
        "folder": f"blobs/mine {number}/file",
        "conversion": f"ollama-safetensors{number}/fp16{number}",
        "split": f"blobs/split-gguf-{number}/part",
        "orphan": f"metadata/sha256-{number:064x}.json",
        "other": f"mine/{number}",
    }.get(kind) or f"metadata/{_any_blob(builder)}.json"
    if not os.path.lexists(f"{builder.root}/{path}"):
        builder.file(path, b"x" * size, age=age)
        if kind in ("conversion", "split", "other") and size:  # one of them holds a blob by a hard link
            _hold(builder, os.path.dirname(path))


def _any_blob(builder: StoreBuilder) -> str:
    names = sorted(name for name in os.listdir(f"{builder.root}/blobs") if len(name) == len("sha256-") + 64)
    return names[0] if names else f"sha256-{0:064x}"


def _hold(builder: StoreBuilder, folder: str) -> None:
    source, held = f"{builder.root}/blobs/{_any_blob(builder)}", f"{builder.root}/{folder}/held"
    if os.path.lexists(source) and not os.path.lexists(held):
        os.link(source, held, follow_symlinks=False)


@contextmanager
def built(recipe: Recipe) -> Iterator[tuple[StoreBuilder, Path]]:
    with tempfile.TemporaryDirectory(prefix="prunella-") as folder:
        top = Path(folder).resolve()
        yield build(recipe, top), top
