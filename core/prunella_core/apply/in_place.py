"""Unlinks files where they lie, where nothing can be set aside. Needs no free byte, and cannot be undone."""

import os
from collections.abc import Iterable

from msgspec.structs import replace

from prunella_core.apply.look import look, still_needed
from prunella_core.apply.moves import changed, drop_empty_folders, unlink
from prunella_core.apply.work import Work
from prunella_core.base.errors import Refused
from prunella_core.fs.files import has_reflinks, look_at
from prunella_core.plan.records import PlannedFile, Receipt


def remove_in_place(work: Work, why: str) -> Receipt:
    """Unlink manifests, then blobs, with a look before each. Raises Refused when they were to go to the trash."""
    if work.plan.mode == "trash":
        raise Refused(f"{why}; free the space at once with --now. Nothing was changed")
    work.is_decided = True
    if work.is_to_be_watched():
        work.notes.append("Deleted in place, without watching for a pull first")
    freed = _unlink_all(work, work.plan.manifests)
    freed += _unlink_blobs(work)
    freed += _unlink_all(work, _not_needed(work))
    if not os.path.islink(work.store.manifests):
        work.errors += drop_empty_folders(work.store, [item.file.path for item in work.moved], work.disk)
    return work.receipt(freed, cancelled=work.world.cancelled())


def _unlink_all(work: Work, items: Iterable[PlannedFile]) -> int:
    freed = 0
    for item in items:
        if work.world.cancelled():
            break
        freed += _unlink(work, item)
    return freed


def _unlink_blobs(work: Work) -> int:
    """Unlink blobs until a pull begins; what a manifest needs by then stays."""
    freed = 0
    for item in work.plan.blobs:
        if work.world.cancelled():
            break
        seen = look(work.store, work.plan.made_at)
        if stop := work.objection(seen, [item]):
            work.errors.append(stop)
            break
        if still_needed(work.store, [item.file], seen.needed):
            work.returned.append(item)
        else:
            freed += _unlink(work, item)
    return freed


def _not_needed(work: Work) -> list[PlannedFile]:
    """What of the trash no model of the store needs."""
    trashed = work.plan.trashed
    needed = look(work.store, work.plan.made_at).needed if trashed else frozenset()
    kept = {file.path for file in still_needed(work.store, [item.file for item in trashed], needed)}
    work.returned += [item for item in trashed if item.file.path in kept]
    return [item for item in trashed if item.file.path not in kept]


def _unlink(work: Work, item: PlannedFile) -> int:
    """Unlink one file and return the bytes that left the disk. ``blobs/`` may be a link here, or another device."""
    folder, name = os.path.split(work.store.path(item.file.path))
    folder = os.path.realpath(folder)
    try:
        file = look_at(folder, name, has_reflinks(work.store.root))
        if file.identity != item.file.identity:
            raise changed(item.file)
        freed = unlink(work.store, f"{folder}/{name}", replace(file, path=item.file.path), work.disk)
    except OSError as error:
        work.fail(item, error)
        return 0
    work.moved.append(item)
    work.step(3)
    return freed
