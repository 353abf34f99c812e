"""What comes back when an entry of the trash is restored."""

from collections.abc import Iterator

from prunella_core.fs.sizes import File, reclaimed_each
from prunella_core.inventory.problems import problem
from prunella_core.inventory.records import Inventory, Problem, TrashedModel, TrashEntry, is_of_blob
from prunella_core.ollama.names import ModelName, match_name, parse_name, place_of
from prunella_core.plan.records import Plan, PlannedFile, Restore


def plan_restore(inventory: Inventory, request: Restore, now: float) -> Plan:
    """Plan to bring back an entry, or one model of it. Blobs come first, so that no manifest stands without them."""
    entry = next((entry for entry in inventory.trash if entry.id == request.entry), None)
    models = [model for model in entry.models if request.model in (None, model.name)] if entry else []
    needed = list(_needed(models, inventory))
    files = [file for digest in needed for file in inventory.trashed_files.get(digest, ())]
    if entry and request.model is None:
        files += _loose(entry, {file.path for file in files})
    moves = [(file, _place(file)) for file in files]
    under = parse_name(request.under).path if request.under else None
    manifests = [(model.manifest, under or _place(model.manifest)) for model in models]
    blocked = [*_taken(inventory, moves), *_taken_names(inventory, manifests)]
    going = [] if blocked else [*moves, *manifests]
    sizes = reclaimed_each(file for file, _target in going)
    return Plan(
        store=inventory.store,
        request=request,
        made_at=now,
        mode="restore",
        models=tuple(model.name for model in models),
        files=tuple(_planned(file, target, size) for (file, target), size in zip(going, sizes, strict=True)),
        blocked=tuple(blocked),
        reclaims=sum(sizes),
        missing=tuple(digest for digest in needed if digest not in inventory.trashed_files),
    )


def _planned(file: File, target: str, size: int) -> PlannedFile:
    digest = place_of(file.path).whole
    return PlannedFile(file=file, reclaims=size, digest=digest, reason="comes back", target=target)


def _needed(models: list[TrashedModel], inventory: Inventory) -> Iterator[str]:
    """The digests that the models need and the store has not."""
    for digest in dict.fromkeys(digest for model in models for digest in model.needs):
        blob = inventory.blob_by_key.get(digest)
        if blob is None or not blob.files:
            yield digest


def _loose(entry: TrashEntry, moving: set[str]) -> Iterator[File]:
    """What was removed by itself: blobs that no model of the entry needs, downloads, damaged manifests."""
    moving |= {model.manifest.path for model in entry.models}
    for file in entry.files:
        is_needed = is_of_blob(file.path) and place_of(file.path).digest in entry.needs
        if _place(file) and file.path not in moving and not is_needed:
            yield file


def _place(file: File) -> str:
    """The place in the store of a file in the trash: entries mirror the store. Empty for files of our own."""
    inner = place_of(file.path).inner
    return "" if inner.startswith(".prunella/") else inner


def _taken(inventory: Inventory, moves: list[tuple[File, str]]) -> Iterator[Problem]:
    there = {*inventory.blob_by_file, *inventory.broken_by_path, *(model.manifest.path for model in inventory.models)}
    for _file, target in moves:
        if target in there:
            yield problem(target, "exists", "it is there again, and nothing is overwritten")


def _taken_names(inventory: Inventory, manifests: list[tuple[File, str]]) -> Iterator[Problem]:
    for _file, target in manifests:
        name = ModelName.of_path(target)
        taken = match_name(name, inventory.model_by_name)
        if taken or target in inventory.broken_by_path:
            yield problem(
                target, "exists", f"{taken or name.short} is there again; restore it under another name", taken
            )
