"""The documents of ``guard``."""

from prunella_core.base.text import clean
from prunella_core.export.documents.fields import Document, picked, shown
from prunella_core.guard.status import GuardRun, GuardStatus


def status_document(status: GuardStatus) -> Document:
    """The document of ``guard status``."""
    settings = status.settings
    return {
        "on": settings is not None,
        **picked(status, "models", "blobs", "extra_bytes"),
        "entries": [clean(entry.id) for entry in status.entries],
        "settings": settings and picked(settings, "keep", "max_size", "min_free"),
    }


def run_document(run: GuardRun, status: GuardStatus) -> Document:
    """The document of ``guard on`` and ``guard run``: what was rescued and emptied, and what the guard holds now."""
    return {
        **status_document(status),
        "rescued": [picked(rescued, "id", "cause", "models") for rescued in run.synced.rescued],
        "waits": shown(run.synced.waits),
        "emptied": run.emptied and {"files": len(run.emptied.removed), "freed": run.emptied.freed},
    }
