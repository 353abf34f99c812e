"""A model in words: its sizes, which models share its data, its layers, and whether it can be downloaded again."""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from prunella_core.base.text import clean
from prunella_core.inventory.origin import Origin
from prunella_core.inventory.records import Blob, Clock, Inventory, Model, State
from prunella_core.ollama.manifest import Layer
from prunella_core.space.cells import Holder
from prunella_core.space.families import Sharer, sharers
from prunella_core.space.space import space_of
from prunella_tui.report.format import counted, day, details, names, number, only_here, short_digest, size, when
from prunella_tui.report.lines import Block, Column, Part, field, line, section, table

_FEW = 12
_FEW_BLOBS = 3
_MOST_SHARERS = 40
_TRIFLE = 100
"""Shares below this fraction (a hundredth) of the largest are only counted."""
_SWEPT = "unknown: something read all weights at once, likely a start of Ollama or a backup"
_CLOCKS: dict[Clock, str] = {"weights-read": "atime of its weights", "seen-loaded": "seen loaded in Ollama"}


def model_lines(inventory: Inventory, model: Model, now: float) -> Iterator[Block]:
    """Yield everything about a model; ``now`` in seconds, UTC."""
    usage = space_of(inventory).models[model.name]
    yield line((model.name, "head"))
    yield line((details(model) or "No details in its config", "quiet"))
    for problem in inventory.problems_of(model):
        yield line((f"! {problem.message}", "bad"))
    yield line()
    yield field("Size", f"{size(model.size)}, as in ollama list")
    yield field("On disk", size(usage.allocated))
    yield field("Frees", (size(usage.frees), "good"), " if deleted alone")
    yield _restore(inventory, model)
    yield field("Changed", when(model.modified_at, now))
    if used := _last_use(model, now):
        yield field("Used", used)
    if model.is_pinned:
        yield field("Pinned", "prune --all keeps it")
    yield field("ID", model.digest[:12])
    if model.details.remote_host:
        yield field("Runs at", f"{model.details.remote_host} as {model.details.remote_model or 'a model'}")
    yield from _sharing(inventory, model)
    yield line()
    yield _layers(inventory, model)
    evidence = (line((f"· {sentence}", "quiet")) for sentence in inventory.origins[model.name].evidence)
    yield from section("Why we think so", "strong", evidence)


def _last_use(model: Model, now: float) -> str:
    at, clock = model.last_used, model.last_use_clock
    if at is None or clock is None:
        return _SWEPT if model.swept_at else ""
    loads = f"loaded {'once' if model.loads == 1 else counted(model.loads, 'time')}"
    if clock == "loaded-in-log":
        return f"{loads}, last {day(at, now)}"
    return f"{when(at, now)} ({_CLOCKS.get(clock, clock)}{f'; {loads} in its log' if model.loads else ''})"


def _restore(inventory: Inventory, model: Model) -> Block:
    origin = inventory.origins[model.name]
    likely = ", likely" if origin.certainty == "guess" else ""
    is_lost = origin.kind == "created" or bool(origin.only_here)
    return field("Restore", (f"{_way_back(model, origin)}{likely}", "warning" if is_lost else "plain"))


def _way_back(model: Model, origin: Origin) -> str:
    layers = set(origin.only_here)
    lost = list(dict.fromkeys(layer.kind for layer in model.layers if layer.digest in layers))
    suffix = f" ({only_here(lost)})" if lost else ""
    pull = f"ollama pull {clean(origin.source or '')}"
    match origin.kind:
        case "created":
            return f"not recoverable: created here{suffix}"
        case "cloud":
            return f"runs in the cloud; nothing to restore{suffix}"
        case "derived" if not lost:
            return f"{pull}, then ollama create"
        case "derived":
            return f"only in part, {pull}{suffix}"
    return pull


def _sharing(inventory: Inventory, model: Model) -> Iterator[Block]:
    """Yield the models that share with ``model``, the largest share first; trifling shares only as a count."""
    shared: Counter[str] = Counter()
    for cell in space_of(inventory).of[Holder("model", model.name)]:
        shared.update({other: cell.allocated for other in cell.models if other != model.name})
    rows = shared.most_common()
    listed = [(name, count) for name, count in rows[:_FEW] if count * _TRIFLE >= rows[0][1]]
    found = table(Column(right=True), Column(least=8, is_name=True), indent=2)
    for name, count in listed:
        found.add(size(count), name)
    lines: list[Block] = [found]
    if rest := rows[len(listed) :]:
        each = f"{size(rest[0][1])} or less each"
        lines.append(line((f"and {counted(len(rest), 'more model')}, {each}", "quiet"), indent=2))
    total = size(space_of(inventory).models[model.name].shared)
    yield from section(f"Shares {total} with {counted(len(rows), 'model')}", "strong", lines)


def _layers(inventory: Inventory, model: Model) -> Block:
    found = table(
        Column("Layer", least=8),
        Column("Blob", rank=2),
        Column("Size", right=True),
        Column("On disk", right=True, rank=1),
        Column("Models", right=True, rank=1),
        Column("Also used by", least=8, rank=3),
    )
    rows = [(layer, inventory.blob_by_key.get(layer.digest)) for layer in model.layers]
    for _key, alike in groupby(rows, key=lambda row: (row[0].kind, row[1] and (row[1].state, row[1].models))):
        group = list(alike)
        if len(group) > _FEW:
            found.add(*_layer_cells(model, counted(len(group), f"{group[0][0].kind} layer"), "", group))
            continue
        for layer, blob in group:
            kind = f"{layer.kind} {layer.name}".strip()
            found.add(*_layer_cells(model, kind, short_digest(layer.digest), [(layer, blob)]))
    return found


def _layer_cells(model: Model, kind: str, digest: str, rows: list[tuple[Layer, Blob | None]]) -> tuple[Part, ...]:
    blob = rows[0][1]
    is_missing = blob is not None and blob.state is State.MISSING
    return (
        (f"{kind} (missing)", "bad") if is_missing else kind,
        (digest, "quiet"),
        size(sum(layer.size for layer, _blob in rows)),
        size(sum(blob.allocated for _layer, blob in rows if blob)),
        number(len(blob.models)) if blob else "",
        (names([name for name in blob.models if name != model.name], 2) if blob else "", "quiet"),
    )


def sharing_lines(inventory: Inventory, name: str) -> Iterator[Block]:
    """Yield the models that share with ``name``, the largest share first, and what they free together."""
    yield line(f"{name} frees ", (size(space_of(inventory).models[name].frees), "good"), " alone")
    found = sharers(inventory, name)
    if not found:
        yield line("It shares nothing with another model")
    for sharer in found[:_MOST_SHARERS]:
        yield from _sharer(inventory, sharer)
    if len(found) > _MOST_SHARERS:
        yield line((f"and {counted(len(found) - _MOST_SHARERS, 'more model')}", "quiet"))
    if len(found) > 1:
        together = (name, *(sharer.name for sharer in found))
        freed = size(space_of(inventory).frees_models(together))
        yield line()
        yield line(f"All {number(len(together))} together free ", (freed, "good"))


def _sharer(inventory: Inventory, sharer: Sharer) -> Iterator[Block]:
    yield line()
    yield line((sharer.name, "head"), f"  shares {size(sharer.shared)}")
    by_kind: dict[str, list[Blob]] = {}
    for blob in sharer.blobs:
        by_kind.setdefault(blob.kind or "unknown", []).append(blob)
    for kind, blobs in by_kind.items():
        which = ", ".join(short_digest(blob.digest) for blob in blobs)
        what = which if len(blobs) <= _FEW_BLOBS else counted(len(blobs), "blob")
        yield line(f"{kind:<9} {size(sum(blob.allocated for blob in blobs)):>9}  ", (what, "quiet"), indent=2)
    alone = size(space_of(inventory).models[sharer.name].frees)
    yield line(f"frees {alone} alone, ", (size(sharer.together), "good"), " together", indent=2)
