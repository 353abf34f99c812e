"""Stores for measuring, with known truth: what is in them is what was written, not what the program reads back."""

import hashlib
import os
from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

from prunella_core.sample import Layer, StoreBuilder

DAY = 86_400
NOW = 1_790_000_000.0
"""The default time of every store, in seconds since the epoch."""

BIG = 75_000
"""Blobs of the big store: a server that many share."""

_LAYERS = 1_172
_SHARED = _LAYERS // 3
_FAMILY = 4
"""Tensor models that share a third of their layers: a base and its fine-tunes."""

_TAGS = 10
"""Manifests that are made of the same weights: tags, copies, models derived by a system prompt."""

_MAKER = 50
"""Models of one maker, that share template and licence whatever their weights."""

_LICENCES, _TEMPLATES = 8, 40
"""What thousands of models of a public library share between them."""


class Truth(NamedTuple):
    """What a store holds, by what was written into it. ``blobs`` are whole ones; ``partials`` count by digest."""

    models: int
    blobs: int
    unreferenced: int
    partials: int


def build_big(root: str, blobs: int = BIG, now: float = NOW) -> Truth:
    """Write a store of about ``blobs`` blobs: tensor models of 1,172 layers, thousands of tags, and rubbish.

    With 75,000 these are 80 tensor models, 5,900 manifests, 2,000 unreferenced blobs and 40 partials.
    """
    builder = StoreBuilder(root, now)
    part = blobs / BIG
    tensors = _tensor_models(builder, round(80 * part))
    tagged = _tagged_models(builder, round(5_820 * part))
    unreferenced = sum(1 for _ in _orphans(builder, round(2_000 * part)))
    partials = sum(1 for _ in _partials(builder, round(40 * part)))
    return Truth(tensors + tagged, _whole_blobs(root), unreferenced, partials)


def build_shared(root: str, models: int, now: float = NOW) -> Truth:
    """Write a store of ``models`` models with weights of their own that share a few licences and templates."""
    builder = StoreBuilder(root, now)
    licences = [builder.layer("license", f"Licence {index}. " * 60, age=DAY) for index in range(_LICENCES)]
    templates = [builder.layer("template", f"{{{{ .Prompt }}}} {index}", age=DAY) for index in range(_TEMPLATES)]
    for index in range(models):
        weights = builder.layer("weights", f"weights {index}", size=4_096 * (index % 900 + 100), age=30 * DAY)
        texts = licences[index % _LICENCES], templates[index % _TEMPLATES]
        params = builder.layer("params", f'{{"seed": {index % 500}}}', age=DAY)
        config = builder.config(model_family="llama", model_type=f"{index % 90}B", file_type="Q4_K_M", age=DAY)
        builder.model(
            f"user{index % 40}/model-{index}:q4", weights, *texts, params, config=config, age=index % 400 * DAY
        )
    unreferenced = sum(1 for _ in _orphans(builder, models // 40))
    partials = sum(1 for _ in _partials(builder, models // 400))
    return Truth(models, _whole_blobs(root), unreferenced, partials)


def build_small(root: str, now: float = NOW) -> Truth:
    """Write what a laptop has: 60 models of some families, a few things left behind."""
    builder = StoreBuilder(root, now)
    models = _tagged_models(builder, 60, tags=3)
    unreferenced = sum(1 for _ in _orphans(builder, 12))
    partials = sum(1 for _ in _partials(builder, 3))
    return Truth(models, _whole_blobs(root), unreferenced, partials)


def build_orphans(root: str, number: int, now: float = NOW) -> list[str]:
    """Write a store in which nothing needs ``number`` blobs of 64 KiB; return their paths. One model has its own."""
    builder = StoreBuilder(root, now)
    _tagged_models(builder, 1)
    seeds = [f"orphan {index}" for index in range(number)]
    layers = [builder.layer("weights", seed, size=65_536, written=65_536, age=30 * DAY) for seed in seeds]
    return [builder.blob_path(layer.digest) for layer in layers]


def build_whole(root: str, number: int, size: int, now: float = NOW) -> int:
    """Write one model of ``number`` layers of ``size`` bytes whose digests are true; return all their bytes."""
    builder = StoreBuilder(root, now)
    block = hashlib.sha256(b"weights").digest() * 32_768
    layers = [builder.layer("tensor", _bytes(block, index, size), age=DAY, name=f"t{index}") for index in range(number)]
    builder.model("whole", *layers, age=DAY)
    return sum(layer.size for layer in layers)


def _bytes(block: bytes, index: int, size: int) -> bytes:
    return (f"{index:>8}".encode() + block * (size // len(block) + 1))[:size]


def _whole_blobs(root: str) -> int:
    return sum("-partial" not in name for name in os.listdir(os.path.join(root, "blobs")))


def _tensor_models(builder: StoreBuilder, number: int) -> int:
    for family in range(0, number, _FAMILY):
        common = list(_tensors(builder, f"family {family}", _SHARED))
        for index in range(family, min(family + _FAMILY, number)):
            own = list(_tensors(builder, f"tensors {index}", _LAYERS - 1 - _SHARED))
            config = builder.config(model_family="gemma3", model_type=f"{index}B", file_type="BF16", age=DAY)
            builder.model(f"lab{index % 7}/tensors-{index}:bf16", *common, *own, config=config, age=index * DAY)
    return number


def _tensors(builder: StoreBuilder, seed: str, number: int) -> Iterator[Layer]:
    for index in range(number):
        name = f"model.layers.{index // 12}.self_attn.tensor_{index}.weight"
        yield builder.layer("tensor", f"{seed} {index}", size=4_096 * (index % 60 + 1), age=30 * DAY, name=name)


def _tagged_models(builder: StoreBuilder, number: int, tags: int = _TAGS) -> int:
    for index in range(number):
        family, tag = divmod(index, tags)
        template = builder.layer("template", f"{{{{ .Prompt }}}} {index // _MAKER}", age=DAY)
        licence = builder.layer("license", f"Everybody may, says {index // _MAKER}. " * 20, age=DAY)
        weights = builder.layer("weights", f"weights {family}", size=4_096 * (family % 900 + 100), age=30 * DAY)
        system = builder.layer("system", f"You are number {index % 997}.", age=DAY)
        config = builder.config(model_family="llama", model_type=f"{family}B", file_type="Q4_K_M", age=DAY)
        name = f"user{family % 40}/model-{family}:tag{tag}" if family % 3 else f"model-{family}:tag{tag}"
        builder.model(name, weights, template, system, licence, config=config, age=index % 400 * DAY)
    return number


def _orphans(builder: StoreBuilder, number: int) -> Iterator[Layer]:
    for index in range(number):
        yield builder.layer("weights", f"orphan {index}", size=8_192 * (index % 9 + 1), age=(index % 90 + 1) * DAY)


def _partials(builder: StoreBuilder, number: int) -> Iterator[str]:
    for index, parts in zip(range(number), count(1), strict=False):
        yield builder.partial(f"partial {index}", size=10_000_000, done=8_192, parts=parts % 16 + 1, age=10 * DAY)
