"""Checks that an imported inventory could be that of a store, as the rest of the core relies on."""

from collections.abc import Iterator
from itertools import chain
from math import isfinite

from prunella_core.base.errors import InvalidInput
from prunella_core.base.text import clean
from prunella_core.fs.files import File
from prunella_core.inventory.problems import ADVICE
from prunella_core.inventory.records import Blob, Inventory, Model, State, TrashedModel
from prunella_core.ollama.names import Area, is_short_name, parse_digest, place_of

_COUNT = 1 << 200
"""Sizes and times beyond any disk and calendar, but small enough to calculate with."""

_MODE = 1 << 32
_NEEDED = (State.REFERENCED, State.MISSING)
_DEPTH_IN_TRASH = 3
"""Slashes in the path of a file of the trash, at least: ``.prunella/trash/<id>/…``."""


def validate(inventory: Inventory) -> None:
    """Raise InvalidInput unless names, digests, numbers and references are as a scan would have them.

    Free text (paths, messages) is not checked: it is cleaned wherever it is drawn.
    """
    for flaw in chain(_numbers(inventory), _names(inventory), _digests(inventory), _references(inventory)):
        raise InvalidInput(f"this export is damaged or does not describe a store: {flaw}")


def _models(inventory: Inventory) -> list[Model | TrashedModel]:
    return [*inventory.models, *(model for entry in inventory.trash for model in entry.models)]


def _numbers(inventory: Inventory) -> Iterator[str]:
    files = chain(
        (model.manifest for model in _models(inventory)),
        (file for blob in inventory.blobs for file in blob.files),
        (file for entry in inventory.trash for file in entry.files),
        (problem.file for problem in inventory.problems if problem.file),
    )
    yield from (f"impossible numbers for {clean(file.path)}" for file in files if not _is_possible(file))
    times = chain(
        [inventory.scanned_at, *(entry.removed_at for entry in inventory.trash)],
        (time for model in inventory.models for time in _times(model)),
        (time for blob in inventory.blobs for time in (blob.seen_referenced_at, blob.removed_at)),
    )
    if not all(isfinite(time) and abs(time) < _COUNT for time in times if time is not None):
        yield "an impossible time"
    sizes = chain(
        (inventory.disk_total, inventory.disk_free),
        (model.size for model in _models(inventory)),
        (model.loads for model in inventory.models),
        (layer.size for model in inventory.models for layer in model.layers),
        (blob.declared or 0 for blob in inventory.blobs),
    )
    if not all(0 <= size < _COUNT for size in sizes):
        yield "an impossible size"


def _times(model: Model) -> tuple[float | None, ...]:
    return model.weights_read_at, model.swept_at, model.seen_loaded_at, model.loaded_at, model.log_since


def _is_possible(file: File) -> bool:
    counts = (file.size, file.allocated, file.shared, file.links)
    return all(0 <= count < _COUNT for count in counts) and abs(file.mtime_ns) < _COUNT and 0 <= file.mode < _MODE


def _names(inventory: Inventory) -> Iterator[str]:
    names = {model.name for model in _models(inventory)}
    names.update(name for blob in inventory.others for name in blob.models)
    names.update(problem.model for problem in inventory.problems if problem.model is not None)
    yield from (f"“{clean(name)}” is not a model name" for name in names if not is_short_name(name))
    if len(inventory.model_by_name) < len(inventory.models):
        yield "two models have one name"
    if unknown := {problem.kind for problem in inventory.problems} - ADVICE.keys():
        yield f"a problem of a kind that this version does not know ({clean(min(unknown))})"


def _digests(inventory: Inventory) -> Iterator[str]:
    digests = {blob.digest for blob in inventory.blobs if blob.digest is not None}
    for model in inventory.models:
        digests.update(layer.digest for layer in model.layers if layer.digest)  # "" where the manifest names none
    for any_model in _models(inventory):
        digests.add(f"sha256:{any_model.digest}")
        digests.update(any_model.needs)
    yield from (f"“{clean(digest)}” is not a digest" for digest in digests if parse_digest(digest) != digest)


def _references(inventory: Inventory) -> Iterator[str]:
    blobs = inventory.blob_by_key
    if len(blobs) < len(inventory.blobs):
        yield "two blobs have one key"
    for model in inventory.models:
        if not all(digest in blobs and blobs[digest].state in _NEEDED for digest in model.needs):
            yield f"{clean(model.name)} needs a blob that is not listed"
    reached = {key for blob in inventory.blobs for key in blob.reaches}
    if not blobs.keys() >= reached:
        yield "a link leads to a blob that is not listed"
    for blob in inventory.blobs:
        yield from (f"{clean(blob.key)} {flaw}" for flaw in _states(inventory, blob, reached))
    for entry in inventory.trash:
        paths = (file.path for file in (*entry.files, *(model.manifest for model in entry.models)))
        if not all(_is_in_trash(path) for path in paths):
            yield f"the removal {clean(entry.id)} has files outside the trash"


def _is_in_trash(path: str) -> bool:
    place = place_of(path)
    return place.area is Area.TRASH and bool(place.entry) and path.count("/") >= _DEPTH_IN_TRASH


def _states(inventory: Inventory, blob: Blob, reached: set[str]) -> Iterator[str]:
    if blob.state is State.TRASHED:
        if blob.removed_at is None:
            yield "is in the trash, but not since when"
        return
    if len(set(blob.models)) < len(blob.models):
        yield "is used twice by one model"
    if not inventory.model_by_name.keys() >= set(blob.models):
        yield "is used by a model that is not listed"
    if blob.state in _NEEDED and not blob.models:
        yield "is said to be used, but by no model"
    if blob.state in _NEEDED and blob.digest != blob.key and blob.key not in reached:
        yield "is said to be used, but has another digest"
