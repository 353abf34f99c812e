"""Whose a blob was that no model names, as far as the trash and earlier runs know."""

from prunella_core.inventory.records import Blob, Inventory


def likely_model(inventory: Inventory, blob: Blob) -> str | None:
    """Return the model that a row without a model likely belongs to; ``None`` where nothing tells.

    For a download that is a model which misses the blob; else the last that an earlier run saw with it; else the
    newest in the trash that needs it.
    """
    if blob.models or blob.digest is None:
        return None
    if (missing := inventory.blob_by_key.get(blob.digest)) and missing.models:
        return missing.models[0]
    return blob.last_model or inventory.trashed_models.get(blob.digest)
