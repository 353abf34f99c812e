"""Whether an inventory that somebody else wrote down could be that of a store: what the rest of the core relies on."""

from collections.abc import Iterator
from itertools import chain
from math import isfinite

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import clean
from prunella_core.fs.sizes import File
from prunella_core.inventory.problems import ADVICE
from prunella_core.inventory.records import Blob, Inventory, Model, State, TrashedModel
from prunella_core.ollama.digests import parse_digest
from prunella_core.ollama.names import parse_name
from prunella_core.ollama.paths import Area, place_of

_COUNT = 1 << 200
"""Sizes and times beyond any disk and calendar, but small enough to reckon with."""

_MODE = 1 << 32
_NEEDED = (State.REFERENCED, State.MISSING)
_DEPTH_IN_TRASH = 3
"""Slashes in the path of a file of the trash, at least: ``.prunella/trash/<id>/…``."""


def refuse_untrustworthy(inventory: Inventory) -> None:
    """Raise InvalidInput unless names, digests, numbers, and who needs what are as a scan would have them.

    Free text (paths, messages, kinds) is not looked at: it is cleaned wherever it is drawn.
    """
    for flaw in chain(_numbers(inventory), _names(inventory), _digests(inventory), _references(inventory)):
        raise InvalidInput(f"this export is damaged or no store's: {flaw}")


def _numbers(inventory: Inventory) -> Iterator[str]:
    for file in _files(inventory):
        if not _is_sound(file):
            yield f"impossible numbers for {clean(file.path)}"
    times = [inventory.scanned_at, *(entry.removed_at for entry in inventory.trash)]
    times += [time for model in inventory.models for time in (model.weights_read_at, model.seen_loaded_at) if time]
    times += [time for blob in inventory.blobs for time in (blob.seen_referenced_at, blob.removed_at) if time]
    if not all(isfinite(time) and abs(time) < _COUNT for time in times):
        yield "an impossible time"
    sizes = [inventory.disk_total, inventory.disk_free]
    sizes += [model.size for model in _models(inventory)]
    sizes += [layer.size for model in inventory.models for layer in model.layers]
    sizes += [blob.declared or 0 for blob in inventory.blobs]
    if not all(0 <= size < _COUNT for size in sizes):
        yield "an impossible size"


def _models(inventory: Inventory) -> Iterator[Model | TrashedModel]:
    yield from inventory.models
    for entry in inventory.trash:
        yield from entry.models


def _files(inventory: Inventory) -> Iterator[File]:
    yield from (model.manifest for model in inventory.models)
    yield from (file for blob in inventory.blobs for file in blob.files)
    yield from (problem.file for problem in inventory.problems if problem.file)
    for entry in inventory.trash:
        yield from (model.manifest for model in entry.models)
        yield from entry.files


def _is_sound(file: File) -> bool:
    return (
        0 <= file.size < _COUNT
        and 0 <= file.allocated < _COUNT
        and 0 <= file.shared < _COUNT
        and 0 <= file.links < _COUNT
        and -_COUNT < file.mtime_ns < _COUNT
        and 0 <= file.mode < _MODE
    )


def _names(inventory: Inventory) -> Iterator[str]:
    names = {model.name for model in _models(inventory)}
    names.update(name for blob in inventory.others for name in blob.models)
    for name in names | {problem.model for problem in inventory.problems if problem.model is not None}:
        if not _is_name(name):
            yield f"“{clean(name)}” is no model name"
    if len(inventory.model_by_name) < len(inventory.models):
        yield "two models have one name"
    if unknown := {problem.kind for problem in inventory.problems} - ADVICE.keys():
        yield f"a problem of a kind that this version does not know ({clean(min(unknown))})"


def _is_name(name: str) -> bool:
    try:
        return parse_name(name).short == name
    except InvalidInput:
        return False


def _digests(inventory: Inventory) -> Iterator[str]:
    digests = {blob.digest for blob in inventory.blobs if blob.digest is not None}
    for model in inventory.models:
        digests.update(layer.digest for layer in model.layers if layer.digest)  # "" where the manifest names none
    for any_model in _models(inventory):
        digests.add(f"sha256:{any_model.digest}")
        digests.update(any_model.needs)
    for digest in digests:
        if parse_digest(digest) != digest:
            yield f"“{clean(digest)}” is no digest"


def _references(inventory: Inventory) -> Iterator[str]:
    if len(inventory.blob_by_key) < len(inventory.blobs):
        yield "two blobs have one key"
    for model in inventory.models:
        blobs = map(inventory.blob_by_key.get, model.needs)
        if not all(blob and blob.state in _NEEDED for blob in blobs):
            yield f"{clean(model.name)} needs a blob that is not listed"
    reached = {key for blob in inventory.blobs for key in blob.reaches}
    if not inventory.blob_by_key.keys() >= reached:
        yield "a link leads to a blob that is not listed"
    for blob in inventory.blobs:
        yield from _states(inventory, blob, reached)
    for entry in inventory.trash:
        paths = (file.path for file in (*entry.files, *(model.manifest for model in entry.models)))
        if not all(_is_in_trash(path) for path in paths):
            yield f"the removal {clean(entry.id)} has files outside the trash"


def _is_in_trash(path: str) -> bool:
    place = place_of(path)
    return place.area is Area.TRASH and bool(place.entry) and path.count("/") >= _DEPTH_IN_TRASH


def _states(inventory: Inventory, blob: Blob, reached: set[str]) -> Iterator[str]:
    """Whether a row is what it is said to be."""
    if blob.state is State.TRASHED:
        if blob.removed_at is None:
            yield f"{clean(blob.key)} is in the trash, and nobody knows since when"
        return
    if not inventory.model_by_name.keys() >= set(blob.models):
        yield f"{clean(blob.key)} is used by a model that is not listed"
    if blob.state in _NEEDED and not blob.models:
        yield f"{clean(blob.key)} is said to be used, and by no model"
    if blob.state in _NEEDED and blob.digest != blob.key and blob.key not in reached:
        yield f"{clean(blob.key)} is said to be used, and is not known by its digest"
