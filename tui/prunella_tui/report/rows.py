"""A model, a blob, and what Ollama's next start does, in words: what the details of a row say."""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from prunella_core.advice.ollama import OLDER, NextStart
from prunella_core.base.text import clean
from prunella_core.inventory.origin import origins
from prunella_core.inventory.records import Blob, Clock, Inventory, Model, State
from prunella_core.ledger.memory import likely_model
from prunella_core.space import Holder, space_of
from prunella_core.space.totals import sharers
from prunella_tui.report import format as show
from prunella_tui.report.lines import Block, Column, Part, Tone, field, line, listing, section, table

_FEW = 12
_FEW_BLOBS = 3
_MOST_FILES = 20
_MOST_SHARERS = 40
_TRIFLE = 100
"""Shares below this fraction (a hundredth) of the largest are only counted."""
_SWEPT = "unknown: something read all weights at once, likely a start of Ollama or a backup"
_CLOCKS: dict[Clock, str] = {"weights-read": "atime of its weights", "seen-loaded": "seen loaded in Ollama"}


def model_lines(inventory: Inventory, model: Model, now: float) -> Iterator[Block]:
    """Yield everything about a model; ``now`` in seconds, UTC."""
    usage = space_of(inventory).models[model.name]
    yield line((model.name, "head"))
    yield line((show.details(model) or "No details in its config", "quiet"))
    yield from (line((f"! {problem.message}", "bad")) for problem in inventory.problems_by_model[model.name])
    yield line()
    yield field("Size", f"{show.size(model.size)}, as in ollama list")
    yield field("On disk", show.size(usage.allocated))
    yield field("Frees", (show.size(usage.frees), "good"), " if deleted alone")
    yield field("Restore", _restore(inventory, model))
    yield field("Changed", show.when(model.modified_at, now))
    if used := _last_use(model, now):
        yield field("Used", used)
    if model.is_pinned:
        yield field("Pinned", "prune --all keeps it")
    yield field("ID", model.digest[:12])
    if model.details.remote_host:
        yield field("Runs at", f"{model.details.remote_host} as {model.details.remote_model or 'a model'}")
    yield from _sharing(inventory, model)
    yield line()
    columns = (
        Column("Layer", least=8),
        Column("Blob", rank=2),
        Column("Size", right=True),
        Column("On disk", right=True, rank=1),
        Column("Models", right=True, rank=1),
        Column("Also used by", least=8, rank=3),
    )
    yield table(columns, _layers(inventory, model))
    evidence = (line((f"· {sentence}", "quiet")) for sentence in origins(inventory)[model.name].evidence)
    yield from section("Why we think so", "strong", evidence)


def _last_use(model: Model, now: float) -> str:
    at, clock = model.last_used, model.last_use[1]
    if at is None or clock is None:
        return _SWEPT if model.swept_at else ""
    loads = f"loaded {'once' if model.loads == 1 else show.counted(model.loads, 'time')}"
    if clock == "loaded-in-log":
        return f"{loads}, last {show.day(at, now)}"
    return f"{show.when(at, now)} ({_CLOCKS.get(clock, clock)}{f'; {loads} in its log' if model.loads else ''})"


def _restore(inventory: Inventory, model: Model) -> Part:
    origin = origins(inventory)[model.name]
    only = set(origin.only_here)
    lost = list(dict.fromkeys(layer.kind for layer in model.layers if layer.digest in only))
    suffix = f" ({show.only_here(lost)})" if lost else ""
    way = pull = f"ollama pull {clean(origin.source or '')}"
    if origin.kind == "created":
        way = f"not recoverable: created here{suffix}"
    elif origin.kind == "cloud":
        way = f"runs in the cloud; nothing to restore{suffix}"
    elif origin.kind == "derived":
        way = f"only in part, {pull}{suffix}" if lost else f"{pull}, then ollama create"
    likely = ", likely" if origin.certainty == "guess" else ""
    return f"{way}{likely}", "warning" if origin.kind == "created" or origin.only_here else "plain"


def _sharing(inventory: Inventory, model: Model) -> Iterator[Block]:
    """Yield the models that share with ``model``, the largest share first; trifling shares only as a count."""
    shared: Counter[str] = Counter()
    for cell in space_of(inventory).of[Holder("model", model.name)]:
        shared.update({other: cell.allocated for other in cell.models if other != model.name})
    rows = shared.most_common()
    listed = [(show.size(count), name) for name, count in rows[:_FEW] if count * _TRIFLE >= rows[0][1]]
    blocks: list[Block] = [table((Column(right=True), Column(least=8, is_name=True)), listed, indent=2)]
    if rest := rows[len(listed) :]:
        more = f"and {show.counted(len(rest), 'more model')}, {show.size(rest[0][1])} or less each"
        blocks.append(line((more, "quiet"), indent=2))
    total = show.size(space_of(inventory).models[model.name].shared)
    yield from section(f"Shares {total} with {show.counted(len(rows), 'model')}", "strong", blocks)


def _layers(inventory: Inventory, model: Model) -> Iterator[tuple[Part, ...]]:
    """Yield a row for each layer, and one for many that are alike."""
    rows = [(layer, inventory.blob_by_key.get(layer.digest)) for layer in model.layers]
    for _key, alike in groupby(rows, key=lambda row: (row[0].kind, row[1] and (row[1].state, row[1].models))):
        group = list(alike)
        are_many = len(group) > _FEW
        for some in [group] if are_many else [[row] for row in group]:
            layer, blob = some[0]
            kind = show.counted(len(some), f"{layer.kind} layer") if are_many else f"{layer.kind} {layer.name}".strip()
            others = [name for name in blob.models if name != model.name] if blob else []
            yield (
                (f"{kind} (missing)", "bad") if blob and blob.state is State.MISSING else kind,
                ("" if are_many else show.short_digest(layer.digest), "quiet"),
                show.size(sum(layer.size for layer, _blob in some)),
                show.size(sum(blob.allocated for _layer, blob in some if blob)),
                f"{len(blob.models):,}" if blob else "",
                (show.names(others, 2), "quiet"),
            )


def sharing_lines(inventory: Inventory, name: str) -> Iterator[Block]:
    """Yield the models that share with ``name``, the largest share first, and what they free together."""
    space, found = space_of(inventory), sharers(inventory, name)
    yield line(f"{name} frees ", (show.size(space.models[name].frees), "good"), " alone")
    if not found:
        yield line("It shares nothing with another model")
    for sharer in found[:_MOST_SHARERS]:
        yield line()
        yield line((sharer.name, "head"), f"  shares {show.size(sharer.shared)}")
        by_kind: dict[str, list[Blob]] = {}
        for blob in sharer.blobs:
            by_kind.setdefault(blob.kind or "unknown", []).append(blob)
        for kind, blobs in by_kind.items():
            which = ", ".join(show.short_digest(blob.digest) for blob in blobs)
            what = which if len(blobs) <= _FEW_BLOBS else show.counted(len(blobs), "blob")
            yield line(f"{kind:<9} {show.size(sum(blob.allocated for blob in blobs)):>9}  ", (what, "quiet"), indent=2)
        alone = show.size(space.models[sharer.name].frees)
        yield line(f"frees {alone} alone, ", (show.size(sharer.together), "good"), " together", indent=2)
    if len(found) > _MOST_SHARERS:
        yield line((f"and {show.counted(len(found) - _MOST_SHARERS, 'more model')}", "quiet"))
    if len(found) > 1:
        together = (name, *(sharer.name for sharer in found))
        yield line()
        yield line(f"All {len(together):,} together free ", (show.size(space.frees_models(together)), "good"))


def blob_lines(inventory: Inventory, blob: Blob, identity: str | None, now: float) -> Iterator[Block]:
    """Yield everything about a blob at ``now`` (seconds, UTC); ``identity`` is what its first bytes say it is."""
    yield line((blob.digest or show.blob_title(blob), "head"))
    yield line(show.state_text(blob.state), f": {show.STATES[blob.state][2]}")
    yield line()
    yield field("Kind", blob.kind or "unknown")
    if likely := contents(inventory, blob, identity):
        yield field("Content", likely)
    yield field("Size", show.size(blob.size))
    yield field("On disk", show.size(blob.allocated) if blob.files else "nothing")
    if blob.written_at is not None:
        yield field("Written", show.when(blob.written_at, now))
    if blob.removed_at is not None:
        yield field("Deleted", show.when(blob.removed_at, now))
    elif blob.idle[1] == "seen-referenced" and blob.idle_since is not None:
        yield field("In use", f"{show.when(blob.idle_since, now)}, last seen; its age counts from there")
    if blob.state is State.UNREFERENCED:
        problems = (line(f"{problem.path}: {problem.message}", indent=2) for problem in inventory.blocking)
        yield from section("! Kept while these problems could hide a model that needs it", "bad", problems)
    yield from listing(f"Used by {show.counted(len(blob.models), 'model')}", "strong", blob.models)
    yield from section("Files", "strong", _files(blob))


def contents(inventory: Inventory, blob: Blob, identity: str | None) -> str:
    """Return what an unreferenced row likely is: from its first bytes, and from which model."""
    model = likely_model(inventory, blob)
    older = "" if blob.state is State.PARTIAL else "an older "
    return ", ".join(filter(None, (identity, f"likely from {older}{model}" if model else None)))


def _files(blob: Blob) -> Iterator[Block]:
    for file in sorted(blob.files, key=lambda file: (len(file.path), file.path))[:_MOST_FILES]:  # part 2 before part 10
        yield line(file.path, indent=2)
        if file.target is not None:
            yield line((f"a link to {file.target}; deleting it keeps the target", "quiet"), indent=4)
        elif file.links > 1:
            yield line((f"{file.links} hard links: its space returns with the last one", "quiet"), indent=4)
        if file.shared:
            yield line((f"{show.size(file.shared)} shared with other files (reflink) stay on disk", "quiet"), indent=4)
    if len(blob.files) > _MOST_FILES:
        yield line((f"and {show.counted(len(blob.files) - _MOST_FILES, 'more file')}", "quiet"), indent=2)


def forecast_summary(coming: NextStart) -> str:
    """Return the forecast in one line."""
    deleted = _deleted(coming)
    if coming.skipped:
        return f"Ollama's next start deletes nothing: {clean(coming.why or '')}"
    if not deleted:
        return "Ollama's next start deletes nothing"
    broken = f", breaks {show.counted(len(coming.would_break), 'model')}" if coming.would_break else ""
    lost = f", loses {show.counted(len(coming.downloads), 'download')}" if coming.downloads else ""
    return f"Ollama's next start deletes {show.counted(len(deleted), 'file')}{broken}{lost}"


def forecast_lines(coming: NextStart) -> Iterator[Block]:
    """Yield what a server that starts now does to the store, and what is uncertain."""
    yield _headline(coming, f"Ollama {coming.server_version}" if coming.server_version else "Ollama", "head")
    if coming.noprune:
        yield line("OLLAMA_NOPRUNE is set here; the server's own environment decides.")
    if coming.stops:
        yield line("It skips its cleanup because it can't read some manifests.")
    yield from listing("Unreadable:", "warning", (f"{stop.path}: {stop.message}" for stop in coming.stops))
    if not coming.skipped:
        yield line("Without asking, it deletes downloads and blobs that no manifest names, if over an hour old.")
        yield line(("It skips this where OLLAMA_NOPRUNE is set in the server's own environment.", "quiet"))
    yield from listing("Models it would break:", "bad", coming.would_break)
    held = (
        f"{show.short_digest(lost.digest)}  {show.size(lost.held)} of {show.size(lost.size)}"
        for lost in coming.downloads
    )
    yield from listing("Downloads that would start over:", "warning", held)
    yield from listing("Manifests it ignores; blobs only they name would be deleted:", "warning", coming.overlooked)
    of_downloads = {path for lost in coming.downloads for path in lost.files}
    others = [path for path in _deleted(coming) if path not in of_downloads]
    yield from listing(f"{'Other files' if of_downloads else 'Files'} it would delete:", "strong", others)
    yield from listing("Files it would rename:", "strong", (f"{old} → {new}" for old, new in coming.renamed))
    older = coming.older_server
    if older and set(older.files) != set(coming.files):
        yield from (line(), _headline(older, OLDER, "bad"))
        yield line("It does not read manifests-v2/, which a newer Ollama writes, and deletes what only that names.")
        yield from listing("Models it would break:", "bad", older.would_break)
    unsure = (f"{problem.path}: {problem.message}" for problem in coming.unsure)
    yield from listing("Uncertain: the server may read these differently:", "warning", unsure)


def _headline(coming: NextStart, who: str, tone: Tone) -> Block:
    deleted = [] if coming.skipped else _deleted(coming)
    what = f"{show.counted(len(deleted), 'file')} and free {show.size(coming.reclaims)}" if deleted else "nothing"
    return line((f"If {who} started now, it would delete {what}", tone))


def _deleted(coming: NextStart) -> list[str]:
    renamed = {old for old, _new in coming.renamed}
    return [path for path in coming.files if path not in renamed]
