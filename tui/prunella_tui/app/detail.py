"""The detail side: everything about the row under the cursor, in words."""

from collections.abc import Iterator

from textual.content import Content

from prunella_core.advice.identify import described
from prunella_core.base.text import clean
from prunella_core.inventory.problems import advice
from prunella_core.inventory.records import Blob, Inventory, Model, Problem, State, TrashEntry
from prunella_core.plan.build import trash_reclaims
from prunella_tui import presentation as show
from prunella_tui.app.identity import identity_lines
from prunella_tui.app.origin import origin_answer, origin_lines

_MANY_LAYERS = 3
_HEAD = "bold $text-primary"
_MUTED = "$foreground 60%"
_LABEL_WIDTH = 9

_CLOCKS = {"weights-read": "by the atime of its weights", "seen-loaded": "seen loaded in the server"}
_STATES = {
    State.REFERENCED: "A model needs it.",
    State.UNREFERENCED: "No manifest names it. Removing it changes no model.",
    State.PARTIAL: "A download that never ended. Pulling the model again would go on from here.",
    State.LEFTOVER: "Left behind by a create or upload that never ended.",
    State.STRAY: "Not a file of Ollama's. It is only removed if you mark it yourself.",
    State.MISSING: "A manifest names it, but it is not in the store.",
    State.TRASHED: "Removed, and can come back.",
}


def model_detail(inventory: Inventory, model: Model, now: float) -> Content:
    """A model: what it takes, who shares it, its layers."""
    usage = inventory.usage[model.name]
    lines = [
        Content.styled(clean(model.name), _HEAD),
        Content.styled(show.details(model) or "no details in its config", _MUTED),
        Content(""),
        _field("Size", f"{show.size(model.size)}, as Ollama lists it"),
        _field("On disk", show.size(usage.allocated)),
        _field("Frees", f"{show.size(usage.reclaims)}, if it alone goes"),
        _field("Returns", origin_answer(inventory, model)),
        _field("Changed", f"{show.duration(now - model.modified_at)} ago"),
        *_last_use(model, now),
        _field("ID", model.digest[:12]),
    ]
    if model.details.remote_host:
        lines.append(_field("Runs at", clean(f"{model.details.remote_host} as {model.details.remote_model}")))
    sharing = inventory.shared_with(model)
    if sharing.count:
        lines += [Content(""), Content.styled(f"Shares {show.size(usage.shared)} with", "bold")]
        lines += [Content(f"  {clean(name)}") for name in sharing.names[:12]]
        lines += _more(sharing.count - 12)
    lines += _problems(inventory, model)
    lines += [Content(""), Content.styled("Layers", "bold"), *_layers(inventory, model)]
    lines += [Content(""), *origin_lines(inventory, model)]
    return Content("\n").join(lines)


def _last_use(model: Model, now: float) -> Iterator[Content]:
    if model.last_used is not None:
        yield _field("Used", f"{show.duration(now - model.last_used)} ago ({_CLOCKS[model.last_use_clock or '']})")
    if model.is_pinned:
        yield _field("Pinned", "prune --all never takes it")


def _field(label: str, value: str | Content) -> Content:
    return Content.assemble((f"{label:<{_LABEL_WIDTH}}", _MUTED), value)


def _more(count: int) -> list[Content]:
    return [Content.styled(f"  and {show.number(count)} more", _MUTED)] if count > 0 else []


def _problems(inventory: Inventory, model: Model) -> Iterator[Content]:
    for problem in inventory.problems_of(model):
        yield Content("")
        yield Content.styled(f"! {clean(problem.message)}", "$text-error")


def _layers(inventory: Inventory, model: Model) -> Iterator[Content]:
    by_kind: dict[str, list[Blob]] = {}
    for layer in model.layers:
        if blob := inventory.blob_by_key.get(layer.digest):
            by_kind.setdefault(layer.kind, []).append(blob)
    for kind, blobs in by_kind.items():
        if len(blobs) > _MANY_LAYERS:
            yield _many_layers(kind, blobs)
            continue
        for blob in blobs:
            yield _one_layer(kind, blob)


def _many_layers(kind: str, blobs: list[Blob]) -> Content:
    shared = sum(1 for blob in blobs if len(blob.models) > 1)
    sharing = f"{show.number(shared)} of them shared" if shared else "only here"
    size = show.size(sum(blob.size for blob in blobs))
    return Content.assemble(f"{clean(kind):<9} {size:>9}  ", (f"{show.number(len(blobs))} blobs, {sharing}", _MUTED))


def _one_layer(kind: str, blob: Blob) -> Content:
    what = "missing" if blob.state is State.MISSING else show.short_digest(blob.digest)
    others = len(blob.models) - 1
    users = f"+{show.counted(others, 'model')}" if others else "only here"
    return Content.assemble(f"{clean(kind):<9} {show.size(blob.size):>9}  ", (f"{what:<12}  {users}", _MUTED))


def blob_detail(inventory: Inventory, blob: Blob, now: float) -> Content:
    """A blob: what it is, why it stays or may go, where it lies."""
    lines = [
        Content.styled(show.blob_title(blob), _HEAD),
        Content.styled(f"{show.STATE_MARKS[blob.state]} {blob.state.value}", "bold"),
        Content(_STATES[blob.state]),
        Content(""),
        _field("Kind", clean(blob.kind or "unknown")),
        _field("Size", show.size(blob.size)),
        _field("On disk", show.size(blob.allocated)),
        *identity_lines(inventory, blob, described(inventory.store, blob)),
    ]
    if blob.written_at is not None:
        lines.append(_field("Written", f"{show.duration(now - blob.written_at)} ago (by its mtime)"))
    if blob.clock == "seen-referenced" and blob.idle_since is not None:
        lines.append(_field("Needed", f"{show.duration(now - blob.idle_since)} ago, when a run saw it last"))
    lines += _links(blob)
    if blob.state is State.UNREFERENCED and inventory.blocking:
        lines += [
            Content(""),
            Content.styled("! It stays while a problem could hide a model that needs it.", "$text-error"),
        ]
    if blob.models:
        lines += [Content(""), Content.styled("Used by", "bold")]
        lines += [Content(f"  {clean(name)}") for name in blob.models[:20]]
        lines += _more(len(blob.models) - 20)
    lines += [Content(""), Content.styled("Files", "bold")]
    lines += [Content(f"{clean(file.path)}") for file in blob.files[:20]] + _more(len(blob.files) - 20)
    return Content("\n").join(lines)


def _links(blob: Blob) -> Iterator[Content]:
    for file in blob.files:
        if file.target is not None:
            yield _field("Link to", clean(file.target))
            yield Content.styled("Removing it removes the link; its target stays.", _MUTED)
        elif file.links > 1:
            yield _field("Links", show.number(file.links))
            yield Content.styled("A hard link elsewhere keeps these bytes; they go with the last one.", _MUTED)
        if file.shared:
            yield _field("Shared", f"{show.size(file.shared)} in extents that other files have too")
            yield Content.styled("They stay on the disk when it goes.", _MUTED)


def trash_detail(inventory: Inventory, entry: TrashEntry, now: float, retention: int) -> Content:
    """A removal: what it took, until when it can come back, and what emptying it frees."""
    left = entry.removed_at + retention - now
    until = f"{show.duration(left)} left" if left > 0 else "over: it goes with the next removal"
    lines = [
        Content.styled(show.removed_title(entry), _HEAD),
        Content(""),
        _field("Removed", f"{show.duration(now - entry.removed_at)} ago"),
        _field("Keeps", until),
        _field("Frees", f"{show.size(trash_reclaims(inventory, entry, now))}, when it is emptied"),
        _field("ID", clean(entry.id)),
        Content(""),
        Content("u brings it back, d removes it for good."),
    ]
    if entry.models:
        lines += [Content(""), Content.styled("Models", "bold")]
        lines += [Content(f"  {clean(model.name)}  {show.size(model.size)}") for model in entry.models[:20]]
        lines += _more(len(entry.models) - 20)
    lines += [Content(""), Content.styled("Files", "bold")]
    lines += [Content(clean(file.path.split("/", 3)[3])) for file in entry.files[:20]] + _more(len(entry.files) - 20)
    return Content("\n").join(lines)


def problem_detail(inventory: Inventory, problem: Problem) -> Content:
    """A problem: what it means and how to mend it."""
    meaning, mend = advice(problem, inventory.store.root)
    effect = [Content("No blob is removed as unreferenced while it is there.")] if problem.blocks_prune else []
    removable = problem.path in inventory.broken_by_path
    lines = [
        Content.styled(clean(problem.message), _HEAD),
        Content(""),
        Content(meaning),
        *effect,
        Content(""),
        Content.styled("To mend it", "bold"),
        Content(mend),
        *([Content("Or mark it here with space, and remove the file with d.")] if removable else []),
        Content(""),
        Content.styled("Where", "bold"),
        Content(clean(problem.path)),
    ]
    return Content("\n").join(lines)
