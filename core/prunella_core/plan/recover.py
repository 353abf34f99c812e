"""Plans for what comes back: from the trash by a restore, or by a pull where a model is repaired."""

from collections.abc import Iterator

from prunella_core.base.errors import NotFound
from prunella_core.base.text import clean
from prunella_core.fs.files import File
from prunella_core.inventory.origin import origins
from prunella_core.inventory.problems import DAMAGE, problem
from prunella_core.inventory.records import Inventory, Model, Problem, State, TrashEntry
from prunella_core.ollama.names import ModelName, match_name, parse_name, place_of
from prunella_core.plan.records import Kept, Plan, PlannedFile, Repair, Restore, with_reclaims


def plan_restore(inventory: Inventory, request: Restore, now: float) -> Plan:
    """Plan to bring back an entry, or one model of it. Blobs come first, so that no manifest stands without them."""
    entry = next((entry for entry in inventory.trash if entry.id == request.entry), None)
    models = [model for model in entry.models if request.model in (None, model.name)] if entry else []
    wanted = dict.fromkeys(digest for model in models for digest in model.needs)
    needed = [digest for digest in wanted if not (row := inventory.blob_by_key.get(digest)) or not row.files]
    files = [file for digest in needed for file in inventory.trashed_files.get(digest, ())]
    if entry and request.model is None:
        files += _loose(entry, {file.path for file in files})
    moves = [(file, _place(file)) for file in files]
    under = parse_name(request.under).path if request.under else None
    manifests = [(model.manifest, under or _place(model.manifest)) for model in models]
    blocked = tuple(_taken(inventory, [target for _, target in moves], [target for _, target in manifests]))
    going = with_reclaims(
        PlannedFile(file=file, digest=place_of(file.path).whole, reason="comes back", target=target)
        for file, target in ([] if blocked else [*moves, *manifests])
    )
    return Plan(
        store=inventory.store,
        request=request,
        made_at=now,
        mode="restore",
        models=tuple(model.name for model in models),
        files=going,
        blocked=blocked,
        reclaims=sum(item.reclaims for item in going),
        missing=tuple(digest for digest in needed if digest not in inventory.trashed_files),
    )


def _loose(entry: TrashEntry, moving: set[str]) -> Iterator[File]:
    """What was removed by itself: blobs that no model of the entry needs, downloads, damaged manifests."""
    moving |= {model.manifest.path for model in entry.models}
    for file in entry.files:
        place = place_of(file.path)
        is_needed = place.is_of_blob and place.digest in entry.needs
        if _place(file) and file.path not in moving and not is_needed:
            yield file


def _place(file: File) -> str:
    """The place in the store of a file in the trash: entries mirror the store. Empty for files of our own."""
    inner = place_of(file.path).inner
    return "" if inner.startswith(".prunella/") else inner


def _taken(inventory: Inventory, moves: list[str], manifests: list[str]) -> Iterator[Problem]:
    there = {*inventory.blob_by_file, *inventory.broken_by_path, *(model.manifest.path for model in inventory.models)}
    for target in filter(there.__contains__, moves):
        yield problem(target, "exists", "it is there again, and nothing is overwritten")
    for target in manifests:
        name = ModelName.of_path(target)
        taken = match_name(name, inventory.model_by_name)
        if taken or target in inventory.broken_by_path:
            why = f"{taken or name.short} is there again; restore it under another name"
            yield problem(target, "exists", why, taken)


def damage(inventory: Inventory, model: Model) -> dict[str, str]:
    """Return what is wrong with each bad or missing blob of ``model``: by their sizes, and by what verify found."""
    found = [problem for problem in inventory.problems_by_model[model.name] if problem.kind in DAMAGE]
    verified = ((place_of(problem.path).whole, problem.message) for problem in found)
    bad = {digest: message for digest, message in verified if digest in model.needs}
    for layer in model.layers:
        blob = inventory.blob_by_key.get(layer.digest)
        if blob and any(file.is_regular and file.size != layer.size for file in blob.content):
            bad.setdefault(layer.digest, f"it has {blob.size:,} bytes, but its manifest says {layer.size:,}")
    missing = (digest for digest in model.needs if inventory.blob_by_key[digest].state is State.MISSING)
    return bad | dict.fromkeys(missing, "missing")


def damaged_models(inventory: Inventory) -> list[Model]:
    """The models with blobs that are missing, or known to be damaged."""
    return [model for model in inventory.models if damage(inventory, model)]


def why_no_pull(inventory: Inventory, model: Model) -> str:
    """Return why no pull repairs a model; empty where one can."""
    origin = origins(inventory)[model.name]
    if origin.kind in ("pullable", "cloud"):
        return "" if origin.source == model.name else f"it is a copy: pull {origin.source}, then copy it again"
    return f"it was created here; the rest: ollama pull {origin.source}" if origin.source else "it was created here"


def plan_repair(inventory: Inventory, request: Repair, now: float) -> Plan:
    """Plan to keep a model in the trash and to take its damaged blobs there; no files where nothing is wrong.

    Raises NotFound.
    """
    model = inventory.model_by_name.get(request.model)
    if model is None:
        raise NotFound(f"no model {clean(request.model)} in {clean(inventory.store.root)}")
    found = damage(inventory, model)
    blobs = {digest: inventory.blob_by_key[digest] for digest in model.needs}
    files = with_reclaims(
        PlannedFile(file=file, digest=digest, reason=reason, models=blobs[digest].models)
        for digest, reason in found.items()
        for file in blobs[digest].content
    )
    copied = PlannedFile(file=model.manifest, reason="a copy is kept", models=(model.name,))
    return Plan(
        store=inventory.store,
        request=request,
        made_at=now,
        mode="trash",
        models=(model.name,),
        files=(copied, *files) if found else (),
        kept=tuple(
            Kept(digest=blob.key, allocated=blob.allocated, used_by=blob.models, reason="sound, as far as is known")
            for digest, blob in blobs.items()
            if digest not in found
        ),
        blocked=(),
        reclaims=sum(item.reclaims for item in files),
        missing=tuple(digest for digest in found if blobs[digest].state is State.MISSING),
    )


def digests_of(plan: Plan) -> tuple[str, ...]:
    """Return what a pull has to bring for one plan of a repair."""
    return (*dict.fromkeys(item.digest for item in plan.files if item.digest), *plan.missing)
