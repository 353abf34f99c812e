"""The guard's mirror as a scan finds it: what it has of models that are not here any more, or not as they were."""

from collections.abc import Collection

from prunella_core.fs.sizes import File
from prunella_core.inventory.records import Model, TrashedModel
from prunella_core.ollama.paths import place_of
from prunella_core.scan.manifests import blob_in, read_manifests
from prunella_core.scan.trash import trashed
from prunella_core.store.locate import Store

_GUARD = ".prunella/guard"


def read_vanished(store: Store, mirror: Collection[File], models: Collection[Model]) -> tuple[TrashedModel, ...]:
    """Read the manifests of the mirror that no model has with the same bytes; as a rule there are none."""
    live = {model.manifest.path: model for model in models}
    copies = ((place_of(file.path), file) for file in mirror if file.path.startswith(f"{_GUARD}/manifests"))
    strays = {copy.inner for copy, file in copies if copy.is_manifest and not _is_alike(file, live.get(copy.inner))}
    if not strays:
        return ()
    aside = Store(root=store.path(_GUARD), why="guard", owner=store.owner, writable=False)
    reading = read_manifests(aside, lambda digest: blob_in(aside, digest) or blob_in(store, digest))
    found = [trashed(_GUARD, copy) for copy in reading.manifests if copy.file.path in strays]
    return tuple([model for model in found if not _is_same(model, live.get(place_of(model.manifest.path).inner))])


def _is_alike(file: File, model: Model | None) -> bool:
    """Whether a copy has the times and the size of the manifest; else its bytes have to be read."""
    return model is not None and model.manifest.identity[2:] == file.identity[2:]


def _is_same(copy: TrashedModel, model: Model | None) -> bool:
    return model is not None and model.digest == copy.digest
